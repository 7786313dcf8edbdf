-- How leases and waiters end.

-- fail ends a waiter whose lease to replace, or whose parent, is gone: it fails as that did. reply is the one that says so.
function step.fail(r, cause, reply)
  local reason = 'c'
  if cause then reason, r.successor = cause.reason, cause.successor end
  r.actor, r.note = reply[4], reply[5]
  step.notify(r)
  step.endBy(r, 'f', reason, 'w', nowText)
end

-- endDependents ends the waiters whose parent has ended, as many as an operation may, and wakes the others and those who
-- would replace what has.
local function endDependents(old)
  local all = step.replacing(old.id)
  if state.children > 0 then
    for _, u in ipairs(step.waitersUnder(old.id, MAX_CONTENTION)) do
      all[#all + 1] = u
    end
    table.sort(all, step.byPlace)
  end
  for _, u in ipairs(step.recordsOf(all)) do
    local child = u.chain ~= '' and step.chain(u)[1] == old.id
    if u.status == 'p' and child and not step.endedEnough() then
      step.fail(u, old, step.endOf(old))
    elseif u.status == 'p' and (child or u.replaceID == old.id) then
      step.notify(u)
    end
  end
end

-- endBy ends a lease or waiter. What it takes away comes first: so a server that is out of memory can still do it.
function step.endBy(r, status, reason, kind, at, actor, note)
  if state.waiting > 0 then
    op.freed[#op.freed + 1] = {
      holder = r.holder, claims = step.claims(r), after = r.status == 'p' and step.placeOf(r) or nil,
    }
  end
  local was = r.status
  if was == 'a' then
    step.removeLease(r)
  else
    step.removeWaiter(r)
    call('ZREM', INDEX, step.arrivalMember(r))
  end
  op.ends = op.ends + max(1, #r.claimsText / 512) -- one with many claims is as much work as several
  r.status, r.reason, r.updated, r.ended = status, reason, nowText, at
  step.write(r)
  step.remember(r)
  step.append(kind, at, r, actor or '', note or '')
  if was == 'a' and state.waiting > 0 then endDependents(r) end
end

-- expire records the end of r, whose time is over. It took effect at the deadline.
function step.expire(r)
  if r.status == 'a' then
    step.endBy(r, 'e', 'e', 'e', r.deadline)
  else
    step.endBy(r, 'f', 'l', 'l', r.deadline)
  end
end

-- endedEnough says that the operation has ended as many as one may: it is to be repeated.
function step.endedEnough() return op.ends >= MAX_ENDS end
