-- What only reads: List, Events, Stats and Config.

general[#general + 1] = function(step, keys, counters, call, text, cache)
  local LISTED = 500 -- records a page
  local READ = 256 -- events a page

  -- listAll returns a page of all records after this arrival, or of those that have not ended, and the arrival after
  -- which the next page begins, or "". A page may be empty and not the last.
  local function listAll(after, liveOnly)
    local from = string.format('[a%014d', tonumber(after) + 1)
    local members = call('ZRANGEBYLEX', keys.index, from, '(b', 'LIMIT', 0, LISTED)
    local page, ids = {}, {}
    for i, member in ipairs(members) do
      ids[i] = string.sub(member, 16)
    end
    if #ids == 0 then return page, '' end
    for i, record in ipairs(call('HMGET', keys.records, unpack(ids))) do
      local status = record and string.sub(record, 1, 1)
      if record and (not liveOnly or status == 'a' or status == 'p') then
        page[#page + 1] = ids[i]
        page[#page + 1] = record
      end
    end
    return page, #ids < LISTED and '' or string.sub(members[#members], 2, 15)
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

  -- Arguments: cursor, "1" if only what has not ended is meant, and those of readQuery, of which statuses are not looked
  -- at, nor, if there is too much, the rest. Replies with now, how long ended ones are remembered, the next cursor, the
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
  -- (one more than the newest if none is kept) and a page of texts of events, each after its number.
  function operations.events(after)
    local page = {}
    if after ~= '' and tonumber(after) < counters.seq then
      for i, entry in ipairs(call('XRANGE', keys.history, text(tonumber(after) + 1) .. '-0', '+', 'COUNT', READ)) do
        page[2 * i - 1] = string.match(entry[1], '^%d+')
        page[2 * i] = entry[2][2]
      end
    end
    return { text(counters.seq), oldest(text(counters.seq + 1)), page }
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
    return {
      step.now, text(counters.seq), oldest('0'), text(counters.token), active, waiting, since,
      call('HGET', keys.state, 'refused') or '0',
    }
  end

  function operations.config()
    if not step.config then return { 'regressed', '', text(counters.token) } end
    return { 'done', step.settings }
  end

  -- Arguments: how many refusals of tries to add to the count.
  function operations.count_refused(n)
    call('HINCRBY', keys.state, 'refused', n)
    return nil
  end
end
