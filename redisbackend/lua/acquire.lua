-- Acquire: grants a request, keeps its place in line, or refuses it.
--
-- The steps: is this the life of the namespace that the caller knows, and the configuration; was the attempt
-- withdrawn; is the request known. Then: does what it would replace still exist; what is in the way. Nothing is
-- written before that is known, except the ends that were come across.

local TOKENS_PER_MILLI = 1024 -- tokens jump with time, so that they go on rising after a store lost its newest ones

-- grant makes r a lease. old is the lease that it replaces, or nil. first says that r is not in the store yet.
function step.grant(r, old, first)
  if old then
    old.successor = r.id
    if old.holder == r.holder then
      step.endBy(old, 'r', 'p', 'p', step.nowText)
    else
      step.endBy(old, 'r', 't', 't', step.nowText, r.holder)
    end
  end
  if not first then step.removeWaiter(r) end
  local now = step.nowText
  local token = math.max(counters.token + 1, step.now * TOKENS_PER_MILLI)
  r.token, r.status, r.granted, r.updated = text(token), 'a', now, now
  r.deadline = text(step.up + r.ttl)
  step.write(r)
  counters.token = token
  if first then counters.arrivals = counters.arrivals + 1 end
  step.addLease(r, first)
  if counters.waiting > 0 then step.freed[#step.freed + 1] = { holder = r.holder, joined = r } end
  step.append('g', now, r, '', '')
end

-- isFree says whether nothing at all is in the way of r. Otherwise blockersOf (conflict.lua) looks closer.
local function isFree(r)
  if counters.waiting > 0 then return false end
  local claims = step.claimsOf(r)
  for i = 1, #claims do
    if step.leasesOver(claims[i], nil, 1) then return false end
  end
  return true
end

-- decide grants r, keeps its place, or refuses it. changed says that it must be written back.
function step.decide(r, ask, first, changed)
  if r.replaceID == '' and isFree(r) then
    step.grant(r, nil, first)
    return { 'done', step.now, r.text }
  end
  return step.decideClosely(r, ask, first, changed)
end

-- arrive handles the first ask of a request. known is the record that had its ID and has ended, or false.
function step.arrive(r, ask, known)
  if ask.quota > 0 and step.overQuota(r, ask.quota) then return { 'over_quota' } end
  if not known then return step.decide(r, ask, true, true) end
  local forgotten = step.arrivalMember(known)
  local reply = step.decide(r, ask, true, true)
  if step.cache[r.id] == r then -- it took the place of the old one
    call('ZREM', INDEX, forgotten)
    if not step.hasEnded(r) then call('ZREM', ENDED, r.id) end
  end
  return reply
end

local function acquire(id, attempt, ask, request)
  if counters.buried > step.now then
    local buried = call('ZSCORE', BURIED, attempt)
    if buried and tonumber(buried) > step.now then return { 'withdrawn' } end
  end
  local deadline = ask.placeTTL > 0 and text(step.now + ask.placeTTL) or '0'
  local r = step.newRecord(id, request, attempt, ask.address, ask.headStart, deadline)
  local known = step.read(id)
  if not known then return step.arrive(r, ask, false) end
  return step.askAgain(r, known, ask)
end

-- Arguments: id, attempt, address (where the process that waits is woken, "" if none does), numbers ("again place_ttl
-- head_start deadlock quota config_version seen_token"), the epoch that the caller knows, the request.
function operations.acquire(id, attempt, address, numbers, epoch, request)
  local again, placeTTL, headStart, deadlock, quota, version, seen =
    match(numbers, '^([01]) (%d+) (-?%d+) ([01]) (%d+) (%d+) (%d+)$')
  if epoch ~= step.epoch or tonumber(seen) > counters.token then
    local problem = step.regressed(epoch)
    if problem then return problem end
  end
  if version ~= step.config.version then return { 'stale', step.configText } end
  local reply = acquire(id, attempt, {
    attempt = attempt, address = address, again = again == '1', placeTTL = tonumber(placeTTL),
    headStart = tonumber(headStart), deadlock = deadlock == '1', quota = tonumber(quota),
  }, request)
  if step.freed[1] then step.hintFreed() end
  if epoch ~= step.epoch then return { 'adopted', step.epoch, reply } end
  return reply
end
