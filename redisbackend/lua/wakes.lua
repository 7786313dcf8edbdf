-- Who can be granted now, and could not before. A change in freed says what an operation did that may let waiters be
-- granted:
--
--   claims, after, ended   something ended, or left the queue: the waiters that conflict with its claims (behind it,
--                          if it was a waiter), and those who would replace the lease that ended
--   joined                 a new waiter, or a new lease of a holder that still waits: others may now be excepted
--                          from waiting behind it

general[#general + 1] = function(step, keys, state, call, text)
  local MOST_TESTED = 64 -- waiters that an operation tests
  local MOST_PASSED = 1000 -- lapsed ones that it passes over to find one to hint
  local MOST_PASSED_ON = 2 -- waiters

  -- hint makes the processes that wait for r ask again.
  function step.hint(r)
    for address in string.gmatch(r.addresses, '[^\n]+') do
      step.woken = step.woken or {}
      local ids = step.woken[address] or {}
      step.woken[address] = ids
      if not ids[r.id] then
        ids[r.id] = true
        ids[#ids + 1] = r.id
      end
    end
  end

  -- wakeUp tells the processes of those that were hinted.
  function step.wakeUp()
    for address, ids in pairs(step.woken or {}) do
      wake(address, ids)
    end
  end

  -- hintNext hints the next in line of each claim of r, a lease: they counted on a later end of what is in their way.
  function step.hintNext(r)
    if state.waiting == 0 then return end
    for _, claim in ipairs(r.claims) do
      for _, u in ipairs(step.waitersOver(claim, r.holder, nil, nil, 1)) do
        step.hint(u)
      end
    end
  end

  -- passOn hints more of those who wait for the same as r, a waiter that has just been granted: of a long queue an operation
  -- hints only the beginning.
  function step.passOn(r)
    if state.waiting == 0 then return end
    for _, c in ipairs(r.claims) do
      if c.shared then -- an exclusive one lets nobody past
        local any = { path = c.path, tree = c.tree, letter = c.tree and 't' or 'e' } -- whoever has this path in a claim
        step.hintGrantable(step.live(step.waitersOver(any, nil, step.placeOf(r), nil, MOST_PASSED_ON)))
      end
    end
  end

  -- hintFirst hints the first that conflicts with the claim, behind a place if given. It asks, and comes across what this
  -- operation leaves undone.
  local function hintFirst(claim, after)
    local name = claim.letter .. claim.path
    if step.passed[name] then return end
    step.passed[name] = true
    repeat
      local all = step.inLineOver(claim, nil, after, nil, step.readAhead)
      for _, u in ipairs(all) do
        step.tested = step.tested + 1
        if tonumber(call('ZSCORE', keys.lapses, u.id)) > step.now then return step.hint(step.read(u.id)) end
        after = u.place
      end
    until #all < step.readAhead or step.tested >= MOST_PASSED
  end

  function step.hintGrantable(waiters)
    table.sort(waiters, function(a, b) return step.placeOf(a) < step.placeOf(b) end)
    for _, u in ipairs(waiters) do
      if step.grantable(u) then step.hint(u) end
    end
  end

  -- shuts says whether nothing that conflicts with the claim can pass behind u.
  local function shuts(u, claim)
    for _, c in ipairs(u.claims) do
      if not c.shared and step.covers(c, claim.path) and (c.tree or not claim.tree) then return true end
    end
    return false
  end

  -- candidates adds to found the waiters that the end of a claim may concern. Behind the first one whose exclusive claim
  -- covers all of it only those can pass who are excepted: whose holder that one waits for.
  local function candidates(found, seen, claim, change)
    local function take(u)
      if seen[u.id] then return end
      seen[u.id] = true
      found[#found + 1] = u
    end
    local after = change.after
    if step.tested >= MOST_TESTED then return hintFirst(claim, after) end
    repeat
      local all = step.waitersOver(claim, nil, after, nil, step.readAhead)
      local more = #all == step.readAhead
      if more then after = all[step.readAhead].place end
      step.tested = step.tested + #all
      for _, u in ipairs(step.live(all)) do
        if u.holder ~= change.holder or u.distinct then
          take(u)
          if shuts(u, claim) then
            for _, v in ipairs(step.excepted(u.holder, true)) do
              if u.place < step.placeOf(v) and step.conflicts(v, claim) then take(v) end
            end
            return
          end
        end
      end
      if more and (step.ends >= step.mostEnds or step.tested >= MOST_TESTED) then return hintFirst(claim, after) end
    until not more
  end

  -- joinMatters says whether a newly queued request, or a newly granted one, can make somebody wait for a holder that
  -- nobody waited for before.
  local function joinMatters(r)
    local waiters = step.waitersOf(r.holder, 2)
    if #waiters == 0 then return false end
    if r.status == 'a' or #waiters > 1 or step.hasLease(r.holder) then return true end
    for _, claim in ipairs(r.claims) do
      if #step.waitersOver(claim, r.holder, step.placeOf(r), nil, 1) > 0 then return true end
    end
    return false
  end

  -- hintFreed hints every waiter that this operation has made grantable.
  function step.hintFreed()
    local at = 1
    while at <= #step.freed and state.waiting > 0 do
      local change = step.freed[at] -- testing candidates may end others, and so free more
      at = at + 1
      local found = {}
      if change.joined then
        if joinMatters(change.joined) then
          for _, u in ipairs(step.excepted(change.holder, false)) do
            if u.id ~= change.joined.id then found[#found + 1] = u end
          end
        end
      else
        if change.ended then
          for _, u in ipairs(step.replacing(change.ended)) do
            step.hint(u)
          end
        end
        local seen = {}
        for _, claim in ipairs(change.claims) do
          candidates(found, seen, claim, change)
        end
      end
      step.hintGrantable(found)
    end
  end
end
