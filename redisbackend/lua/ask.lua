-- What an ask comes to.

general[#general + 1] = function(step, keys, state, call, text)
  local function blocked(outcome, block)
    return { outcome, step.now, math.min(block.count, step.mostCounted), block.waiters, block.latest, block.list, '', '' }
  end

  -- replaced returns the lease that r would replace, or the reply that says how that lease ended (and the lease, if it
  -- is known).
  local function replaced(r)
    if r.replaceID == '' then return nil end
    local old = step.find(r.replaceID)
    if not old then return nil, step.gone('not_found') end
    if old.holder ~= r.replaceHolder or old.token ~= r.replaceToken then return nil, step.gone('not_holder') end
    if old.status ~= 'a' then return old, step.endOf(old) end
    return old
  end

  -- fail ends a waiter whose lease to replace is gone: it fails as that did.
  local function fail(r, old, reply)
    local reason = 'c'
    if old then reason, r.successor = old.reason, old.successor end
    r.actor, r.note = reply[4], reply[5]
    step.endBy(r, 'f', reason, 'w', step.nowText)
  end

  -- update writes back a record that is in line.
  local function update(r)
    step.write(r)
    call('ZADD', keys.lapses, r.deadline, r.id)
  end

  local function enqueue(r)
    step.write(r)
    state.arrivals = state.arrivals + 1
    call('ZADD', keys.index, '0', step.arrivalMember(r))
    step.addWaiter(r)
    step.freed[#step.freed + 1] = { holder = r.holder, joined = r }
    step.append('q', step.nowText, r, '', '')
  end

  -- The attempts that asked for a record, one a line; none once it belongs to the client, and no attempt can take it
  -- back.
  local MOST_ATTEMPTS = 8

  function step.asked(r, attempt)
    return attempt ~= '' and string.find('\n' .. r.attempts .. '\n', '\n' .. attempt .. '\n', 1, true) ~= nil
  end

  -- join adds an attempt to those that asked for r, and says whether that changed r.
  local function join(r, attempt)
    if r.attempts == '' or step.asked(r, attempt) then return false end
    local _, breaks = string.gsub(r.attempts, '\n', '\n')
    if attempt == '' or breaks + 1 == MOST_ATTEMPTS then
      r.attempts = ''
    else
      r.attempts = r.attempts .. '\n' .. attempt
    end
    return true
  end

  -- decide grants r, keeps its place, or refuses it. first says that r is not in the store yet, changed that it must be
  -- written back.
  function step.decide(r, ask, first, changed)
    local old, problem = replaced(r)
    if problem then
      if not first then fail(r, old, problem) end
      return problem
    end
    local block = step.blockersOf(r)
    if block.again then
      if changed and not first then update(r) end
      return { 'again' }
    end
    if block.count == 0 then
      join(r, ask.attempt)
      step.grant(r, old, first)
      -- Those behind a waiter count on the end of its place, and ask again at their heartbeat: a lease that ends before
      -- that concerns them now.
      if not first and tonumber(r.ttl) < ask.placeTTL / 3 then step.hintNext(r) end
      if not first then step.passOn(r) end
      return { 'done', step.now, r.text }
    end
    if first then
      if ask.placeTTL == 0 then return blocked('refused', block) end
      enqueue(r)
    elseif changed then
      update(r)
    end
    local cycle = ask.deadlock and not r.distinct and step.cycleOf(r)
    if cycle then
      local reply = blocked('deadlocked', block)
      reply[8] = cycle
      step.endBy(r, 'f', 'd', 'w', step.nowText)
      return reply
    end
    local reply = blocked('queued', block)
    reply[7] = r.text
    return reply
  end

  -- overQuota says whether one more lease or waiter of the holder is too many. What the request would replace does not
  -- count. It records the ends that it comes across: if they are as many as an operation may record, it has not counted what
  -- lies behind.
  function step.overQuota(r, quota)
    -- There are no more than their claims and places.
    local own, waiting = 'h' .. r.holder .. '\0', 0
    if state.waiting > 0 then waiting = call('ZLEXCOUNT', keys.waiters, '[' .. own, '(' .. own .. ':') end
    if call('ZLEXCOUNT', keys.index, '[' .. own, '(h' .. r.holder .. '\1') + waiting < quota then return false end
    local function count(records)
      local n = 0
      for _, other in ipairs(step.live(records)) do
        if other.id ~= r.replaceID then n = n + 1 end
      end
      return n
    end
    local limit = quota + step.mostEnds + 1 -- one may be replaced
    local leases = step.leasesOf(r.holder, limit)
    local n, all = count(leases), #leases < limit
    if n < quota and all then n = n + count(step.waitersOf(r.holder, limit)) end
    return n >= quota
  end

  -- listen adds an address to those where r is waited for, of which the newest are kept, and says whether that changed r.
  local MOST_ADDRESSES = 4

  local function listen(r, address)
    if address == '' or string.find('\n' .. r.addresses .. '\n', '\n' .. address .. '\n', 1, true) then return false end
    local kept = { address }
    for other in string.gmatch(r.addresses, '[^\n]+') do
      if #kept < MOST_ADDRESSES then kept[#kept + 1] = other end
    end
    r.addresses = table.concat(kept, '\n')
    return true
  end

  -- askAgain handles an ask by a known ID. known is the record that has it, r what is asked for.
  function step.askAgain(r, known, ask)
    local found = step.find(known.id)
    if not found then return step.arrive(r, ask, known) end
    local reason = found.reason
    if ask.again and reason == 'c' and step.asked(found, ask.attempt) then
      return step.gone('released') -- the holder gave up the place of a call that still waits
    end
    if reason == 'l' or reason == 'o' or reason == 'c' or reason == 'd' then return step.arrive(r, ask, known) end
    if found.identity ~= r.identity then return { 'mismatch' } end
    if step.hasEnded(found) then return step.endOf(found) end
    if found.status == 'a' then
      if join(found, ask.attempt) then step.write(found) end
      return { 'done', step.now, found.text }
    end
    local changed = listen(found, ask.address)
    -- A try without a place only looks at the one that the request has: it will not be withdrawn.
    if ask.placeTTL > 0 then
      join(found, ask.attempt)
      found.deadline, changed = step.padded(step.now + ask.placeTTL), true
    end
    return step.decide(found, ask, false, changed)
  end
end
