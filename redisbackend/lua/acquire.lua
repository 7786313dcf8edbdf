-- Acquire: grants a request, keeps its place in line, or refuses it.
--
-- The steps: is this the life of the namespace that the caller knows, and the configuration; was the attempt
-- withdrawn; is the request known. Then: does what it would replace still exist; what is in the way. Nothing is
-- written before that is known, except the ends that were come across.

local TOKENS_PER_MILLI = 1024 -- tokens jump with time, so that they go on rising after a store lost its newest ones

local function granted(r) return { 'done', now, r.text } end

local function blockedReply(outcome, block)
  return { outcome, now, math.min(block.count, MOST_COUNTED), block.waiters, block.latest, block.list, '', '' }
end

-- replaced returns the lease that r would replace, or the reply that says how that lease ended (and the lease, if it
-- is known).
local function replaced(r)
  if r.replaceID == '' then return nil end
  local old = find(r.replaceID)
  if not old then return nil, gone('not_found') end
  if old.holder ~= r.replaceHolder or old.token ~= r.replaceToken then return nil, gone('not_holder') end
  if old.status ~= ACTIVE then return old, endOf(old) end
  return old
end

-- fail ends a waiter whose lease to replace is gone: it fails as that did.
local function fail(r, old, reply)
  local reason = REASON.cancelled
  if old then reason, r.successor = old.reason, old.successor end
  r.actor, r.note = reply[4], reply[5]
  endBy(r, FAILED, reason, KIND.withdrawn, now)
end

-- update writes back a record that is in line, or active.
local function update(r)
  write(r)
  call('ZADD', r.status == PENDING and LAPSES or DEADLINES, text(r.deadline), r.id)
end

local function enqueue(r)
  counters.arrivals = counters.arrivals + 1
  write(r)
  call('ZADD', ARRIVALS, text(r.arrival), r.id)
  addWaiter(r)
  freed[#freed + 1] = { holder = r.holder, joined = r }
  append(QUEUED, now, r, '', '')
end

-- grant makes r a lease. old is the lease that it replaces, or nil. first says that r is not in the store yet.
local function grant(r, old, first)
  if old then
    old.successor = r.id
    if old.holder == r.holder then
      endBy(old, RELEASED, REASON.replaced, KIND.replaced, now)
    else
      endBy(old, RELEASED, REASON.transferred, KIND.transferred, now, r.holder)
    end
  end
  counters.token = math.max(counters.token + 1, now * TOKENS_PER_MILLI)
  if not first then removeWaiter(r) end
  r.token, r.status, r.granted, r.updated, r.deadline = counters.token, ACTIVE, now, now, up + r.ttl
  write(r)
  if first then
    counters.arrivals = counters.arrivals + 1
    call('ZADD', ARRIVALS, text(r.arrival), r.id)
  end
  addLease(r)
  if counters.waiting > 0 then freed[#freed + 1] = { holder = r.holder, joined = r } end
  append(GRANTED, now, r, '', '')
end

-- decide grants r, keeps its place, or refuses it. changed says that it must be written back.
local function decide(r, ask, first, changed)
  local old, problem = replaced(r)
  if problem then
    if not first then fail(r, old, problem) end
    return problem
  end
  local block = blockersOf(r)
  if block.again then
    if changed and not first then update(r) end
    return { 'again' }
  end
  if block.count == 0 then
    grant(r, old, first)
    return granted(r)
  end
  if first then
    if ask.placeTTL == 0 then return blockedReply('refused', block) end
    enqueue(r)
  elseif changed then
    update(r)
  end
  if ask.deadlock and not r.distinct then
    local cycle = cycleOf(r)
    if cycle then
      local reply = blockedReply('deadlocked', block)
      reply[8] = cycle
      endBy(r, FAILED, REASON.deadlock, KIND.withdrawn, now)
      return reply
    end
  end
  local reply = blockedReply('queued', block)
  reply[7] = r.text
  return reply
end

-- overQuota says whether one more lease or waiter of the holder is too many. What the request would replace does not
-- count.
local function overQuota(r, quota)
  local n = 0
  local function count(records)
    for _, other in ipairs(records) do
      if not over(other) and other.id ~= r.replaceID then n = n + 1 end
    end
  end
  count(leasesOf(r.holder, quota + MOST_ENDS))
  count(waitersOf(r.holder))
  return n >= quota
end

-- arrive handles the first ask of a request. known says that its ID was that of one that has ended.
local function arrive(request, ask, known)
  local r = request
  if ask.quota > 0 and overQuota(r, ask.quota) then return { 'over_quota' } end
  r.status, r.reason, r.token, r.renewals = PENDING, '', 0, 0
  r.created, r.granted, r.updated, r.ended = now, 0, now, 0
  r.deadline = ask.placeTTL > 0 and now + ask.placeTTL or 0
  r.arrival, r.key = counters.arrivals + 1, now - ask.headStart
  r.attempts, r.renewal, r.successor, r.actor, r.note, r.address = ask.attempt, '', '', '', '', ask.address
  local reply = decide(r, ask, true, true)
  if known and cache[r.id] == r and not hasEnded(r) then call('ZREM', ENDED, r.id) end
  return reply
end

local function acquire(id, ask, requestText)
  if counters.buried > now then
    local buried = call('ZSCORE', BURIED, ask.attempt)
    if buried and tonumber(buried) > now then return { 'withdrawn' } end
  end
  local known = read(id)
  local r = find(id)
  if r and ask.again and asked(r, ask.attempt) and r.reason == REASON.cancelled then
    return gone('released') -- the holder gave up the place of a call that still waits
  end
  local request = readRequest({ id = id }, requestText)
  if not r or WITHDRAWN[r.reason] then return arrive(request, ask, known) end
  if r.identity ~= request.identity then return { 'mismatch' } end
  if hasEnded(r) then return endOf(r) end
  local changed = join(r, ask.attempt)
  if r.status == ACTIVE then
    if changed then update(r) end
    return granted(r)
  end
  if ask.address ~= '' and r.address ~= ask.address then
    r.address, changed = ask.address, true
  end
  if ask.placeTTL > 0 then
    r.deadline, changed = now + ask.placeTTL, true
  end
  return decide(r, ask, false, changed)
end

-- Arguments: id, attempt, address (where the process that waits is woken, "" if none does), numbers ("again place_ttl
-- head_start deadlock quota config_version seen_token"), the epoch that the caller knows, the request.
operation('acquire', function(a)
  local again, placeTTL, headStart, deadlock, quota, version, seen =
    match(a[4], '^([01]) (%d+) (-?%d+) ([01]) (%d+) (%d+) (%d+)$')
  local problem = regressed(a[5], tonumber(seen))
  if problem then return problem end
  if version ~= config.version then return { 'stale', configText } end
  local reply = acquire(a[1], {
    attempt = a[2], address = a[3], again = again == '1', placeTTL = tonumber(placeTTL),
    headStart = tonumber(headStart), deadlock = deadlock == '1', quota = tonumber(quota),
  }, a[6])
  hintFreed()
  if a[5] ~= epoch then reply = { 'adopted', epoch, reply } end
  return reply
end)
