-- How leases and waiters end.

-- endBy ends a lease or waiter. What it takes away comes first: so a server that is out of memory can still do it.
function step.endBy(r, status, reason, kind, at, actor, note)
  if state.waiting > 0 then
    op.freed[#op.freed + 1] = {
      holder = r.holder, record = r, claims = step.claims(r),
      after = r.status == 'p' and step.placeOf(r) or nil,
      ended = r.status == 'a' and r.id or nil,
    }
  end
  if r.status == 'a' then
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
