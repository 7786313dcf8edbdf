-- A record is a request as the store keeps it, from its first arrival until it is forgotten: text of
--
--   status reason SP updated SP ended SP token SP deadline SP arrival SP renewals SP created SP granted SP key SP length
--   NUL request attempts NUL renewal NUL successor NUL actor NUL note NUL addresses NUL
--
-- where request, of that length, is what the client made of it, and never changes:
--
--   ttl SP max_renewals SP priority SP distinct NUL holder NUL id NUL holder NUL token (of what it replaces) NUL
--   claims NUL labels
--
-- Status is one letter: p pending, a active, e expired, r released, f failed. So is reason, why a record ended: - not
-- yet, r released, e expired, v revoked, p replaced, t transferred, and what ended as if it had never been, whose ID may
-- be asked for anew: l lapsed, o timeout, c cancelled, d deadlock. A claim is a letter (e exact, f exact and shared,
-- t tree, u tree and shared), its path ("" for the root) and NUL. No name has a NUL, so all names stand as they are.
-- Times are ms of the store's clock, 0 for none; deadline and arrival have 14 digits. In Lua, a record's numbers stay
-- text until they are needed as numbers.
--
-- An event is text of kind SP at SP recorded NUL actor NUL reason NUL id NUL record, its last two parts missing if it is
-- about no record. Kinds: q queued, g granted, n renewed, r released, e expired, l lapsed, w withdrawn, v revoked,
-- p replaced, t transferred, c config.

general[#general + 1] = function(step, keys, counters, call, text, cache)
  local HEADER = '^(%a)(.) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (-?%d+) (%d+)%z()'
  local REQUEST = '^(%d+) (-?%d+) (-?%d+) ([01])%z()([^%z]*)%z([^%z]*)%z([^%z]*)%z(%d+)%z()'
  local NAMES = '^([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z([^%z]*)%z$'

  -- readRequest fills in what the request says.
  local function readRequest(r)
    local request = r.request
    local ttl, maxRenewals, priority, distinct, from, holder, replaceID, replaceHolder, replaceToken, at =
      string.match(request, REQUEST)
    r.ttl, r.maxRenewals, r.priority, r.distinct = ttl, maxRenewals, priority, distinct == '1'
    r.holder, r.replaceID, r.replaceHolder, r.replaceToken = holder, replaceID, replaceHolder, replaceToken
    local stop = string.find(request, '\0\0', at, true)
    r.identity = string.sub(request, from, stop) -- holder, what it replaces, and claims
    r.claims = {}
    for letter, path in string.gmatch(string.sub(request, at, stop), '(%a)([^%z]*)%z') do
      r.claims[#r.claims + 1] = {
        letter = letter, path = path,
        shared = letter == 'f' or letter == 'u',
        tree = letter == 't' or letter == 'u',
      }
    end
    return r
  end

  -- newRecord returns the record of a request that has just arrived: neither granted nor in line, nor in the store.
  function step.newRecord(id, request, attempt, address, headStart, placeTTL)
    local moment = step.nowText
    return readRequest({
      id = id, request = request, status = 'p', reason = '-', updated = moment, ended = '0', token = '0',
      deadline = step.padded(placeTTL > 0 and step.now + placeTTL or 0), arrival = step.padded(counters.arrivals + 1),
      renewals = '0', created = moment, granted = '0', key = text(step.now - headStart),
      attempts = attempt, renewal = '', successor = '', actor = '', note = '', addresses = address,
    })
  end

  local function decode(id, record)
    local status, reason, updated, ended, token, deadline, arrival, renewals, created, granted, key, length, at =
      string.match(record, HEADER)
    local after = at + length
    local attempts, renewal, successor, actor, note, addresses = string.match(string.sub(record, after), NAMES)
    return readRequest({
      id = id, text = record, request = string.sub(record, at, after - 1),
      status = status, reason = reason, updated = updated, ended = ended, token = token, deadline = deadline,
      arrival = arrival, renewals = renewals, created = created, granted = granted, key = key,
      attempts = attempts, renewal = renewal, successor = successor, actor = actor, note = note, addresses = addresses,
    })
  end

  -- padded returns a number as text of the width that deadlines and arrivals have.
  function step.padded(n) return string.format('%014d', n) end

  -- read returns the record with this ID, whatever its status; false if there is none.
  function step.read(id)
    local r = cache[id]
    if r == nil then
      local record = call('HGET', keys.records, id)
      r = record and decode(id, record)
      cache[id] = r
    end
    return r
  end

  -- readAll returns the records with these IDs, which exist.
  function step.readAll(ids)
    local missing = {}
    for _, id in ipairs(ids) do
      if cache[id] == nil then missing[#missing + 1] = id end
    end
    if #missing > 0 then
      local records = call('HMGET', keys.records, unpack(missing))
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
    r.text = r.status .. r.reason .. ' ' .. r.updated .. ' ' .. r.ended .. ' ' .. r.token .. ' ' .. r.deadline .. ' '
      .. r.arrival .. ' ' .. r.renewals .. ' ' .. r.created .. ' ' .. r.granted .. ' ' .. r.key .. ' ' .. #r.request .. '\0'
      .. r.request .. r.attempts .. '\0' .. r.renewal .. '\0' .. r.successor .. '\0' .. r.actor .. '\0' .. r.note .. '\0'
      .. r.addresses .. '\0'
    call('HSET', keys.records, r.id, r.text)
    step.wrote = true
    cache[r.id] = r
  end

  function step.over(r)
    return (r.status == 'a' or r.status == 'p') and tonumber(r.deadline) <= step.now
  end

  function step.hasEnded(r) return r.status ~= 'a' and r.status ~= 'p' end

  -- append writes an event: its kind, when it took effect, who and why, and the record as it is now, if it is about one.
  function step.append(kind, at, r, actor, note)
    local config = step.config
    if not config.history or (kind == 'n' and not config.renewals) then return end
    local seq = counters.seq + 1
    local event = kind .. ' ' .. at .. ' ' .. step.nowText .. '\0' .. actor .. '\0' .. note .. '\0'
    if r then event = event .. r.id .. '\0' .. r.text end
    call('XADD', keys.history, text(seq) .. '-0', 'e', event)
    counters.seq = seq
  end
end
