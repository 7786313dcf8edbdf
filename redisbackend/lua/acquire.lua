-- Acquire: grants a request, keeps its place in line, or refuses it.
--
-- The steps: is this the life of the namespace that the caller knows, and the configuration; was the attempt
-- withdrawn; is the request known. Then: does what it would replace still exist; what is in the way. Nothing is
-- written before that is known, except the ends that were come across.

general[#general + 1] = function(step, keys, state, call, text)
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
    local token = math.max(state.token + 1, step.leastToken)
    r.token, r.status, r.granted, r.updated = string.format('%016d', token), 'a', now, now
    r.deadline = step.padded(step.up + r.ttl)
    step.write(r)
    state.token = token
    if first then state.arrivals = state.arrivals + 1 end
    step.addLease(r, first)
    if state.waiting > 0 then step.freed[#step.freed + 1] = { holder = r.holder, joined = r } end
    step.append('g', now, r, '', '')
  end

  -- arrive handles the first ask of a request. known is the record that had its ID and has ended, or false.
  function step.arrive(r, ask, known)
    if ask.quota > 0 then
      if step.overQuota(r, ask.quota) then return { 'over_quota' } end
      if step.ends >= step.mostEnds then return { 'again' } end
    end
    if not known then return step.decide(r, ask, true, true) end
    local reply = step.decide(r, ask, true, true)
    if step.cache[r.id] == r then step.disremember(known) end -- it took the place of the old one
    return reply
  end

  local function acquire(id, attempt, ask, request)
    if state.buried > step.now then
      if tonumber(step.buriedTill(attempt)) > step.now then return { 'withdrawn' } end
    end
    local r = step.newRecord(id, request, attempt, ask.address, ask.headStart, ask.placeTTL)
    local known = step.read(id)
    if not known then return step.arrive(r, ask, false) end
    return step.askAgain(r, known, ask)
  end

  -- Arguments: seen, what the caller knows: the highest token and the newest arrival (right in 16 and 14 places), the version of the
  -- configuration, SP and the epoch; asking ("again place_ttl head_start deadlock quota"), id, attempt, address (where the process that waits is woken, ""
  -- if none does), the request.
  function operations.acquire(seen, asking, id, attempt, address, request)
    local version, epoch = string.match(seen, '^(%d+) (.*)$', 31)
    local again, placeTTL, headStart, deadlock, quota =
      string.match(asking, '^([01]) (%d+) (-?%d+) ([01]) (%d+)$')
    if epoch ~= step.epoch or tonumber(string.sub(seen, 1, 16)) > state.token
      or tonumber(string.sub(seen, 17, 30)) > state.arrivals
    then
      local problem = step.regressed(epoch)
      if problem then return problem end
    end
    if version ~= step.config.version then return { 'stale', step.settings } end
    step.indexFresh(true)
    local reply = acquire(id, attempt, {
      attempt = attempt, address = address, again = again == '1', placeTTL = tonumber(placeTTL),
      headStart = tonumber(headStart), deadlock = deadlock == '1', quota = tonumber(quota),
    }, request)
    if step.freed[1] then step.hintFreed() end
    if epoch ~= step.epoch then return { 'adopted', step.epoch, reply } end
    return reply
  end

  -- Acquire of a request that replaces nothing and has one claim, exclusive and exact. Arguments: id, seen and asking as of
  -- acquire, the end of a record (the length of the request, and all that follows), the holder and the path.
  function operations.take(id, seen, asking, record)
    local length, from = string.match(record, '^(%d+)%z()')
    local attempt, address = string.match(record, '^([^%z]*)%z%z%z%z%z([^%z]*)%z$', from + length)
    return operations.acquire(seen, asking, id, attempt, address, string.sub(record, from, from + length - 1))
  end
end
