-- Acquire: grants a request, keeps its place in line, or refuses it.
--
-- The steps: is this the life of the namespace that the caller knows, and the configuration; was the attempt
-- withdrawn; is the request known. Then: does what it would replace still exist; what is in the way. Nothing is
-- written before that is known, except the ends that were come across.

general[#general + 1] = function(step, keys, counters, call, text, cache)
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
    local token = math.max(counters.token + 1, step.now * step.tokensPerMilli)
    r.token, r.status, r.granted, r.updated = text(token), 'a', now, now
    r.deadline = step.padded(step.up + r.ttl)
    step.write(r)
    counters.token = token
    if first then counters.arrivals = counters.arrivals + 1 end
    step.addLease(r, first)
    if counters.waiting > 0 then step.freed[#step.freed + 1] = { holder = r.holder, joined = r } end
    step.append('g', now, r, '', '')
  end

  -- arrive handles the first ask of a request. known is the record that had its ID and has ended, or false.
  function step.arrive(r, ask, known)
    if ask.quota > 0 and step.overQuota(r, ask.quota) then return { 'over_quota' } end
    if not known then return step.decide(r, ask, true, true) end
    local forgotten = step.arrivalMember(known)
    local reply = step.decide(r, ask, true, true)
    if cache[r.id] == r then -- it took the place of the old one
      call('ZREM', keys.index, forgotten)
      if not step.hasEnded(r) then call('ZREM', keys.ended, r.id) end
    end
    return reply
  end

  local function acquire(id, attempt, ask, request)
    if counters.buried > step.now then
      local buried = call('ZSCORE', keys.buried, attempt)
      if buried and tonumber(buried) > step.now then return { 'withdrawn' } end
    end
    local r = step.newRecord(id, request, attempt, ask.address, ask.headStart, ask.placeTTL)
    local known = step.read(id)
    if not known then return step.arrive(r, ask, false) end
    return step.askAgain(r, known, ask)
  end

  -- Arguments: id, attempt, address (where the process that waits is woken, "" if none does), numbers ("again place_ttl
  -- head_start deadlock quota config_version seen_token"), the epoch that the caller knows, the request.
  function operations.acquire(id, attempt, address, numbers, epoch, request)
    local again, placeTTL, headStart, deadlock, quota, version, seen =
      string.match(numbers, '^([01]) (%d+) (-?%d+) ([01]) (%d+) (%d+) (%d+)$')
    if epoch ~= step.epoch or tonumber(seen) > counters.token then
      local problem = step.regressed(epoch)
      if problem then return problem end
    end
    if version ~= step.config.version then return { 'stale', step.settings } end
    local reply = acquire(id, attempt, {
      attempt = attempt, address = address, again = again == '1', placeTTL = tonumber(placeTTL),
      headStart = tonumber(headStart), deadlock = deadlock == '1', quota = tonumber(quota),
    }, request)
    if step.freed[1] then step.hintFreed() end
    if epoch ~= step.epoch then return { 'adopted', step.epoch, reply } end
    return reply
  end
end
