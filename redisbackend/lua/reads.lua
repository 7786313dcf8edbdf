-- What only reads: List, Events, Stats and Config.

local LISTED = 500 -- records a page
local READ = 256 -- events a page

-- listed adds a record to a page.
local function listed(page, id, record)
  page[#page + 1] = id
  page[#page + 1] = record
end

-- listAll returns a page of all records after this arrival, or of those that have not ended. It may be empty and not
-- the last one.
local function listAll(after, liveOnly)
  local ids = call('ZRANGEBYSCORE', ARRIVALS, '(' .. after, '+inf', 'WITHSCORES', 'LIMIT', 0, LISTED)
  local page, names = {}, {}
  for i = 1, #ids, 2 do
    names[#names + 1] = ids[i]
  end
  if #names == 0 then return page, '' end
  local records = call('HMGET', RECORDS, unpack(names))
  for i, record in ipairs(records) do
    local status = record and sub(record, 1, 1)
    if record and not (liveOnly and status ~= ACTIVE and status ~= PENDING) then listed(page, names[i], record) end
  end
  if #names < LISTED then return page, '' end
  return page, text(tonumber(ids[#ids]))
end

-- Arguments: of readQuery (statuses are not looked at), cursor, "1" if only what has not ended is meant. Replies with
-- now, how long ended ones are remembered, the next cursor, the page, and with an id who waits for it.
operation('list', function(a)
  local query, cursor, liveOnly = readQuery(a), a[8], a[9] == '1'
  local page, following, contention = {}, '', ''
  local retention = config and config.endedRetention or 0
  if query.id ~= '' then
    local r = read(query.id)
    if r then
      listed(page, r.id, r.text)
      contention = contentionOf(r)
    end
    return { now, retention, following, page, contention }
  end
  if cursor == '' then
    if liveOnly then
      local found, more = selected(query, LISTED)
      if not more then
        for _, r in ipairs(found) do
          listed(page, r.id, r.text)
        end
        return { now, retention, following, page, contention }
      end
    end
    cursor = '0'
  end
  page, following = listAll(cursor, liveOnly)
  return { now, retention, following, page, contention }
end)

-- Arguments: the event after which to begin, "" for none at all. Replies with the newest event, the oldest kept one
-- (one more than the newest if none is kept) and a page of texts of events, each after its number.
operation('events', function(a)
  local first = call('XRANGE', HISTORY, '-', '+', 'COUNT', 1)[1]
  local oldest = first and match(first[1], '^%d+') or text(counters.seq + 1)
  local page = {}
  if a[1] ~= '' and tonumber(a[1]) < counters.seq then
    for i, entry in ipairs(call('XRANGE', HISTORY, '(' .. a[1] .. '-0', '+', 'COUNT', READ)) do
      page[2 * i - 1] = match(entry[1], '^%d+')
      page[2 * i] = entry[2][2]
    end
  end
  return { text(counters.seq), oldest, page }
end)

-- Replies with now, the newest event, the oldest kept one or "0", the newest token, the number of active leases, of
-- waiters, the arrival time of the one that has waited longest or 0, and the refusals that were counted.
operation('stats', function()
  local since, waiting = 0, call('ZCOUNT', LAPSES, '(' .. text(now), '+inf')
  if waiting > 0 then
    scan(WAITERS, '[a', '(b', function(member)
      local r = read(match(member, ':([^%z]*)'))
      if over(r) then return nil end
      since = r.created
      return false
    end)
  end
  local first = call('XRANGE', HISTORY, '-', '+', 'COUNT', 1)[1]
  return {
    now, text(counters.seq), first and match(first[1], '^%d+') or '0', text(counters.token),
    call('ZCOUNT', DEADLINES, '(' .. text(now), '+inf'), waiting, since,
    call('HGET', STATE, 'refused') or '0',
  }
end)

operation('config', function()
  if not config then return { 'regressed', '', text(counters.token) } end
  return { 'done', configText }
end)

-- Arguments: how many refusals of tries to add to the count.
operation('count_refused', function(a)
  call('HINCRBY', STATE, 'refused', a[1])
  return nil
end)
