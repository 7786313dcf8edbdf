-- How leases and waiters end.

general[#general + 1] = function(step, keys, state, call, text)
  -- endBy ends a lease or waiter. What it takes away comes first: so a server that is out of memory can still do it.
  function step.endBy(r, status, reason, kind, at, actor, note)
    if state.waiting > 0 then
      local freed = step.freed
      freed[#freed + 1] = {
        holder = r.holder, claims = r.claims,
        after = r.status == 'p' and step.placeOf(r) or nil,
        ended = r.status == 'a' and r.id or nil,
      }
    end
    if r.status == 'a' then
      step.removeLease(r)
    else
      step.removeWaiter(r)
      call('ZREM', keys.index, step.arrivalMember(r))
    end
    step.ends = step.ends + math.max(1, #r.claims / 4) -- one with many claims is as much work as several
    r.status, r.reason, r.updated, r.ended = status, reason, step.nowText, at
    step.write(r)
    step.remember(r)
    step.append(kind, at, r, actor or '', note or '')
  end

  -- expire records the end of r if its time is over. It took effect at the deadline.
  function step.expire(r)
    if not step.over(r) then return end
    if r.status == 'a' then
      step.endBy(r, 'e', 'e', 'e', r.deadline)
    else
      step.endBy(r, 'f', 'l', 'l', r.deadline)
    end
  end

  -- find returns the request with this ID, its end recorded if its time is over; false if there is none, or its end is
  -- no longer remembered.
  function step.find(id)
    local r = step.read(id)
    if not r then return false end
    if r.status == 'a' or r.status == 'p' then step.expire(r) end
    if step.hasEnded(r) and tonumber(r.ended) + step.config.endedRetention <= step.now then return false end
    return r
  end

  function step.gone(problem) return { 'gone', problem, '', '', '' } end

  -- endOf is the reply that says how r ended, for one who asks for it by its ID.
  function step.endOf(r)
    local reply = step.gone('not_found')
    local reason = r.reason
    if reason == 'e' or reason == 'l' then
      reply[2] = 'expired'
    elseif reason == 'r' then
      reply[2] = 'released'
    elseif reason == 'v' then
      reply[2] = 'revoked'
    elseif reason == 'p' or reason == 't' then
      reply[2] = 'replaced'
    end
    reply[3], reply[4], reply[5] = r.successor, r.actor, r.note
    return reply
  end
end
