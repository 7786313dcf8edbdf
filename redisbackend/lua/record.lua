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
-- name has a NUL, so all names stand as they are. Times are ms of the store's clock, 0 for none.

local PENDING, ACTIVE, EXPIRED, RELEASED, FAILED = 'p', 'a', 'e', 'r', 'f' -- status

-- Why a record ended. What was withdrawn, or lapsed, ended as if it had never been: its ID may be asked for anew.
local REASON = {
  released = 'r', expired = 'e', revoked = 'v', replaced = 'p', transferred = 't',
  lapsed = 'l', timeout = 'o', cancelled = 'c', deadlock = 'd',
}
local WITHDRAWN = { l = true, o = true, c = true, d = true }

-- The kinds of events.
local QUEUED, GRANTED, RENEWED = 'q', 'g', 'n'
local KIND = {
  released = 'r', expired = 'e', lapsed = 'l', withdrawn = 'w', revoked = 'v', replaced = 'p', transferred = 't',
  config = 'c',
}

local HEADER = '^(%a)(%a?) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (-?%d+)'
  .. '%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z()'
local REQUEST = '^(%d+) (-?%d+) (-?%d+) ([01])%z()([^%z]*)%z([^%z]*)%z([^%z]*)%z(%d+)%z()'
local SHARED = { f = true, u = true }
local TREE = { t = true, u = true }

-- readRequest fills in what the request says.
local function readRequest(r, request)
  local ttl, maxRenewals, priority, distinct, from, holder, replaceID, replaceHolder, replaceToken, at =
    match(request, REQUEST)
  r.request = request
  r.ttl, r.maxRenewals, r.priority, r.distinct = tonumber(ttl), tonumber(maxRenewals), tonumber(priority), distinct == '1'
  r.holder = holder
  r.replaceID, r.replaceHolder, r.replaceToken = replaceID, replaceHolder, tonumber(replaceToken)
  local stop = string.find(request, '\0\0', at, true)
  r.claimsText = sub(request, at, stop)
  r.identity = sub(request, from, stop) -- holder, what it replaces, and claims
  return r
end

local function claimsOf(r)
  local claims = r.claims
  if not claims then
    claims = {}
    for letter, path in string.gmatch(r.claimsText, '(%a)([^%z]*)%z') do
      claims[#claims + 1] = { letter = letter, path = path, shared = SHARED[letter], tree = TREE[letter] }
    end
    r.claims = claims
  end
  return claims
end

-- covers says whether a claim reaches a path.
local function covers(claim, path)
  if claim.path == path then return true end
  if not claim.tree then return false end
  return claim.path == '' or sub(path, 1, #claim.path + 1) == claim.path .. '/'
end

-- conflicts says whether some claim of r and this one exclude each other.
local function conflicts(r, claim)
  for _, c in ipairs(claimsOf(r)) do
    if not (c.shared and claim.shared) and (covers(c, claim.path) or covers(claim, c.path)) then return true end
  end
  return false
end

local function decode(id, record)
  local status, reason, token, renewals, created, granted, deadline, updated, ended, arrival, key,
    attempts, renewal, successor, actor, note, address, at = match(record, HEADER)
  return readRequest({
    id = id, text = record, status = status, reason = reason,
    token = tonumber(token), renewals = tonumber(renewals), created = tonumber(created), granted = tonumber(granted),
    deadline = tonumber(deadline), updated = tonumber(updated), ended = tonumber(ended),
    arrival = tonumber(arrival), key = tonumber(key),
    attempts = attempts, renewal = renewal, successor = successor, actor = actor, note = note, address = address,
  }, sub(record, at))
end

local function encode(r)
  return r.status .. r.reason .. format(' %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', r.token, r.renewals, r.created,
    r.granted, r.deadline, r.updated, r.ended, r.arrival, r.key) .. '\0' .. r.attempts .. '\0' .. r.renewal .. '\0'
    .. r.successor .. '\0' .. r.actor .. '\0' .. r.note .. '\0' .. r.address .. '\0' .. r.request
end

-- read returns the record with this ID, whatever its status; false if there is none.
local function read(id)
  local r = cache[id]
  if r == nil then
    local record = call('HGET', RECORDS, id)
    r = record and decode(id, record)
    cache[id] = r
  end
  return r
end

-- readAll returns the records with these IDs, which exist.
local function readAll(ids)
  local missing = {}
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
local function write(r)
  r.text = encode(r)
  call('HSET', RECORDS, r.id, r.text)
  wrote = true
  cache[r.id] = r
end

local function over(r) return r.deadline <= now and (r.status == ACTIVE or r.status == PENDING) end

local function hasEnded(r) return r.status ~= ACTIVE and r.status ~= PENDING end

local function forgotten(r) return hasEnded(r) and r.ended + config.endedRetention <= now end

-- append writes an event: kind, when it took effect, when it was recorded, who and why, and the record as it is
-- now.
local function append(kind, at, r, actor, note)
  if not config.history or (kind == RENEWED and not config.renewals) then return end
  counters.seq = counters.seq + 1
  local event = kind .. format(' %.0f %.0f', at, now) .. '\0' .. actor .. '\0' .. note .. '\0'
  if r then event = event .. r.id .. '\0' .. r.text end
  call('XADD', HISTORY, 'MAXLEN', '~', math.max(config.historyMax, LEAST_TRIMMED), text(counters.seq) .. '-0', 'e', event)
  wrote = true
end

-- The attempts that asked for a record, one a line; none once it belongs to the client, and no attempt can take it back.
local MOST_ATTEMPTS = 8

local function asked(r, attempt)
  return attempt ~= '' and string.find('\n' .. r.attempts .. '\n', '\n' .. attempt .. '\n', 1, true) ~= nil
end

-- join adds an attempt to those that asked for r, and says whether that changed r.
local function join(r, attempt)
  if r.attempts == '' or asked(r, attempt) then return false end
  local _, breaks = string.gsub(r.attempts, '\n', '\n')
  if attempt == '' or breaks + 1 == MOST_ATTEMPTS then
    r.attempts = ''
  else
    r.attempts = r.attempts .. '\n' .. attempt
  end
  return true
end

-- leave takes an attempt away, and says whether it was the last one.
local function leave(r, attempt)
  local rest = {}
  for other in string.gmatch(r.attempts, '[^\n]+') do
    if other ~= attempt then rest[#rest + 1] = other end
  end
  r.attempts = table.concat(rest, '\n')
  return #rest == 0
end

local function byArrival(a, b) return a.arrival < b.arrival end
