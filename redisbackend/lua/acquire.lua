-- Acquire: grants a request, keeps its place in line, or refuses it.
--
-- The steps: is this the life of the namespace that the caller knows, and the configuration; is the call too late; was the
-- attempt withdrawn; is the request known. Then: does what it would replace, or stand under, still exist; what is in the
-- way. Nothing is written before that is known, except the ends that were come across.

local function blocked(outcome, block)
  return { outcome, block.count, block.waiters, step.text(block.latest), block.list, '', '' }
end

-- grant makes r a lease. old is the lease that it replaces, parent the one that it stands under, or nil. first says that r
-- is not in the store yet.
local function grant(r, old, parent, first)
  if old then
    old.successor = r.id
    if old.holder == r.holder then
      step.endBy(old, 'r', 'p', 'p', nowText)
    else
      step.endBy(old, 'r', 't', 't', nowText, r.holder)
    end
  end
  if not first then step.removeWaiter(r) end
  local newest = max(state.token + 1, leastToken)
  r.token, r.status, r.granted, r.updated = format('%016d', newest), 'a', nowText, nowText
  r.deadline = step.lasting(up + r.ttl, parent)
  step.write(r)
  state.token = newest
  if first then state.arrivals = state.arrivals + 1 end
  step.addLease(r)
  if state.waiting > 0 then op.freed[#op.freed + 1] = { holder = r.holder, joined = r } end
  step.append('g', nowText, r, '', '')
end

local function enqueue(r)
  step.write(r)
  state.arrivals = state.arrivals + 1
  call('ZADD', INDEX, '0', step.arrivalMember(r))
  step.addWaiter(r)
  op.freed[#op.freed + 1] = { holder = r.holder, joined = r }
  step.append('q', nowText, r, '', '')
end

-- update writes back a record that is in line.
local function update(r)
  step.write(r)
  call('ZADD', LAPSES, r.deadline, r.id)
end

-- decide grants r, keeps its place, or refuses it. first says that r is not in the store yet, changed that it must be
-- written back.
local function decide(r, ask, first, changed)
  local old, problem = step.replaced(r)
  local parent = old
  if not problem then parent, problem = step.parent(r, old, first) end
  if problem then
    if not first and r.status == 'p' then step.fail(r, parent, problem) end -- the parent's end may have ended it
    return problem
  end
  if not first and ask.placeTTL > 0 then r.deadline = step.padded(max(r.deadline + 0, now + ask.placeTTL)) end
  local block = step.blockers(r, ask.all)
  if block.again then
    if changed and not first then update(r) end
    return { 'again' }
  end
  if block.count == 0 then
    step.join(r, ask.attempt)
    grant(r, old, parent, first)
    -- Those behind a waiter count on the end of its place, and ask again at their heartbeat: a lease that ends before
    -- that concerns them now. A place lasts for the shorter of waiter_ttl and the TTL, so this one was for the TTL.
    if not first and r.ttl + 0 <= ask.placeTTL then step.hintNext(r) end
    if not first then step.passOn(r) end
    return { 'done', r.text }
  end
  if parent then block.latest = min(block.latest, parent.deadline + 0) end
  if first then
    if ask.placeTTL == 0 then return blocked('refused', block) end
    enqueue(r)
  elseif changed then
    update(r)
  end
  local cycle = ask.deadlock and not r.distinct and step.cycle(r)
  if cycle then
    local reply = blocked('deadlocked', block)
    reply[7] = cycle
    step.endBy(r, 'f', 'd', 'w', nowText)
    return reply
  end
  local reply = blocked('queued', block)
  reply[6] = r.text
  return reply
end

-- overQuota says whether one more lease or waiter of the holder is too many; nil if that is to be asked again. What the
-- request would replace does not count. It counts, and looks at none; so first it records ends, as long as there are some.
local function overQuota(r, quota)
  local function over()
    local n = step.countOf(r.holder, quota)
    if r.replaceID ~= '' then
      local old = step.read(r.replaceID)
      if old and old.holder == r.holder and not step.hasEnded(old) then n = n - 1 end
    end
    return n >= quota
  end
  if not over() then return false end
  local due, others = step.due(MAX_ENDS), 0
  for _, u in ipairs(due) do
    if u.holder == r.holder then step.expire(u) else others = others + 1 end
  end
  if not over() then return false end
  if #due < MAX_ENDS then return true end
  for _, u in ipairs(due) do -- what is over of this holder's may be behind these
    if not step.hasEnded(u) then step.expire(u) end
  end
  return nil
end

-- arrive handles the first ask of a request. known is the record that had its ID and has ended, or false.
local function arrive(r, ask, known)
  if ask.quota > 0 then
    local over = overQuota(r, ask.quota)
    if over == nil then return { 'again' } end
    if over then return { 'over_quota' } end
    if step.endedEnough() then return { 'again' } end
    r.arrival = step.padded(state.arrivals + 1)
  end
  local reply = decide(r, ask, true, true)
  if known and op.cache[r.id] == r then step.disremember(known) end -- it took the place of the old one
  return reply
end

local function acquire(r, ask)
  local known = step.read(r.id)
  local found = known and step.find(r.id)
  if found and ask.again and found.reason == 'c' and step.asked(found, ask.attempt) then
    return step.gone('released') -- the holder gave up the place of a call that still waits
  end
  if step.tombstone(ask.attempt) > 0 then return { 'withdrawn' } end
  if not found then return arrive(r, ask, known) end
  if step.withdrawn(found) then return arrive(r, ask, known) end
  if found.identity ~= r.identity then return { 'mismatch' } end
  if step.hasEnded(found) then return step.endOf(found) end
  if found.status == 'a' then
    if step.join(found, ask.attempt) then step.write(found) else step.repeated() end
    return { 'done', found.text }
  end
  local changed = step.listen(found, ask.client)
  -- A try without a place only looks at the one that the request has: it will not be withdrawn.
  if ask.placeTTL > 0 then
    step.join(found, ask.attempt)
    changed = true
  end
  return decide(found, ask, false, changed)
end

-- Arguments: id; seen, what the caller knows: the newest token and number of changes (right in 16 and 14 places), the
-- version of the configuration, SP and the epoch; asking ("u" if the uncontended path may be tried, the moment after which
-- the call is too late, SP, "again place_ttl head_start deadlock quota all"); the end of a record, from the length of the
-- request on; holder, claims and attempt, as they stand there too.
function operations.acquire(id, seen, asking, tail, _, _, attempt)
  if sub(asking, 2, 15) < nowText then return { 'late' } end
  local regressed = step.regressed(seen)
  if regressed then return regressed end
  local stale = step.stale(match(seen, '^%d+', 31))
  if stale then return stale end
  step.indexFresh(true)
  local again, placeTTL, headStart, deadlock, quota, all =
    match(asking, '^([01]) (%d+) (%-?%d+) ([01]) (%d+) ([01])$', 17)
  placeTTL = placeTTL + 0
  local r = step.new(id, tail, headStart, placeTTL)
  local ask = {
    attempt = attempt, client = r.clients, again = again == '1', placeTTL = placeTTL, deadlock = deadlock == '1',
    quota = quota + 0, all = all == '1',
  }
  step.heard(r.clients)
  return acquire(r, ask)
end
