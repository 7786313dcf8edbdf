-- What only reads: List, Events, Stats and Config.

-- readQuery returns the query of some arguments: id, holder, "1" and path, or "0" and "", the same for under, and
-- statuses: the letters of those that are meant, "" for all.
function step.readQuery(id, holder, hasPath, path, hasUnder, under, statuses)
  return {
    id = id, holder = holder, path = hasPath == '1' and path or nil,
    under = hasUnder == '1' and { path = under, tree = true } or nil, statuses = statuses,
  }
end

-- matches says whether a record has the query's holder, path and under.
local function matches(query, r)
  if query.holder ~= '' and r.holder ~= query.holder then return false end
  local path, under = query.path == nil, query.under == nil
  for _, c in ipairs(step.claims(r)) do
    path = path or step.covers(c, query.path)
    under = under or step.covers(query.under, c.path)
  end
  return path and under
end

-- select returns records recorded as active or pending that match the query and its statuses, by arrival, and whether
-- there may be more. Of more than limit, or than an operation may read, it returns the first that the index which serves
-- the query has: by path, by what lies under one, of a holder, or all by deadline. With unread it only returns the IDs of
-- what may match, in no order.
function step.select(query, limit, unread)
  local found, seen, holder, left, full = {}, {}, query.holder, MAX_BYTES, false
  local function take(id)
    if seen[id] then return true end
    seen[id] = true
    local r = not unread and step.read(id)
    if unread then
      found[#found + 1] = id
    elseif r and not step.hasEnded(r) then
      left = left - #r.text / 4
      if matches(query, r) then
        found[#found + 1] = r
        left = left - #r.text
      end
    end
    full = #found >= limit or left < 0
    return not full
  end
  local function means(status) return query.statuses == '' or find(query.statuses, status, 1, true) end
  local function scan(key, from, to, pattern)
    if not full and not step.scan(key, from, to, function(member) return take(match(member, pattern)) end) then full = true end
  end
  -- The claims of leases are listed by path, and so are those of each holder.
  local function leases(from, to)
    if not means('a') then return end
    for _, prefix in ipairs(holder ~= '' and { 'h' .. holder .. '\0', 'g' .. holder .. '\0' } or { 'p', 's' }) do
      scan(INDEX, '(' .. prefix .. from, '(' .. prefix .. to, '%z[eftu]([^%z]*)$')
    end
  end
  local function waiters(from, to)
    if state.waiting == 0 or not means('p') or holder ~= '' then return end
    scan(WAITERS, '(p' .. from, '(p' .. to, '%z%a%d+:([^%z]*)')
  end
  if query.id ~= '' then
    take(query.id)
    if found[1] and not means(found[1].status) then found = {} end
    return found, false
  end
  if means('a') then
    step.eachFresh(function(_, _, id, own, path)
      if not full and (holder == '' or own == holder) and (not query.path or query.path == path)
        and (not query.under or step.covers(query.under, path))
      then
        take(id)
      end
    end)
  end
  local path = query.path or query.under and query.under.path
  if path then
    if query.path then
      for _, tree in ipairs(step.treesOver(INDEX, path)) do
        leases(tree .. '\0t', tree .. '\0v')
      end
      for _, tree in ipairs(state.waitingTrees > 0 and step.treesOver(WAITERS, path) or {}) do
        waiters(tree .. '\0t', tree .. '\0v')
      end
    end
    leases(path .. '\0', path .. '\1')
    waiters(path .. '\0', path .. '\1')
    if query.under then
      local from, to = path .. '/', path .. '0'
      if path == '' then from, to = '\1', '\255' end
      leases(from, to)
      waiters(from, to)
    end
  elseif holder ~= '' then
    leases('', '\255')
  else
    if means('a') then scan(INDEX, '[d', '(e', '^d%d%d%d%d%d%d%d%d%d%d%d%d%d%d(.*)$') end
    if state.waiting > 0 and means('p') then scan(WAITERS, '[a', '(b', ':([^%z]*)') end
  end
  if holder ~= '' and means('p') and not full then
    for _, u in ipairs(step.waitersOf(holder, limit)) do
      if not full then take(u.id) end
    end
  end
  if not unread then table.sort(found, step.byArrival) end
  return found, full
end

-- pageOf reads records, until that is too much: the ID and the text of each that is there and, if their arrivals are given,
-- was not asked for anew since. It returns how many IDs it has seen to.
local function pageOf(ids, arrivals)
  local page, n, at, left = {}, 0, 1, MAX_BYTES
  while at <= #ids and left > 0 do
    local last = min(at + (left < MAX_BYTES / 2 and 15 or 63), #ids)
    for i, record in ipairs(call('HMGET', RECORDS, unpack(ids, at, last))) do
      local id = at + i - 1
      if record and (not arrivals or sub(record, ARRIVAL_AT, ARRIVAL_TO) == arrivals[id]) then
        page[n + 1], page[n + 2] = ids[id], record
        n, left = n + 2, left - #record
      end
    end
    at = last + 1
  end
  return page, at - 1
end

-- listAll returns a page of all records after this arrival, or of those that have not ended, and the arrival after
-- which the next page begins, or "". A page may be empty and not the last.
local function listAll(after, liveOnly)
  after = after + 0
  local least = step.padded(after + 1)
  local from = '[a' .. least
  local members = call('ZRANGEBYLEX', INDEX, from, '(b', 'LIMIT', 0, MAX_LISTED)
  step.eachFresh(function(_, arrival, id)
    if arrival >= least then members[#members + 1] = 'a' .. arrival .. id end
  end)
  local upto = math.huge -- beyond that, some may be missing
  if not liveOnly then
    for _, member in ipairs(call('ZRANGEBYLEX', ENDED, from, '(b', 'LIMIT', 0, MAX_LISTED)) do
      members[#members + 1] = member
    end
    upto = step.bygonesAfter(after, members, MAX_LISTED)
  end
  table.sort(members)
  local ids, arrivals, most = {}, {}, upto < math.huge and step.padded(upto) or string.rep('9', 14)
  for i = 1, min(#members, MAX_LISTED) do
    local arrival = sub(members[i], 2, 15)
    if arrival > most then break end
    ids[i], arrivals[i] = sub(members[i], 16), arrival
  end
  local page, seen = pageOf(ids, arrivals)
  if seen < #ids or seen == MAX_LISTED then return page, match(arrivals[seen], '^0*(%d+)') end
  return page, upto < math.huge and step.text(upto) or ''
end

local function list(query, cursor, liveOnly)
  if query.id ~= '' then
    local r = step.read(query.id)
    if not r then return {}, '' end
    return { r.id, r.text }, '', step.contentionOf(r)
  end
  if cursor == '' and liveOnly then
    local ids, more = step.select(query, MAX_LISTED, true)
    if not more then
      local page, seen = pageOf(ids)
      if seen == #ids then return page, '' end
    end
  end
  return listAll(cursor == '' and 0 or cursor, liveOnly)
end

-- Arguments: cursor, "1" if only what has not ended is meant, and those of readQuery, which are not looked at if there is
-- too much. Replies with how long ended ones are remembered, the next cursor, the page (ids and records), and with an id
-- who waits for it.
function operations.list(cursor, liveOnly, ...)
  local page, following, contention = list(step.readQuery(...), cursor, liveOnly == '1')
  local config = step.config()
  return { config and config.endedRetention or 0, following, page, contention or '' }
end

-- Arguments: the event after which to begin, "" for none at all. Replies with the newest event, the oldest kept one
-- (one more than the newest if none is kept) and a page of events, each its number and two texts.
function operations.events(after)
  local page, n, from, left = {}, 0, tonumber(after) and after + 1, MAX_BYTES
  if from and from <= state.seq then
    step.eachEntry(from, function(events, first, last)
      for seq = max(first, from), min(last, from + MAX_LISTED - 1) do
        local i = 2 * (seq - first) + 1
        page[n + 1], page[n + 2], page[n + 3] = step.text(seq), events[i], events[i + 1]
        n, left = n + 3, left - #events[i + 1]
      end
      return last < from + MAX_LISTED - 1 and left > 0
    end)
  end
  return { step.text(state.seq), step.oldest(step.text(state.seq + 1)), page }
end

-- Replies with the newest event, the oldest kept one or "0", the newest token, the number of active leases, of
-- waiters, the arrival time of the one that has waited longest or 0, and the refusals that were counted.
function operations.stats()
  local since, waiting = 0, call('ZCOUNT', LAPSES, '(' .. nowText, '(9e15')
  if waiting > 0 then
    local from = '[a'
    repeat
      local members = call('ZRANGEBYLEX', WAITERS, from, '(b', 'LIMIT', 0, 512)
      local found = {}
      for i, member in ipairs(members) do
        found[i] = { id = match(member, ':([^%z]*)') }
      end
      for i, deadline in ipairs(step.deadlinesOf(found)) do
        if since == 0 and deadline > now then since = step.read(found[i].id).created + 0 end
      end
      from = members[512] and '(' .. members[512]
    until since > 0 or not from or step.spent()
  end
  local active = call('ZLEXCOUNT', INDEX, '[d' .. step.padded(now + 1), '(e')
  step.eachFresh(function(deadline)
    if deadline > nowText then active = active + 1 end
  end)
  return {
    step.text(state.seq), step.oldest('0'), step.text(state.token), active, waiting, since,
    call('HGET', STATE, 'refused') or '0',
  }
end

function operations.config()
  if not step.config() then return { 'regressed', '', step.text(state.token) } end
  return { 'done', op.settings }
end

-- Arguments: how many refusals of tries to add to the count.
function operations.count_refused(n)
  call('HINCRBY', STATE, 'refused', n)
  return nil
end
