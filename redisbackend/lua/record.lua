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

local HEADER = '^(%a)(%a?) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (-?%d+)'
  .. '%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z()'
local REQUEST = '^(%d+) (-?%d+) (-?%d+) ([01])%z()([^%z]*)%z([^%z]*)%z([^%z]*)%z(%d+)%z()'

-- readRequest fills in what the request, text from this position on, says.
function step.readRequest(r, source, start)
  local ttl, maxRenewals, priority, distinct, from, holder, replaceID, replaceHolder, replaceToken, at =
    match(source, REQUEST, start)
  local stop = string.find(source, '\0\0', at, true)
  r.ttl, r.maxRenewals, r.priority, r.distinct = ttl, maxRenewals, priority, distinct == '1'
  r.holder = holder
  r.replaceID, r.replaceHolder, r.replaceToken = replaceID, replaceHolder, replaceToken
  r.claimsText = sub(source, at, stop)
  r.identity = sub(source, from, stop) -- holder, what it replaces, and claims
  r.request = start == 1 and source or sub(source, start)
  return r
end

function step.claimsOf(r)
  local claims = r.claims
  if not claims then
    claims = {}
    for letter, path in string.gmatch(r.claimsText, '(%a)([^%z]*)%z') do
      claims[#claims + 1] = {
        letter = letter, path = path,
        shared = letter == 'f' or letter == 'u',
        tree = letter == 't' or letter == 'u',
      }
    end
    r.claims = claims
  end
  return claims
end

local function decode(id, record)
  local r = { id = id, text = record }
  local at
  r.status, r.reason, r.token, r.renewals, r.created, r.granted, r.deadline, r.updated, r.ended, r.arrival, r.key,
    r.attempts, r.renewal, r.successor, r.actor, r.note, r.address, at = match(record, HEADER)
  return step.readRequest(r, record, at)
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
  call('XADD', HISTORY, 'MAXLEN', '~', config.historyCap, text(seq) .. '-0', 'e', event)
  counters.seq = seq
end
