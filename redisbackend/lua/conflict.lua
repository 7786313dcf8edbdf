-- What is in the way of a request: leases that conflict with it, and earlier waiters that it must not pass.

function step.byArrival(a, b) return a.arrival < b.arrival end

-- mine says whether the lease e never blocks r: it is of the same holder, the one that r gives up, or of its chain.
function step.mine(e, r)
  return e.id == r.replaceID or (e.holder == r.holder and not r.distinct) or step.inChain(r, e.id)
end

local function skipOf(r) return not r.distinct and r.holder or nil end

-- blockingLeases returns active leases that conflict with r, by arrival, at most limit. It records the ends that it comes
-- across.
function step.blockingLeases(r, limit)
  local found, n, seen, ended = {}, 0, {}, 0
  local function take(id)
    local known = seen[id]
    if known ~= nil then return known or nil end
    local e = step.read(id)
    local counts = e and id ~= r.id and not step.mine(e, r)
    seen[id] = counts or false
    if not counts then return nil end
    found[#found + 1] = e
    if step.over(e) then ended = ended + 1 else n = n + 1 end
    return n < limit and ended < MAX_ENDS
  end
  local trees = {}
  for _, claim in ipairs(step.near(INDEX, step.claims(r))) do
    step.eachOver(claim, nil, skipOf(r), take, trees)
    if n >= limit or ended >= MAX_ENDS or step.spent() then break end
  end
  table.sort(found, step.byArrival)
  if ended > 0 then found = step.live(found) end
  return found
end

-- leaseBlocked says whether a lease is in the way of r.
function step.leaseBlocked(r) return step.blockingLeases(r, 1)[1] ~= nil end

-- fewOf returns a holder's leases if they have few claims, else false.
local function fewOf(holder)
  local few = op.few[holder]
  if few == nil then
    few = step.leasesOf(holder, MANY_CLAIMS)
    local claims = 0
    for _, e in ipairs(few) do
      claims = claims + #step.claims(e)
    end
    if #few == MANY_CLAIMS or claims > MANY_CLAIMS then few = false end
    op.few[holder] = few
  end
  return few
end

-- blockedBy says whether an active lease of this holder, of those that count if given, is in the way of r: by the holder's
-- own part of the index, so however many others are.
function step.blockedBy(r, holder, counts)
  if holder == r.holder and not r.distinct then return false end
  local function blocks(e) return e and e.status == 'a' and not step.over(e) and not step.mine(e, r) and (not counts or counts(e)) end
  local claims = step.claims(r)
  local few = #claims <= MANY_CLAIMS and fewOf(holder)
  for _, e in ipairs(few or {}) do
    if blocks(e) and step.clash(e, r) then return true end
  end
  if few then return false end
  local met = false
  for _, claim in ipairs(claims) do
    step.eachOver(claim, holder, nil, function(id)
      met = blocks(step.read(id))
      return not met
    end)
    if met or step.spent() then break end
  end
  return met or false
end

-- earlier calls visit with the waiters before r that conflict with it, by claim and place, those of its own holder left
-- out unless r is distinct, and those of claims where r passes all of them, until visit returns false.
local function earlier(r, bypass, visit)
  if state.waiting == 0 then return end
  local place, seen = step.placeOf(r), {}
  for _, claim in ipairs(step.nearWaiters(r)) do
    local after, more = nil, true
    while more do
      local all = step.waitersOver(claim, skipOf(r), after, place, MAX_PAGE)
      more = #all == MAX_PAGE
      if more then after = all[MAX_PAGE].place end
      all = step.stillInLine(all)
      if all[1] and bypass.all(claim) then break end
      for _, u in ipairs(all) do
        if u.id ~= r.id and not seen[u.id] then
          seen[u.id] = true
          if visit(u) == false then return end
        end
      end
      if step.endedEnough() then return end
    end
  end
end

-- blockers returns what keeps r from being granted: list (ids and records of the first ones), count, waiters (how many of
-- them wait), latest (deadline among them), and again: too many had ended to look at the rest. Unless all are asked for,
-- it looks no further than the first. It records the ends that it comes across.
function step.blockers(r, all)
  local block = { list = {}, count = 0, waiters = 0, latest = 0 }
  local most, listed = all and MAX_CONTENTION or 1, {}
  local bound = op.limit
  op.limit = math.huge -- whoever blocks must be found; these are few steps for each claim
  local leases = step.blockingLeases(r, most)
  op.limit = max(bound, state.work + MAX_WORK / 4)
  for i, e in ipairs(leases) do
    block.latest = max(block.latest, e.deadline + 0)
    if i <= MAX_BLOCKERS then listed[i] = e.id end
  end
  block.count = #leases
  if state.waiting > 0 and block.count < most then
    local bypass, found = step.bypass(r), {}
    earlier(r, bypass, function(u)
      if bypass.has(u) then return true end
      found[#found + 1] = u
      return block.count + #found < most
    end)
    if #step.claims(r) > 1 then table.sort(found, step.byPlace) end
    for i, deadline in ipairs(step.deadlinesOf(found)) do
      block.waiters = i
      block.latest = max(block.latest, step.silentUntil(found[i].id, deadline))
      if #listed < MAX_BLOCKERS then listed[#listed + 1] = found[i].id end
    end
    block.count = block.count + block.waiters
  end
  if all then
    for i, u in ipairs(step.readAll(listed)) do
      block.list[2 * i - 1], block.list[2 * i] = u.id, u.text
    end
  end
  block.again = step.endedEnough()
  return block
end

-- grantable says whether r, a waiter, can be granted now: it looks no further than the first that is in the way.
function step.grantable(r)
  if step.leaseBlocked(r) then return false end
  local bypass, free = step.bypass(r), true
  earlier(r, bypass, function(u)
    free = bypass.has(u)
    return free
  end)
  return free
end
