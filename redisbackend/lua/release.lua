-- Release and Withdraw.

general[#general + 1] = function(step, keys, state, call, text)
  -- Arguments: id, holder, token or 0 for any.
  function operations.release(id, holder, token)
    local r = step.find(id)
    local reply
    if not r then
      reply = step.gone('not_found')
    elseif r.holder ~= holder or (token ~= '0' and token ~= r.token) then
      reply = step.gone('not_holder')
    elseif r.status == 'a' then
      step.endBy(r, 'r', 'r', 'r', step.nowText)
      reply = { 'done' }
    elseif r.status == 'p' then
      step.hint(r) -- a call that still waits asks again, and learns that it was given up
      step.endBy(r, 'f', 'c', 'w', step.nowText)
      reply = { 'done' }
    elseif (r.status == 'r' and r.reason == 'r') or r.reason == 'c' then
      reply = { 'done' } -- a repeated call
    else
      reply = step.endOf(r)
    end
    if step.freed[1] then step.hintFreed() end
    return reply
  end

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
    step.bury(attempt, till)
    state.buried = math.max(state.buried, till)
    if step.freed[1] then step.hintFreed() end
    if stands then return { 'refused', step.now, r.text } end
    return { 'done' }
  end
end
