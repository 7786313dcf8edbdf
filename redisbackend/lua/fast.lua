-- The operations that most calls are, where they concern nobody else: a request with one claim, exclusive and exact, that
-- nobody overlaps with; the renewal of a lease that nobody waits for; the release of one. They do just what the general
-- operations (acquire.lua, renew.lua, release.lua) would, at less cost, and leave everything else to those.
--
-- This file stands in the loop of the batch, and has no functions, since these would be made anew in each call: an
-- operation that is done here has a reply in the end. A server that has no memory left refuses a script's first write, and
-- no other: that of a new lease here, and then the general operation fails too. Events wait for others (settle.lua).

  -- In a request that replaces nothing and whose first claim is exclusive and exact: from behind the holder to the path.
  local SIMPLE = '\0\0\0000\0e'

  local id, kind = argv[at + 2], nil -- kind: of the event, if the operation is done here
  local record = history and (name == 'release' or name == 'renew') and call('HGET', RECORDS, id)

  if name == 'take' then
    local seen, request, holder, path = argv[at + 3], argv[at + 5], argv[at + 6], argv[at + 7]
    if history and sub(seen, 31) == life and sub(seen, 1, 16) <= token
      and sub(seen, 17, 30) <= arrivals
      and state.buried <= now
      and state.fresh < MOST_FRESH
      and (state.claims == 0 or not call('ZRANGEBYLEX', INDEX, '(p' .. path .. '\0', '(p' .. path .. '\1', 'LIMIT', '0', '1')[1])
      and (state.trees == 0 or underTree and not underTree(INDEX, path))
      and (state.waiting == 0 or awaited and not awaited(path, holder, id))
    then
      local newest = state.token + 1
      if newest < leastToken then newest = leastToken end
      local deadline = up + match(request, '%z(%d+)')
      local terms = format('%014d %016d %014d ', deadline, newest, state.arrivals + 1)
      if redis.pcall('HSETNX', FRESH, path, terms .. FILLER .. id .. '\0' .. holder) == 1 then
        record = 'a- ' .. terms .. nowText .. ' 00000000000000 0 ' .. nowText .. ' ' .. nowText .. ' ' .. nowText .. ' ' .. request
        if call('HSETNX', RECORDS, id, record) == 1 then
          state.token, state.arrivals, state.fresh = newest, state.arrivals + 1, state.fresh + 1
          kind = 'g '
          reply = 'took ' .. terms .. nowText
        else
          call('HDEL', FRESH, path) -- the ID is known
        end
      end
    end

  elseif name == 'events' then
    if id == format('%d', state.seq) then reply = { id, '0', '' } end -- nothing new: what those who watch are mostly told

  elseif name == 'release' then
    local holder, its = argv[at + 3], argv[at + 4]
    if record and sub(record, 1, 1) == 'a' then
      local deadline, arrival = sub(record, 4, 17), sub(record, 36, 49)
      if (its == sub(record, 19, 34) or its == '0') and deadline > nowText then
        local start = find(record, '\0', find(record, '\0', 80, true) + 1, true) + 1
        local from = start + #holder + #SIMPLE
        local stop = find(record, '\0', from, true)
        local path = sub(record, from, stop - 1)
        if sub(record, start, from - 1) == holder .. SIMPLE and sub(record, stop, stop + 1) == '\0\0'
          and (state.waiting == 0 or awaited and not awaited(path, holder, id))
        then
          local fresh = state.fresh > 0 and call('HDEL', FRESH, path) == 1
          if fresh then
            state.fresh = state.fresh - 1
          else
            local claim = path .. '\0e' .. id
            call('ZREM', INDEX, 'd' .. deadline .. id, 'a' .. arrival .. id, 'p' .. claim, 'h' .. holder .. '\0' .. claim)
            state.claims, state.queueChanged = state.claims - 1, true
          end
          eldest = eldest or format('%014d', math.max(state.arrivals - LATEST, 0))
          if fresh and arrival >= eldest then
            finished, state.bygone = finished + 1, state.bygone + 1
            if finished == 1 then
              endings = { nowText .. arrival, id }
            else
              endings[2 * finished - 1], endings[2 * finished] = nowText .. arrival, id
            end
          else
            call('ZADD', ENDED, '0', 'e' .. nowText .. arrival .. id, '0', 'a' .. arrival .. id)
          end
          record = 'rr' .. sub(record, 3, 50) .. nowText .. ' ' .. nowText .. sub(record, 80)
          kind = 'r '
          reply = 'done'
        end
      end
    end

  elseif name == 'renew' then
    local holder, ttl, renewal = argv[at + 4], argv[at + 6], argv[at + 8]
    if record and argv[at + 3] == life and state.waiting == 0 and sub(record, 1, 1) == 'a' then
      local deadline = sub(record, 4, 17)
      local renewed, behind, length, request, own, most =
        match(record, '^(%d+)() %d+ %d+ %-?%d+ (%d+)%z()(%d+) (%-?%d+) ', 81)
      if argv[at + 5] == sub(record, 19, 34) and deadline > nowText and (most == '-1' or renewed + 0 < most + 0)
        and (ttl ~= '0' or own + 0 <= argv[at + 7] + 0)
      then
        local start = find(record, '\0', request, true) + 1
        local from = find(record, '\0', request + length, true) -- of the last renewal
        local stop = find(record, '\0', from + 1, true)
        if sub(record, start, start + #holder) == holder .. '\0' and sub(record, from + 1, stop - 1) ~= renewal
          and call('ZREM', INDEX, 'd' .. deadline .. id) == 1 -- else it is fresh
        then
          local lasts = ttl ~= '0' and up + ttl or math.max(deadline + 0, up + own)
          local later = format('%014d', lasts)
          call('ZADD', INDEX, '0', 'd' .. later .. id)
          record = 'a- ' .. later .. sub(record, 18, 50) .. nowText .. ' 00000000000000 ' .. format('%d', renewed + 1)
            .. sub(record, behind, from) .. renewal .. sub(record, stop)
          kind = 'n '
          reply = { 'done', now, record, '' }
        end
      end
    end
  end

  if kind then
    if kind ~= 'g ' then call('HSET', RECORDS, id, record) end
    state.wrote = true
    if kind ~= 'n ' or renewals then
      state.seq, recorded = state.seq + 1, recorded + 1
      if recorded == 1 then
        events = { kind .. stamp .. id, record }
      else
        events[2 * recorded - 1], events[2 * recorded] = kind .. stamp .. id, record
      end
    end
  end
