-- A record is a request as the store keeps it, from its first arrival until it is forgotten: text of
--
--   status reason SP deadline SP token SP arrival SP updated SP ended SP renewals SP created SP granted SP key SP length
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
-- Times are ms of the store's clock, 0 for none. The numbers before renewals have 14 digits, the token 16, so what stands
-- there is found by its position. In Lua, a record's numbers stay text until they are needed as numbers.
--
-- An event is a field, of kind SP at SP recorded NUL actor NUL reason NUL id, and its value, the record as it then was; id
-- and record are empty if it is about none. An entry of the history has one or more, its ID is <number of the first>-0: so
-- what happened in one batch can be one entry. Kinds: q queued, g granted, n renewed, r released, e expired, l lapsed,
-- w withdrawn, v revoked, p replaced, t transferred, c config.

general[#general + 1] = function(step, keys, state, call, text)
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
      id = id, request = request, status = 'p', reason = '-', updated = moment, ended = step.padded(0), token = string.format('%016d', 0),
      deadline = step.padded(placeTTL > 0 and step.now + placeTTL or 0), arrival = step.padded(state.arrivals + 1),
      renewals = '0', created = moment, granted = '0', key = text(step.now - headStart),
      attempts = attempt, renewal = '', successor = '', actor = '', note = '', addresses = address,
    })
  end

  local function decode(id, record)
    state.work = state.work + 6
    local status, reason, deadline, token, arrival, updated, ended, renewals, created, granted, key, length, at =
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
    local r = step.cache[id]
    if r == nil then
      local record = call('HGET', keys.records, id)
      r = record and decode(id, record)
      step.cache[id] = r
    end
    return r
  end

  -- readAll returns the records with these IDs, which exist.
  function step.readAll(ids)
    local missing = {}
    for _, id in ipairs(ids) do
      if step.cache[id] == nil then missing[#missing + 1] = id end
    end
    for from = 1, #missing, 1000 do -- as many as fit Lua's stack
      local upto = math.min(from + 999, #missing)
      local records = call('HMGET', keys.records, unpack(missing, from, upto))
      for i = from, upto do
        local record = records[i - from + 1]
        step.cache[missing[i]] = record and decode(missing[i], record)
      end
    end
    local found = {}
    for i, id in ipairs(ids) do
      found[i] = step.cache[id]
    end
    return found
  end

  -- write stores the record.
  function step.write(r)
    r.text = r.status .. r.reason .. ' ' .. r.deadline .. ' ' .. r.token .. ' ' .. r.arrival .. ' ' .. r.updated .. ' '
      .. r.ended .. ' ' .. r.renewals .. ' ' .. r.created .. ' ' .. r.granted .. ' ' .. r.key .. ' ' .. #r.request .. '\0'
      .. r.request .. r.attempts .. '\0' .. r.renewal .. '\0' .. r.successor .. '\0' .. r.actor .. '\0' .. r.note .. '\0'
      .. r.addresses .. '\0'
    call('HSET', keys.records, r.id, r.text)
    state.wrote = true
    step.cache[r.id] = r
  end

  function step.over(r)
    return (r.status == 'a' or r.status == 'p') and tonumber(r.deadline) <= step.now
  end

  function step.hasEnded(r) return r.status ~= 'a' and r.status ~= 'p' end

  -- append writes an event: its kind, when it took effect, who and why, and the record as it is now, if it is about one.
  function step.append(kind, at, r, actor, note)
    local config = step.config
    if not config.history or (kind == 'n' and not config.renewals) then return end
    local seq = state.seq + 1
    local about = kind .. ' ' .. at .. ' ' .. step.nowText .. '\0' .. actor .. '\0' .. note .. '\0' .. (r and r.id or '')
    call('XADD', keys.history, text(seq) .. '-0', about, r and r.text or '')
    state.seq = seq
  end

  local function firstSeq(entry) return tonumber(string.match(entry[1], '^%d+')) end

  -- lastSeq returns the number of an entry's last event.
  function step.lastSeq(entry) return firstSeq(entry) + #entry[2] / 2 - 1 end

  -- eachEntry calls visit with the entries of the history from the one that has this event on, the number of the first
  -- event of each, and that of its last, until it returns false.
  local PAGE = 32
  function step.eachEntry(seq, visit)
    local found = call('XREVRANGE', keys.history, text(seq) .. '-0', '-', 'COUNT', 1)[1]
    local start = found and found[1] or '-'
    repeat
      local entries = call('XRANGE', keys.history, start, '+', 'COUNT', PAGE)
      local last
      for _, entry in ipairs(entries) do
        last = step.lastSeq(entry)
        if visit(entry[2], firstSeq(entry), last) == false then return end
      end
      start = last and text(last + 1) .. '-0'
    until #entries < PAGE
  end
end
