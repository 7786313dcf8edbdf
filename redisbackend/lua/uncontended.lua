-- The uncontended path: acquiring what nobody overlaps with and nobody waits for, the renewal of a lease that nobody
-- waits for, and the release of one. It does just what the modules (acquire.lua, renew.lua, release.lua) would, by direct
-- commands, at less cost.
--
-- A lease of one exclusive and exact claim goes into FRESH (fresh.lua says what that saves), any other into the index.
-- A server that has no memory left refuses a script's first write, and no other: that of a new lease here, and then the
-- module fails too.
--
-- A simple request in a namespace where nobody waits needs no module, and no function but this one: each of them costs as
-- much as a command.

local eldest -- arrival: a lease that arrived before it and ends does not go to BYGONE

local SIMPLE = '\0\0\0000\0\0\0000\0' -- in a request without Replace and Parent: from behind the holder to the claims

-- uncontended returns the reply to the operation that stands in ARGV at this place; false if it is not for this file, and
-- nil if that cannot be said without modules: then nothing was written.
local function uncontended(name, at)
  local id = argv[at + 2]
  local reply, kind, record

  if name == 'acquire' then
    local seen, asking, tail, holder, claims = argv[at + 3], argv[at + 4], argv[at + 5], argv[at + 6], argv[at + 7]
    local simple = sub(claims, 1, 1) == 'e' and find(claims, '\0', 1, true) == #claims and state.fresh < MAX_FRESH
    if sub(asking, 1, 1) ~= 'u' or not history or sub(seen, 31) ~= life or sub(asking, 2, 15) < nowText
      or sub(seen, 1, 16) > token or sub(seen, 17, 30) > changes
      or (state.buried > now and call('ZSCORE', TOMBSTONES, argv[at + 8]))
    then
      return false
    end
    local path = simple and sub(claims, 2, -2)
    if not simple or state.waiting > 0 or (state.claims > 0 and state.trees + state.shared > 0) then
      if not step then return nil end
      if (state.claims + state.fresh > 0 and step.met(claims, simple))
        or (state.waiting > 0 and step.awaited(claims, holder, id))
      then
        return false
      end
    elseif state.claims > 0 and call('ZRANGEBYLEX', INDEX, '(p' .. path .. '\0', '(p' .. path .. '\1', 'LIMIT', '0', '1')[1] then
      return false
    end
    local newest = state.token + 1
    if newest < leastToken then newest = leastToken end
    local deadline = format('%014d', up + match(tail, '%z(%d+)'))
    local arrival = format('%014d', state.arrivals + 1)
    local terms = deadline .. format(' %016d ', newest) .. arrival .. ' '
    if simple and redis.pcall('HSETNX', FRESH, path, terms .. FRESH_FILLER .. id .. '\0' .. holder) ~= 1 then return false end
    kind, record = 'g ', 'a- ' .. terms .. nowText .. NEVER .. nowText .. ' ' .. nowText .. ' 0 ' .. nowText .. ' ' .. tail
    if redis.pcall('HSETNX', RECORDS, id, record) ~= 1 then -- the ID is known
      if simple then call('HDEL', FRESH, path) end
      return false
    end
    if simple then
      state.fresh = state.fresh + 1
    else
      step.addMembers(deadline, arrival, claims, holder, id)
    end
    state.token, state.arrivals = newest, state.arrivals + 1
    reply = 'took ' .. terms .. nowText

  elseif name == 'release' or name == 'renew' then
    local ends = name == 'release'
    local holder, its = argv[at + 4], argv[at + 5]
    if ends then
      holder, its = argv[at + 3], argv[at + 4]
    end
    if state.waiting > 0 and not step then return nil end
    if not history or (not ends and (state.waiting > 0 or argv[at + 3] ~= life)) then return false end
    record = call('HGET', RECORDS, id)
    if not record or sub(record, 1, 1) ~= 'a' then return false end
    local deadline = sub(record, DEADLINE_AT, DEADLINE_TO)
    if deadline <= nowText or (its ~= '0' and its ~= sub(record, TOKEN_AT, TOKEN_TO)) then return false end
    local start = find(record, '\0', find(record, '\0', RENEWALS_AT, true) + 1, true) + 1 -- of the holder
    local from = start + #holder + #SIMPLE -- of the claims
    if sub(record, start, from - 1) ~= holder .. SIMPLE then return false end

    if ends then
      local claims = sub(record, from, find(record, '\0\0', from, true))
      if state.waiting > 0 and step.awaited(claims, holder, id) then return false end
      local arrival = sub(record, ARRIVAL_AT, ARRIVAL_TO)
      if sub(claims, 1, 1) == 'e' and state.fresh > 0 and find(claims, '\0', 1, true) == #claims
        and call('HDEL', FRESH, sub(claims, 2, -2)) == 1
      then
        state.fresh = state.fresh - 1
      elseif step then
        step.removeMembers(deadline, arrival, claims, holder, id)
      else
        return nil
      end
      eldest = eldest or format('%014d', max(state.arrivals - BYGONE_WINDOW, 0))
      if arrival >= eldest then
        finished, state.bygone = finished + 1, state.bygone + 1
        endings[2 * finished - 1], endings[2 * finished] = nowText .. arrival, id
      else
        call('ZADD', ENDED, '0', 'e' .. nowText .. arrival .. id, '0', 'a' .. arrival .. id)
      end
      record = 'rr' .. sub(record, 3, UPDATED_AT - 1) .. nowText .. ' ' .. nowText .. sub(record, ENDED_TO + 1)
      reply, kind = 'done', 'r '
    else
      local ttl, operation = argv[at + 6], argv[at + 8]
      local renewed, behind, length, request, own, most =
        match(record, '^(%d+)() %-?%d+ (%d+)%z()(%d+) (%-?%d+) ', RENEWALS_AT)
      if (most ~= '-1' and renewed + 0 >= most + 0) or (ttl == '0' and own + 0 > argv[at + 7] + 0) then return false end
      from = find(record, '\0', request + length, true) -- of the last renewal's name
      local stop = find(record, '\0', from + 1, true)
      if sub(record, from + 1, stop - 1) >= operation or call('ZREM', INDEX, 'd' .. deadline .. id) ~= 1 then return false end
      local later = format('%014d', ttl ~= '0' and up + ttl or max(deadline + 0, up + own))
      call('ZADD', INDEX, '0', 'd' .. later .. id)
      record = 'a- ' .. later .. sub(record, DEADLINE_TO + 1, UPDATED_AT - 1) .. nowText .. NEVER
        .. sub(record, ENDED_TO + 2, RENEWALS_AT - 1) .. format('%d', renewed + 1) .. sub(record, behind, from) .. operation
        .. sub(record, stop)
      reply, kind = { 'done', record, '' }, 'n '
    end
    call('HSET', RECORDS, id, record)

  elseif name == 'events' and id == format('%d', state.seq) then
    return { id, '0', '' } -- nothing new: what those who watch are mostly told
  else
    return false
  end

  state.wrote = true
  if kind ~= 'n ' or renewals then
    state.seq, recorded = state.seq + 1, recorded + 1
    events[2 * recorded - 1], events[2 * recorded] = kind .. stamp .. id, record
  end
  return reply
end
