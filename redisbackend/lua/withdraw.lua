-- Withdraw: takes back an attempt.

later(operations, function()
  local TOMBSTONE = 120000 -- ms: how long a withdrawn attempt is remembered (lease.MinEndedRetention)

  -- leave takes an attempt away from those that asked for r, and says whether it was the last one.
  local function leave(r, attempt)
    local rest = {}
    for other in string.gmatch(r.attempts, '[^\n]+') do
      if other ~= attempt then rest[#rest + 1] = other end
    end
    r.attempts = table.concat(rest, '\n')
    return #rest == 0
  end

  -- Arguments: id, holder, attempt, why: the letter of a reason. The tombstone is written last, so that what the
  -- attempt was given is given back even if the server has no memory left for it.
  function operations.withdraw(id, holder, attempt, why)
    local r = step.find(id)
    local its = r and not step.hasEnded(r) and r.holder == holder and step.asked(r, attempt)
    local stands = its and r.status == 'a' and r.replaceID ~= ''
    if its and not stands then
      if leave(r, attempt) then step.endBy(r, 'f', why, 'w', step.nowText) else step.write(r) end
    end
    local till = step.now + TOMBSTONE
    call('ZADD', BURIED, text(till), attempt)
    step.wrote = true
    counters.buried = math.max(counters.buried, till)
    if step.freed[1] then step.hintFreed() end
    if stands then return { 'refused', step.now, r.text } end
    return { 'done' }
  end
end)
