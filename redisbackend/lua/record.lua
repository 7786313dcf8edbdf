-- A record is a request as the store keeps it, from its first arrival until it is forgotten: text of
--
--   status reason token renewals created granted deadline updated ended arrival key  (numbers; status and reason
--   are letters) NUL attempts NUL renewal NUL successor NUL actor NUL note NUL address NUL request
--
-- where request is what the client made of it, and never changes:
--
--   ttl max_renewals priority distinct NUL holder NUL id, holder, token of what it replaces (each NUL) claims NUL labels
--
-- A claim is a letter (e exact, f exact and shared, t tree, u tree and shared), its path ("" for the root) and NUL. No
-- name has a NUL, so all names stand as they are. Times are ms of the store's clock, 0 for none. In Lua, a record's
-- numbers stay text until they are needed as numbers.

-- Status: p pending, a active, e expired, r released, f failed.
-- Reasons, why a record ended: r released, e expired, v revoked, p replaced, t transferred, and what ended as if it had
-- never been, whose ID may be asked for anew: l lapsed, o timeout, c cancelled, d deadlock.
-- Kinds of events: q queued, g granted, n renewed, r released, e expired, l lapsed, w withdrawn, v revoked, p replaced,
-- t transferred, c config.

local REQUEST = '(%d+) (-?%d+) (-?%d+) ([01])%z()([^%z]*)%z([^%z]*)%z([^%z]*)%z(%d+)%z()'
local RECORD = '^(%a)(%a?) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (-?%d+)'
  .. '%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z()' .. REQUEST
REQUEST = '^' .. REQUEST

-- newRecord returns the record of a request that has just arrived: neither granted nor in line, nor in the store.
function step.newRecord(id, request, attempt, address, headStart, deadline)
  local now = step.nowText
  local ttl, maxRenewals, priority, distinct, from, holder, replaceID, replaceHolder, replaceToken, at =
    match(request, REQUEST)
  local stop = string.find(request, '\0\0', at, true)
  return { -- all fields at once: a table that grows costs more than all the rest
    id = id, text = '', place = false, claims = false,
    status = 'p', reason = '', token = '0', renewals = '0', created = now, granted = '0', deadline = deadline,
    updated = now, ended = '0', arrival = text(counters.arrivals + 1),
    key = headStart == 0 and now or text(step.now - headStart),
    attempts = attempt, renewal = '', successor = '', actor = '', note = '', address = address, request = request,
    ttl = ttl, maxRenewals = maxRenewals, priority = priority, distinct = distinct == '1', holder = holder,
    replaceID = replaceID, replaceHolder = replaceHolder, replaceToken = replaceToken,
    claimsText = sub(request, at, stop), from = from, to = stop,
  }
end

local function decode(id, record)
  local status, reason, token, renewals, created, granted, deadline, updated, ended, arrival, key,
    attempts, renewal, successor, actor, note, address, start,
    ttl, maxRenewals, priority, distinct, from, holder, replaceID, replaceHolder, replaceToken, at = match(record, RECORD)
  local stop = string.find(record, '\0\0', at, true)
  return {
    id = id, text = record, place = false, claims = false,
    status = status, reason = reason, token = token, renewals = renewals, created = created, granted = granted,
    deadline = deadline, updated = updated, ended = ended, arrival = arrival, key = key,
    attempts = attempts, renewal = renewal, successor = successor, actor = actor, note = note, address = address,
    request = sub(record, start),
    ttl = ttl, maxRenewals = maxRenewals, priority = priority, distinct = distinct == '1', holder = holder,
    replaceID = replaceID, replaceHolder = replaceHolder, replaceToken = replaceToken,
    claimsText = sub(record, at, stop), from = from - start + 1, to = stop - start + 1,
  }
end

-- identityOf returns the part of the request that must be the same when it is asked for again: holder, what it
-- replaces, and claims.
function step.identityOf(r) return sub(r.request, r.from, r.to) end

function step.claimsOf(r)
  local claims = r.claims
  if not claims then
    claims = {}
    local n = 0
    for letter, path in string.gmatch(r.claimsText, '(%a)([^%z]*)%z') do
      n = n + 1
      claims[n] = {
        letter = letter, path = path,
        shared = letter == 'f' or letter == 'u',
        tree = letter == 't' or letter == 'u',
      }
    end
    r.claims = claims
  end
  return claims
end

-- read returns the record with this ID, whatever its status; false if there is none.
function step.read(id)
  local r = step.cache[id]
  if r == nil then
    local record = call('HGET', RECORDS, id)
    r = record and decode(id, record)
    step.cache[id] = r
  end
  return r
end

-- readAll returns the records with these IDs, which exist.
function step.readAll(ids)
  local missing, cache = {}, step.cache
  for _, id in ipairs(ids) do
    if cache[id] == nil then missing[#missing + 1] = id end
  end
  if #missing > 0 then
    local records = call('HMGET', RECORDS, unpack(missing))
    for i, id in ipairs(missing) do
      cache[id] = records[i] and decode(id, records[i])
    end
  end
  local found = {}
  for i, id in ipairs(ids) do
    found[i] = cache[id]
  end
  return found
end

-- write stores the record.
function step.write(r)
  r.text = r.status .. r.reason .. ' ' .. r.token .. ' ' .. r.renewals .. ' ' .. r.created .. ' ' .. r.granted .. ' '
    .. r.deadline .. ' ' .. r.updated .. ' ' .. r.ended .. ' ' .. r.arrival .. ' ' .. r.key .. '\0' .. r.attempts .. '\0'
    .. r.renewal .. '\0' .. r.successor .. '\0' .. r.actor .. '\0' .. r.note .. '\0' .. r.address .. '\0' .. r.request
  call('HSET', RECORDS, r.id, r.text)
  step.wrote = true
  step.cache[r.id] = r
end

function step.over(r)
  return (r.status == 'a' or r.status == 'p') and tonumber(r.deadline) <= step.now
end

function step.hasEnded(r) return r.status ~= 'a' and r.status ~= 'p' end

-- append writes an event: its kind, when it took effect and when it was recorded, who and why, and the record as it is
-- now, if it is about one.
function step.append(kind, at, r, actor, note)
  local config = step.config
  if not config.history or (kind == 'n' and not config.renewals) then return end
  local seq = counters.seq + 1
  local event = kind .. ' ' .. at .. ' ' .. step.nowText .. '\0' .. actor .. '\0' .. note .. '\0'
  if r then event = event .. r.id .. '\0' .. r.text end
  call('XADD', HISTORY, text(seq) .. '-0', 'e', event)
  counters.seq = seq
end
