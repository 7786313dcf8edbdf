-- Who can be granted now, and could not before. A change in op.freed says what an operation did that may let waiters be
-- granted:
--
--   claims, after   something ended, or left the queue: the waiters that conflict with its claims (behind it, if it was a
--                   waiter); those who would replace a lease, or be under it, are seen to in end.lua
--   joined          a new waiter, or a new lease of a holder that still waits: others may now pass who could not
--
-- Waking is a hint. So an operation that is spent hints some untested, and those ask.

-- notify makes the processes that wait for r ask again.
function step.notify(r)
  for client in string.gmatch(r.clients, '[^\n]+') do
    woken = woken or {}
    local ids = woken[client] or {}
    woken[client] = ids
    if not ids[r.id] then
      ids[r.id] = true
      ids[#ids + 1] = r.id
    end
  end
end

-- hintNext hints the next in line of each claim of r, a lease: they counted on a later end of what is in their way.
function step.hintNext(r)
  if state.waiting == 0 then return end
  for _, claim in ipairs(step.nearWaiters(r)) do
    if step.spent() then return end
    for _, u in ipairs(step.recordsOf(step.waitersOver(claim, r.holder, nil, nil, 1))) do
      step.notify(u)
    end
  end
end

local function wakeGrantable(found)
  for _, u in ipairs(step.recordsOf(found)) do
    if u.status == 'p' and (step.spent() or step.grantable(u)) then step.notify(u) end
  end
end

-- passOn hints more of those who wait for the same as r, a waiter that has just been granted: of a long queue an operation
-- hints only the beginning.
function step.passOn(r)
  if state.waiting == 0 then return end
  for _, c in ipairs(step.nearWaiters(r)) do
    if c.shared and not step.spent() then -- an exclusive one lets nobody past
      local any = { path = c.path, tree = c.tree, letter = c.tree and 't' or 'e' } -- whoever has this path in a claim
      wakeGrantable(step.stillInLine(step.waitersOver(any, nil, step.placeOf(r), nil, 2)))
    end
  end
end

-- wakeNext hints the first that conflicts with the claim, behind a place if given. It asks, and comes across what this
-- operation leaves undone.
local function wakeNext(claim, after)
  local name = claim.letter .. claim.path
  if op.passed[name] or state.work > op.limit + MAX_WORK then return end
  op.passed[name] = true
  repeat
    local all = step.waitersOver(claim, nil, after, nil, MAX_PAGE)
    for i, deadline in ipairs(step.deadlinesOf(all)) do
      op.tested = op.tested + 1
      if deadline > now then return step.notify(step.read(all[i].id)) end
      after = all[i].place
    end
  until #all < MAX_PAGE or op.tested >= MAX_PASSED
end

-- blocksAll says whether nothing that conflicts with the claim can pass behind u.
local function blocksAll(u, claim)
  for _, c in ipairs(step.claims(u)) do
    if not c.shared and step.covers(c, claim.path) and (c.tree or not claim.tree) then return true end
  end
  return false
end

-- passing returns the waiters that need not stand behind one of this holder, and behind whom nothing else keeps them: its
-- own, if own says so, and those whose holder it waits for. None that a lease is in the way of.
local function passing(holder, own)
  local known = op.passed[own and 'own\0' .. holder or 'not\0' .. holder]
  if known then return known end
  local found, seen, owners, left = {}, {}, {}, MAX_WALKED
  local function owns(u)
    if u.distinct or u.replaceID ~= '' or u.parentID ~= '' then return step.owns(u) end
    if owners[u.holder] == nil then owners[u.holder] = step.owns(u) end
    return owners[u.holder]
  end
  local function take(waiters, free)
    left = left - #waiters
    for _, u in ipairs(step.recordsOf(step.stillInLine(waiters))) do
      if u.status == 'p' and not seen[u.id] and not step.spent() and not step.leaseBlocked(u) and (free or owns(u)) then
        seen[u.id] = true
        found[#found + 1] = { id = u.id, place = step.placeOf(u), holder = u.holder }
      end
    end
  end
  for _, h in ipairs(step.reachable(holder)) do
    if left <= 0 then break end
    take(step.waitersOf(h, left), own and h == holder)
    if state.children > 0 then
      for _, e in ipairs(step.leasesOf(h, MAX_WALKED)) do
        if left > 0 then take(step.waitersUnder(e.id, left), false) end
        for _, other in ipairs(step.holdersUnder(e.id)) do
          if left > 0 then take(step.waitersOf(other, left), false) end
        end
      end
    end
  end
  op.passed[own and 'own\0' .. holder or 'not\0' .. holder] = found
  return found
end

-- candidates adds to found the waiters that the end of a claim may concern. Behind the first one whose exclusive claim
-- covers all of it only those can pass whose holder that one waits for.
local function candidates(found, seen, claim, change)
  local function take(u)
    if seen[u.id] then return end
    seen[u.id] = true
    found[#found + 1] = u
  end
  local after, some = change.after, 4
  if op.tested >= MAX_TESTED or step.spent() then return wakeNext(claim, after) end
  repeat
    local all = step.waitersOver(claim, nil, after, nil, some)
    local more = #all == some
    if more then after = all[some].place end
    some = MAX_PAGE
    op.tested = op.tested + #all
    for _, u in ipairs(step.stillInLine(all)) do
      local r = step.read(u.id)
      if r and (u.holder ~= change.holder or r.distinct) then
        take(u)
        if blocksAll(r, claim) then
          for _, v in ipairs(passing(u.holder, true)) do
            if u.place < v.place and step.conflicts(step.read(v.id), claim) then take(v) end
          end
          return
        end
      end
    end
    if more and (step.endedEnough() or op.tested >= MAX_TESTED or step.spent()) then return wakeNext(claim, after) end
  until not more
end

-- joinMatters says whether a newly queued request, or a newly granted one, can make somebody wait for a holder that
-- nobody waited for before.
local function joinMatters(r)
  local waiters = step.waitersOf(r.holder, 2)
  if not waiters[1] then return false end
  if r.status == 'a' or waiters[2] or r.parentID ~= '' or step.hasLease(r.holder) then return true end
  for _, claim in ipairs(step.nearWaiters(r)) do
    if step.waitersOver(claim, r.holder, step.placeOf(r), nil, 1)[1] then return true end
  end
  return false
end

-- wake hints every waiter that this operation has made grantable.
function step.wake()
  local at = 1
  while at <= #op.freed and state.waiting > 0 do
    local change = op.freed[at] -- testing candidates may end others, and so free more
    at = at + 1
    local found = {}
    if change.joined then
      if joinMatters(change.joined) then
        for _, u in ipairs(passing(change.holder, false)) do
          if u.id ~= change.joined.id then found[#found + 1] = u end
        end
      end
    else
      local seen = {}
      for _, claim in ipairs(step.near(WAITERS, change.claims)) do
        candidates(found, seen, claim, change)
      end
    end
    table.sort(found, step.byPlace)
    wakeGrantable(found)
  end
end
