-- A record is a request as the store keeps it, from its first arrival until it is forgotten: text of
--
--   status reason SP deadline SP token SP arrival SP updated SP ended SP created SP granted SP renewals SP key SP length
--   NUL request attempts NUL renewal NUL successor NUL actor NUL note NUL clients NUL chain NUL
--
-- where request, of that length, is what the client made of it, and of which only the labels change:
--
--   ttl SP max_renewals SP priority SP distinct NUL holder NUL id NUL holder NUL token (of what it replaces) NUL
--   id NUL holder NUL token (of its parent) NUL claims NUL labels
--
-- Status is one letter: p pending, a active, e expired, r released, f failed. So is reason, why a record ended: - not
-- yet, r released, e expired, v revoked, p replaced, t transferred, and what ended as if it had never been, whose ID may
-- be asked for anew: l lapsed, o timeout, c cancelled, d deadlock. A claim is a letter (e exact, f exact and shared,
-- t tree, u tree and shared), its path ("" for the root) and NUL. No name has a NUL, so all names stand as they are.
-- Times are ms of the store's clock, 0 for none. The numbers before renewals have 14 digits, the token 16: where they
-- stand is said in constants.go. In Lua, a record's numbers stay text until they are needed as numbers. The chain is IDs,
-- each with its length and a colon before it, as in the messages that wake.

local HEADER = '^(%a)(.) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%-?%d+) (%d+)%z()'
local REQUEST = '^(%d+) (%-?%d+) (%-?%d+) ([01])%z()([^%z]*)%z([^%z]*)%z([^%z]*)%z(%d+)%z([^%z]*)%z([^%z]*)%z(%d+)%z()'
local NAMES = '^([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z$'

-- decode reads the record's text, of which the request begins at start.
local function readRequest(r, text, start, stop)
  local from, at
  r.ttl, r.maxRenewals, r.priority, r.distinct, from, r.holder, r.replaceID, r.replaceHolder, r.replaceToken,
    r.parentID, r.parentHolder, r.parentToken, at = match(text, REQUEST, start)
  r.distinct = r.distinct == '1'
  local behind = find(text, '\0\0', at, true)
  r.identity = sub(text, from, behind) -- holder, what it replaces, its parent, and claims
  r.claimsText = sub(text, at, behind)
  state.work = state.work + 4 + (stop - start) / 400
  return r
end

-- nextClaim is for a loop over the text of claims: it returns where the next one begins, a claim's letter, and its path.
function step.nextClaim(text, at)
  local stop = find(text, '\0', at, true)
  if stop then return stop + 1, sub(text, at, at), sub(text, at + 1, stop - 1) end
  return nil
end

-- claims returns those of a record.
function step.claims(r)
  local claims = r.claims
  if not claims then
    claims = {}
    for _, letter, path in step.nextClaim, r.claimsText, 1 do
      claims[#claims + 1] = {
        letter = letter, path = path, shared = letter == 'f' or letter == 'u', tree = letter == 't' or letter == 'u',
      }
    end
    r.claims = claims
    state.work = state.work + #claims / 4
  end
  return claims
end

-- chain returns the IDs of the record's chain, as a set too.
function step.chain(r)
  local chain = r.ancestors
  if not chain then
    chain = {}
    local at = 1
    while at <= #r.chain do
      local length, from = match(r.chain, '^(%d+):()', at)
      local id = sub(r.chain, from, from + length - 1)
      chain[#chain + 1], chain['#' .. id] = id, true
      at = from + length
    end
    r.ancestors = chain
  end
  return chain
end

-- inChain says whether an ID is in the chain of r.
function step.inChain(r, id) return r.chain ~= '' and step.chain(r)['#' .. id] ~= nil end

-- new returns the record of a request that has just arrived: neither granted nor in line, nor in the store. tail is the
-- end of its text, from the length of the request on.
function step.new(id, tail, headStart, placeTTL)
  local length, start = match(tail, '^(%d+)%z()')
  local r = {
    id = id, status = 'p', reason = '-', updated = nowText, ended = step.padded(0), token = format('%016d', 0),
    deadline = step.padded(placeTTL > 0 and now + placeTTL or 0), arrival = step.padded(state.arrivals + 1),
    created = nowText, granted = step.padded(0), renewals = '0', key = step.text(now - headStart),
    request = sub(tail, start, start + length - 1),
  }
  r.attempts, r.renewal, r.successor, r.actor, r.note, r.clients, r.chain = match(tail, NAMES, start + length)
  return readRequest(r, tail, start, start + length)
end

local function decode(id, text)
  local r, length, start = { id = id, text = text }, nil, nil
  r.status, r.reason, r.deadline, r.token, r.arrival, r.updated, r.ended, r.created, r.granted, r.renewals, r.key, length,
    start = match(text, HEADER)
  local after = start + length
  r.request, r.inLine = sub(text, start, after - 1), r.status == 'p'
  r.attempts, r.renewal, r.successor, r.actor, r.note, r.clients, r.chain = match(text, NAMES, after)
  return readRequest(r, text, start, after)
end

-- read returns the record with this ID, whatever its status; false if there is none.
function step.read(id)
  local r = op.cache[id]
  if r == nil then
    local text = call('HGET', RECORDS, id)
    r = text and decode(id, text)
    op.cache[id] = r
  end
  return r
end

-- readAll returns the records with these IDs, without those that are not there, until it has read so much (bytes, if
-- given), and says how many IDs it has seen to.
function step.readAll(ids, bytes)
  local found, at, some = {}, 1, 16
  local left = bytes or 1e9
  while at <= #ids and left > 0 do
    local upto = min(at + some - 1, #ids)
    local missing, n = {}, 0
    for i = at, upto do
      if op.cache[ids[i]] == nil then
        n = n + 1
        missing[n] = ids[i]
      end
    end
    local texts = n > 0 and call('HMGET', RECORDS, unpack(missing)) or {}
    for i = 1, n do
      local text = texts[i]
      op.cache[missing[i]] = text and decode(missing[i], text)
      if text then left = left - #text end
    end
    for i = at, upto do
      found[#found + 1] = op.cache[ids[i]] or nil
    end
    at = upto + 1
    some = left > 64e3 and 128 or 16
  end
  return found, at - 1
end

-- write stores the record.
function step.write(r)
  r.text = r.status .. r.reason .. ' ' .. r.deadline .. ' ' .. r.token .. ' ' .. r.arrival .. ' ' .. r.updated .. ' '
    .. r.ended .. ' ' .. r.created .. ' ' .. r.granted .. ' ' .. r.renewals .. ' ' .. r.key .. ' ' .. #r.request .. '\0'
    .. r.request .. r.attempts .. '\0' .. r.renewal .. '\0' .. r.successor .. '\0' .. r.actor .. '\0' .. r.note .. '\0'
    .. r.clients .. '\0' .. r.chain .. '\0'
  call('HSET', RECORDS, r.id, r.text)
  state.wrote = true
  op.cache[r.id] = r
end

-- over says whether the time of a lease or a waiter is over.
function step.over(r) return (r.status == 'a' or r.status == 'p') and r.deadline <= nowText end

function step.hasEnded(r) return r.status ~= 'a' and r.status ~= 'p' end

-- withdrawn says whether r ended as if it had never been: its ID may be asked for anew.
function step.withdrawn(r) return find('locd', r.reason, 1, true) ~= nil end

-- The attempts that asked for a record, one a line; none once it belongs to the client, and no attempt can take it back.

function step.asked(r, attempt)
  return attempt ~= '' and find('\n' .. r.attempts .. '\n', '\n' .. attempt .. '\n', 1, true) ~= nil
end

-- join adds an attempt to those that asked for r, and says whether that changed r.
function step.join(r, attempt)
  if r.attempts == '' or step.asked(r, attempt) then return false end
  local _, breaks = string.gsub(r.attempts, '\n', '\n')
  if attempt == '' or breaks + 1 == MAX_ATTEMPTS then r.attempts = '' else r.attempts = r.attempts .. '\n' .. attempt end
  return true
end

-- leave takes an attempt away from those that asked for r, and says whether it was the last one.
function step.leave(r, attempt)
  local rest = {}
  for other in string.gmatch(r.attempts, '[^\n]+') do
    if other ~= attempt then rest[#rest + 1] = other end
  end
  r.attempts = table.concat(rest, '\n')
  return #rest == 0
end

-- listen adds a client to those that wait for r, of which the newest are kept, and says whether that changed r.
function step.listen(r, client)
  if client == '' or find('\n' .. r.clients .. '\n', '\n' .. client .. '\n', 1, true) then return false end
  local kept = { client }
  for other in string.gmatch(r.clients, '[^\n]+') do
    if #kept < MAX_CLIENTS then kept[#kept + 1] = other end
  end
  r.clients = table.concat(kept, '\n')
  return true
end
