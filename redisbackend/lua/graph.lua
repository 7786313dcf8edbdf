-- Who waits for whom. A waiter waits for a holder if a lease of that holder blocks it, or if a holder whose lease blocks
-- it, or who has an earlier waiter that conflicts with it, has a waiter that waits for that holder. The relation ignores
-- the bypass rule, which is made of it, so it is not circular.

-- standsBehind says whether u stands behind r in the queue.
local function standsBehind(u, r)
  return u.holder ~= r.holder and step.placeOf(r) < step.placeOf(u) and step.clash(r, u)
end

-- between returns the waiters that conflict with a claim from a place on, if given, and before another.
local function between(claim, from, before)
  local all, after = {}, from and format('%s%015d', sub(from, 1, 14), sub(from, 15) - 1)
  repeat
    local some = step.waitersOver(claim, nil, after, before, MAX_PAGE)
    local more = #some == MAX_PAGE
    if more then after = some[MAX_PAGE].place end
    for _, u in ipairs(step.stillInLine(some)) do
      all[#all + 1] = u
    end
  until not more or step.endedEnough() or step.spent()
  return all
end

-- walk follows this relation, depth first, until it meets a waiter that is blocked by the goal. What it has seen without
-- meeting it need not be seen again; so each waiter is looked at once, however many start from it. The asker, if given,
-- counts as a waiter, in the store or not yet, so that asking again does not change the answer. It looks at no more than
-- most waiters, if given.
function step.walk(blocked, asker, most)
  local left = most or math.huge
  local holders, waiters = {}, {} -- visited; true: it leads to the goal
  local swept = {} -- by claim: of which waiters that conflict with it the holders have been visited
  local blocking = {} -- holders of the leases that block, by whose they are not and claims
  local trail = {} -- visited since the last start: pairs of a table and what is in it
  local walk = { order = {} }

  local function visit(seen, name)
    seen[name] = false
    trail[#trail + 1], trail[#trail + 2] = seen, name
  end

  local function blockersOf(u)
    local alike = (u.distinct and 'd' or 'n') .. u.identity
    local its = blocking[alike]
    if not its then
      local seen = {}
      its = {}
      for _, e in ipairs(step.blockingLeases(u, MAX_CONTENTION)) do
        if not seen[e.holder] then
          seen[e.holder] = true
          its[#its + 1] = e.holder
        end
      end
      blocking[alike] = its
    end
    return its
  end

  local follow

  local function from(u)
    local known = waiters[u.id]
    if known ~= nil or left == 0 or step.spent() then return known or false end
    left = left - 1
    visit(waiters, u.id)
    local met = follow(u)
    waiters[u.id] = met
    return met
  end

  function walk.fromHolder(holder)
    local known = holders[holder]
    if known ~= nil or left == 0 or step.spent() then return known or false end
    visit(holders, holder)
    walk.order[#walk.order + 1] = holder
    local met, listed = false, false
    local its = step.liveWaitersOf(holder, min(left, MAX_CONTENTION))
    for i = #its, 1, -1 do -- what is ahead of the last is ahead of most
      met = from(its[i])
      if met then break end
      listed = listed or (asker and its[i].id == asker.id)
    end
    if not met and asker and not listed and asker.holder == holder then met = from(asker) end
    holders[holder] = met or false
    return met
  end

  -- ahead follows the holders of the waiters before u that conflict with its claim.
  local function ahead(u, claim)
    local s = swept[claim.name] or { but = {} } -- before: up to which place; but: the first of each holder that was left out
    swept[claim.name] = s
    local own, following = step.placeOf(u), {}
    for _, v in ipairs(s.but) do
      if v.holder ~= u.holder and v.place < own then following[#following + 1] = v.holder end
    end
    if not s.before or s.before < own then
      local since = s.before
      s.before = own
      for _, v in ipairs(between(claim, since, own)) do
        if v.holder ~= u.holder then
          following[#following + 1] = v.holder
        elseif not s.but[v.holder] then
          s.but[v.holder] = true
          s.but[#s.but + 1] = v
        end
      end
    end
    for _, holder in ipairs(following) do
      if holders[holder] ~= false and walk.fromHolder(holder) then return true end
    end
    return false
  end

  function follow(u)
    if blocked and blocked(u) then return true end
    for _, holder in ipairs(blockersOf(u)) do
      if walk.fromHolder(holder) then return true end
    end
    for _, claim in ipairs(step.claims(u)) do
      if ahead(u, claim) then return true end
    end
    return (asker and standsBehind(u, asker) and walk.fromHolder(asker.holder)) or false
  end

  -- meets says whether u waits for somebody whose lease is the goal.
  function walk.meets(u)
    if not u then return false end
    trail = {}
    local met = from(u)
    if met then
      -- What was left in the midst of is not known to lead nowhere.
      for i = 1, #trail, 2 do
        local seen, name = trail[i], trail[i + 1]
        if not seen[name] then seen[name] = nil end
      end
      swept = {}
    end
    return met
  end

  return walk
end

-- reachable returns the holders that this one waits for, through however many others, itself included: as many as it
-- finds with a bounded look.
function step.reachable(holder)
  local walk = step.walk(nil, nil, MAX_WALKED)
  walk.fromHolder(holder)
  return walk.order
end

-- cycle returns the holders that wait for each other because r waits, r's first; nil if its wait can end. It follows
-- leases only: the order in the queue never makes a deadlock, since the bypass rule gives way. Distinct requests take no
-- part. Whether a waiter of another closes the cycle is asked of the asker's own leases, so however many others block it.
function step.cycle(r)
  local visited, count = { [r.holder] = true }, 1
  local function search(u)
    if u ~= r and step.blockedBy(u, r.holder) then return { u.holder } end
    for _, e in ipairs(step.blockingLeases(u, u == r and 10 * MAX_CONTENTION or MAX_CONTENTION)) do
      if count < MAX_CYCLE and not visited[e.holder] and not step.spent() then
        local waiters = step.waitersOf(e.holder, MAX_CONTENTION)
        visited[e.holder] = true
        if waiters[1] then count = count + 1 end
        for _, v in ipairs(step.live(step.recordsOf(step.stillInLine(waiters)))) do
          local rest = not v.distinct and search(v)
          if rest then
            table.insert(rest, 1, u.holder)
            return rest
          end
        end
      end
    end
    return nil
  end
  return search(r)
end
