-- Who waits for whom. A waiter waits for a holder if a lease of that holder blocks it, or if a holder whose lease blocks
-- it, or who has an earlier waiter that conflicts with it, has a waiter that waits for that holder. The relation ignores
-- the bypass rule, which is made of it, so it is not circular.

-- standsBehind says whether u stands behind r in the queue.
local function standsBehind(u, r)
  return u.holder ~= r.holder and step.placeOf(r) < step.placeOf(u) and step.clash(r, u)
end

-- between returns the waiters that conflict with a claim from a place on, if given, and before another.
local function between(claim, from, before)
  local all, after = {}, from and format('%s%015d', sub(from, 1, 14), match(from, '^0*(%d+)', 15) - 1)
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
    if left == 0 or step.spent() then return false end
    local name = claim.letter .. claim.path
    local s = swept[name] or { but = {} } -- before: up to which place; but: the first of each holder that was left out
    swept[name] = s
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

-- pair looks backwards, from the waiters that the leases of r's holder block to the leases that block r: so two holders
-- that wait for each other are found among however many leases there are in the way. It returns the other holder, or nil,
-- and whether anybody waits for r's holder at all.
local function pair(r, held, all)
  local found, seen, awaited, asked = {}, {}, not all, {}
  for _, e in ipairs(held) do
    for _, claim in ipairs(step.claims(e)) do
      if step.spent() then break end
      for _, u in ipairs(step.waitersOver(claim, r.holder, nil, nil, MAX_CONTENTION)) do
        if not seen[u.id] then
          seen[u.id] = true
          found[#found + 1] = u
        end
      end
    end
  end
  table.sort(found, step.byPlace)
  for _, u in ipairs(step.recordsOf(step.stillInLine(found))) do
    if step.spent() then return nil, true end
    if u.status == 'p' and not u.distinct and not asked[u.holder] and step.blockedBy(u, r.holder) then
      awaited, asked[u.holder] = true, true
      if step.blockedBy(r, u.holder) then return u.holder, true end
    end
  end
  return nil, awaited
end

-- cycle returns the holders that wait for each other because r waits, r's first; nil if its wait can end. It follows
-- leases only: the order in the queue never makes a deadlock, since the bypass rule gives way. Distinct requests take no
-- part.
function step.cycle(r)
  local held, all = step.held(r.holder, MAX_CONTENTION)
  if not held[1] then return nil end -- nobody waits for a holder that has nothing
  local other, awaited = pair(r, held, all)
  if other then return { r.holder, other } end
  if not awaited then return nil end
  local visited, count = { [r.holder] = true }, 1
  local function search(u)
    if u ~= r and step.blockedBy(u, r.holder) then return { u.holder } end
    for _, e in ipairs(step.blockingLeases(u, MAX_CONTENTION)) do
      if not visited[e.holder] then
        if count == MAX_CYCLE or step.spent() then return nil end
        visited[e.holder] = true
        local counted = false
        for _, v in ipairs(step.liveWaitersOf(e.holder, MAX_CONTENTION)) do
          if not v.distinct then
            if not counted then counted, count = true, count + 1 end
            local rest = search(v)
            if rest then
              table.insert(rest, 1, u.holder)
              return rest
            end
          end
        end
      end
    end
    return nil
  end
  return search(r)
end
