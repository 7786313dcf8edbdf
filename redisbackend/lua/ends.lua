-- How leases and waiters end.

local MOST_ENDS = 128 -- in one operation, before it replies "again"

-- endBy ends a lease or waiter. What it takes away comes first: so a server that is out of memory can still do it.
local function endBy(r, status, reason, kind, at, actor, note)
  local change = { holder = r.holder, claims = claimsOf(r) }
  if r.status == PENDING then
    change.after = placeOf(r)
    removeWaiter(r)
  else
    change.ended = r.id
    removeLease(r)
  end
  freed[#freed + 1] = change
  ends = ends + 1
  r.status, r.reason = status, reason
  r.updated, r.ended = now, at
  write(r)
  call('ZADD', ENDED, text(at), r.id)
  append(kind, at, r, actor or '', note or '')
end

-- expire records the end of r if its time is over. It took effect at the deadline.
local function expire(r)
  if not over(r) then return end
  if r.status == ACTIVE then
    endBy(r, EXPIRED, REASON.expired, KIND.expired, r.deadline)
  else
    endBy(r, FAILED, REASON.lapsed, KIND.lapsed, r.deadline)
  end
end

-- live records the ends of those whose time is over, and returns the others.
local function live(records)
  local kept = {}
  for _, r in ipairs(records) do
    if over(r) then expire(r) else kept[#kept + 1] = r end
  end
  return kept
end

-- find returns the request with this ID, its end recorded if its time is over; nil if there is none, or its end is no
-- longer remembered.
local function find(id)
  local r = read(id)
  if not r then return nil end
  expire(r)
  if forgotten(r) then return nil end
  return r
end

-- endOf says how r ended, for one who asks for it by its ID.
local ERRORS = { e = 'expired', l = 'expired', r = 'released', v = 'revoked', p = 'replaced', t = 'replaced' }

local function gone(problem) return { 'gone', problem, '', '', '' } end

local function endOf(r) return { 'gone', ERRORS[r.reason] or 'not_found', r.successor, r.actor, r.note } end

local function liveWaitersOf(holder) return live(waitersOf(holder)) end
