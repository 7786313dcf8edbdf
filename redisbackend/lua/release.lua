-- Release and Withdraw.

local DONE = { 'done' }

local function release(id, holder, token)
  local r = find(id)
  if not r then return gone('not_found') end
  if r.holder ~= holder or (token ~= 0 and token ~= r.token) then return gone('not_holder') end
  if r.status == ACTIVE then
    endBy(r, RELEASED, REASON.released, KIND.released, now)
    return DONE
  end
  if r.status == PENDING then
    hint(r) -- a call that still waits asks again, and learns that it was given up
    endBy(r, FAILED, REASON.cancelled, KIND.withdrawn, now)
    return DONE
  end
  if (r.status == RELEASED and r.reason == REASON.released) or r.reason == REASON.cancelled then
    return DONE -- a repeated call
  end
  return endOf(r)
end

-- Arguments: id, holder, token or 0 for any.
operation('release', function(a)
  local reply = release(a[1], a[2], tonumber(a[3]))
  hintFreed()
  return reply
end)

local TOMBSTONE = 120000 -- ms: how long a withdrawn attempt is remembered (lease.MinEndedRetention)

local function withdraw(id, holder, attempt, why)
  local r = find(id)
  local mineToEnd = r and not hasEnded(r) and r.holder == holder and asked(r, attempt)
  local stands = mineToEnd and r.status == ACTIVE and r.replaceID ~= ''
  if mineToEnd and not stands then
    if leave(r, attempt) then endBy(r, FAILED, why, KIND.withdrawn, now) else update(r) end
  end
  local till = now + TOMBSTONE
  call('ZADD', BURIED, text(till), attempt)
  wrote = true
  counters.buried = math.max(counters.buried, till)
  if stands then return { 'refused', now, r.text } end
  return DONE
end

-- Arguments: id, holder, attempt, why: the name of a reason. The tombstone is written last, so that what the attempt
-- was given is given back even if the server has no memory left for it.
operation('withdraw', function(a)
  local reply = withdraw(a[1], a[2], a[3], REASON[a[4]])
  hintFreed()
  return reply
end)
