-- What only reads: List, Events, Stats and Config.

general[#general + 1] = function(step, keys, state, call, text)
  local LISTED = 500 -- records a page
  local READ = 256 -- events a page

  -- listAll returns a page of all records after this arrival, or of those that have not ended, and the arrival after
  -- which the next page begins, or "". A page may be empty and not the last.
  local function listAll(after, liveOnly)
    after = tonumber(after)
    local least = step.padded(after + 1)
    local from = '[a' .. least
    local members = call('ZRANGEBYLEX', keys.index, from, '(b', 'LIMIT', 0, LISTED)
    step.eachFresh(function(_, arrival, id)
      if arrival >= least then members[#members + 1] = 'a' .. arrival .. id end
    end)
    local upto = math.huge -- beyond that, some may be missing
    if not liveOnly then
      for _, member in ipairs(call('ZRANGEBYLEX', keys.ended, from, '(b', 'LIMIT', 0, LISTED)) do
        members[#members + 1] = member
      end
      upto = step.bygonesAfter(after, members, LISTED)
    end
    table.sort(members)
    local ids = {}
    for i = 1, math.min(#members, LISTED) do
      local arrival = tonumber(string.match(string.sub(members[i], 2, 15), '^0*(%d+)'))
      if arrival > upto then break end
      ids[i] = string.sub(members[i], 16)
      if i == LISTED then upto = arrival end
    end
    local page = {}
    for i, record in ipairs(ids[1] and call('HMGET', keys.records, unpack(ids)) or {}) do
      if record and string.sub(record, 36, 49) == string.sub(members[i], 2, 15) then -- not asked for anew since
        page[#page + 1], page[#page + 2] = ids[i], record
      end
    end
    return page, upto == math.huge and '' or text(upto)
  end

  local function list(query, cursor, liveOnly)
    if query.id ~= '' then
      local r = step.read(query.id)
      if not r then return {}, '' end
      return { r.id, r.text }, '', step.contentionOf(r)
    end
    if cursor == '' and liveOnly then
      local found, more = step.selected(query, LISTED)
      if not more then
        local page = {}
        for i, r in ipairs(found) do
          page[2 * i - 1], page[2 * i] = r.id, r.text
        end
        return page, ''
      end
    end
    return listAll(cursor == '' and 0 or cursor, liveOnly)
  end

  -- Arguments: cursor, "1" if only what has not ended is meant, and those of readQuery, which are not looked at if there is too
  -- much. Replies with now, how long ended ones are remembered, the next cursor, the
  -- page (ids and records), and with an id who waits for it.
  function operations.list(cursor, liveOnly, ...)
    local page, following, contention = list(step.readQuery(...), cursor, liveOnly == '1')
    return { step.now, step.config and step.config.endedRetention or 0, following, page, contention or '' }
  end

  local function oldest(none)
    local first = call('XRANGE', keys.history, '-', '+', 'COUNT', 1)[1]
    return first and string.match(first[1], '^%d+') or none
  end

  -- Arguments: the event after which to begin, "" for none at all. Replies with the newest event, the oldest kept one
  -- (one more than the newest if none is kept) and a page of events, each its number and two texts.
  function operations.events(after)
    local page, n, from = {}, 0, tonumber(after) and tonumber(after) + 1
    if from and from <= state.seq then
      step.eachEntry(from, function(events, first, last)
        for seq = math.max(first, from), math.min(last, from + READ - 1) do
          local i = 2 * (seq - first) + 1
          page[n + 1], page[n + 2], page[n + 3] = text(seq), events[i], events[i + 1]
          n = n + 3
        end
        return last < from + READ - 1
      end)
    end
    return { text(state.seq), oldest(text(state.seq + 1)), page }
  end

  -- Replies with now, the newest event, the oldest kept one or "0", the newest token, the number of active leases, of
  -- waiters, the arrival time of the one that has waited longest or 0, and the refusals that were counted.
  function operations.stats()
    local since, waiting = 0, call('ZCOUNT', keys.lapses, '(' .. step.nowText, '+inf')
    if waiting > 0 then
      step.scan(keys.waiters, '[a', '(b', function(member)
        local r = step.read(string.match(member, ':([^%z]*)'))
        if step.over(r) then return nil end
        since = tonumber(r.created)
        return false
      end)
    end
    local active = call('ZLEXCOUNT', keys.index, string.format('[d%014d', step.now + 1), '(e')
    step.eachFresh(function(deadline)
      if deadline > step.nowText then active = active + 1 end
    end)
    return {
      step.now, text(state.seq), oldest('0'), text(state.token), active, waiting, since,
      call('HGET', keys.state, 'refused') or '0',
    }
  end

  function operations.config()
    if not step.config then return { 'regressed', '', text(state.token) } end
    return { 'done', step.settings }
  end

  -- Arguments: how many refusals of tries to add to the count.
  function operations.count_refused(n)
    call('HINCRBY', keys.state, 'refused', n)
    return nil
  end
end
