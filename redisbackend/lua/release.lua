-- Release and Withdraw.

-- Arguments: id, holder, token or 0 for any.
function operations.release(id, holder, its)
  local r = step.find(id)
  if not r then return step.gone('not_found') end
  if r.holder ~= holder or (its ~= '0' and its ~= r.token) then return step.gone('not_holder') end
  if r.status == 'a' then
    step.endBy(r, 'r', 'r', 'r', nowText)
  elseif r.status == 'p' then
    step.notify(r) -- a call that still waits asks again, and learns that it was given up
    step.endBy(r, 'f', 'c', 'w', nowText)
    for attempt in string.gmatch(r.attempts, '[^\n]+') do
      step.addTombstone(attempt)
    end
  elseif (r.status == 'r' and r.reason == 'r') or r.reason == 'c' then
    step.repeated()
  else
    return step.endOf(r)
  end
  return { 'done' }
end

-- Arguments: id, holder, attempt, why: the letter of a reason. The tombstone is written last, so that what the attempt
-- was given is given back even if the server has no memory left for it.
function operations.withdraw(id, holder, attempt, why)
  local r = step.find(id)
  local its = r and not step.hasEnded(r) and r.holder == holder and step.asked(r, attempt)
  local stands = its and r.status == 'a' and r.replaceID ~= ''
  if its and not stands then
    if step.leave(r, attempt) then step.endBy(r, 'f', why, 'w', nowText) else step.write(r) end
  end
  step.addTombstone(attempt)
  if stands then return { 'refused', r.text } end
  return { 'done' }
end
