-- Force, Sweep and SetConfig.

-- matches says whether a record has the query's holder, path and under.
local function matches(query, r)
  if query.holder ~= '' and r.holder ~= query.holder then return false end
  local path, under = query.path == nil, query.under == nil
  for _, c in ipairs(claimsOf(r)) do
    path = path or covers(c, query.path)
    under = under or covers({ path = query.under, tree = true }, c.path)
  end
  return path and under
end

-- selected returns records recorded as active or pending that match the query, by arrival, and whether there may be
-- more. Of more than limit it returns the first that the index which serves the query has: by path, by what lies
-- under one, by holder, or all by deadline.
local function selected(query, limit)
  local found, seen = {}, {}
  local function take(id)
    if seen[id] then return true end
    seen[id] = true
    local r = read(id)
    if r and not hasEnded(r) and matches(query, r) then found[#found + 1] = r end
    return #found < limit
  end
  local function ofLeases(from, to)
    scan(LEASES, from, to, function(member) return take(match(member, '%z.(.*)')) end)
  end
  local function ofWaiters(from, to)
    if counters.waiting == 0 then return end
    scan(WAITERS, from, to, function(member) return take(match(member, '%z%a%d+:([^%z]*)')) end)
  end
  if query.id ~= '' then
    take(query.id)
    return found, false
  elseif query.path then
    local at = 'p' .. query.path .. '\0'
    eachAncestor(query.path, function(ancestor)
      local tree = 'p' .. ancestor .. '\0'
      ofLeases('[' .. tree .. 't', '(' .. tree .. 'v')
      ofWaiters('[' .. tree .. 't', '(' .. tree .. 'v')
    end)
    ofLeases('[' .. at, '(p' .. query.path .. '\1')
    ofWaiters('[' .. at, '(p' .. query.path .. '\1')
  elseif query.under then
    for _, of in ipairs({ ofLeases, ofWaiters }) do
      of('[p' .. query.under .. '\0', '(p' .. query.under .. '\1')
      of(below(query.under))
    end
  elseif query.holder ~= '' then
    scan(LEASES, '[h' .. query.holder .. '\0', '(h' .. query.holder .. '\1', function(member)
      return take(match(member, '%z[^%z]*%z.(.*)'))
    end)
    for _, u in ipairs(waitersOf(query.holder)) do
      take(u.id)
    end
  else
    for _, key in ipairs({ LAPSES, DEADLINES }) do
      local from = 0
      repeat
        local ids = call('ZRANGE', key, from, from + PAGE - 1)
        for _, id in ipairs(ids) do
          take(id)
        end
        from = from + PAGE
      until #ids < PAGE or #found >= limit
    end
  end
  table.sort(found, byArrival)
  return found, #found >= limit
end

-- readQuery returns the query of some arguments: id, holder, "1" and path, or "0" and "", the same for under, and
-- statuses: the letters of those that are meant, "" for all.
local function readQuery(a)
  return {
    id = a[1], holder = a[2], path = a[3] == '1' and a[4] or nil, under = a[5] == '1' and a[6] or nil, statuses = a[7],
  }
end

-- onlyTree returns a tree claim that only the query's path reaches: to force the path's release would end what
-- covers far more.
local function onlyTree(query, records)
  if not query.path or query.id ~= '' or query.holder ~= '' or query.under then return nil end
  for _, r in ipairs(records) do
    local cover, exact = nil, over(r)
    for _, c in ipairs(claimsOf(r)) do
      exact = exact or c.path == query.path
      if not cover and covers(c, query.path) then cover = c end
    end
    if not exact then return cover end
  end
  return nil
end

local MOST_SELECTED = 500

local function force(query, limit, actor, note)
  local records, more = selected(query, MOST_SELECTED)
  local tree = onlyTree(query, records)
  if tree then return { 'tree_only', tree.letter, tree.path } end
  local most = limit > 0 and math.min(limit, MOST_ENDS) or MOST_ENDS
  local ended, outcome = {}, 'done'
  for _, r in ipairs(records) do
    if ends >= MOST_ENDS then
      outcome = 'again'
      break
    elseif over(r) then
      expire(r)
    elseif query.statuses == '' or string.find(query.statuses, r.status, 1, true) then
      if #ended == 2 * most then
        if limit == 0 or most < limit then outcome = 'again' end
        more = false
        break
      end
      r.actor, r.note = actor, note
      endBy(r, FAILED, REASON.revoked, KIND.revoked, now, actor, note)
      hint(r) -- a waiting call asks again, and learns that it was revoked
      ended[#ended + 1] = r.id
      ended[#ended + 1] = r.text
    end
  end
  if more then outcome = 'again' end
  return { outcome, ended }
end

-- Arguments: of readQuery, limit (0: none), actor, reason.
operation('force', function(a)
  local reply = force(readQuery(a), tonumber(a[8]), a[9], a[10])
  hintFreed()
  return reply
end)

-- due returns records whose time is over, by deadline, at most limit.
local function due(limit)
  local ids = {}
  for _, key in ipairs({ DEADLINES, LAPSES }) do
    for _, id in ipairs(call('ZRANGEBYSCORE', key, '-inf', text(now), 'LIMIT', 0, limit)) do
      ids[#ids + 1] = id
    end
  end
  local found = readAll(ids)
  table.sort(found, function(a, b)
    if a.deadline ~= b.deadline then return a.deadline < b.deadline end
    return a.arrival < b.arrival
  end)
  for i = #found, limit + 1, -1 do
    found[i] = nil
  end
  return found
end

-- forget removes up to limit ended records, oldest end first: those that ended at or before this moment, and those
-- beyond the newest that are to be kept. It returns how many. Tombstones go too, uncounted.
local function forget(before, limit)
  local buried = call('ZRANGEBYSCORE', BURIED, '-inf', text(now), 'LIMIT', 0, 1000)
  if #buried > 0 then
    call('ZREM', BURIED, unpack(buried))
    wrote = true
  end
  local excess = call('ZCARD', ENDED) - config.endedMax
  local ids = call('ZRANGEBYSCORE', ENDED, '-inf', text(before), 'LIMIT', 0, limit)
  if excess > #ids then ids = call('ZRANGE', ENDED, 0, math.min(excess, limit) - 1) end
  if #ids == 0 then return 0 end
  call('ZREM', ENDED, unpack(ids))
  call('HDEL', RECORDS, unpack(ids))
  call('ZREM', ARRIVALS, unpack(ids))
  wrote = true
  for _, id in ipairs(ids) do
    cache[id] = false
  end
  return #ids
end

-- trim removes up to limit events, oldest first: those recorded at or before this moment (-1: none), and those
-- beyond the newest that are to be kept. It returns how many.
local function trim(before, limit)
  local events = call('XRANGE', HISTORY, '-', '+', 'COUNT', limit)
  local excess = call('XLEN', HISTORY) - config.historyMax
  local n = 0
  while n < #events and (n < excess or tonumber(match(events[n + 1][2][2], '^%a %-?%d+ (%d+)')) <= before) do
    n = n + 1
  end
  if n > 0 then
    local last = tonumber(match(events[n][1], '^%d+'))
    call('XTRIM', HISTORY, 'MINID', '=', text(last + 1) .. '-0')
    wrote = true
  end
  return n
end

local function sweep(limit)
  if not config then return { 0, 0, 0, 0, 0 } end
  local expired, lapsed, forgottenNow, trimmed = 0, 0, 0, 0
  for _, r in ipairs(due(limit)) do
    if r.status == ACTIVE then expired = expired + 1 else lapsed = lapsed + 1 end
    expire(r)
  end
  hintFreed()
  local left = limit - expired - lapsed
  if left > 0 then
    forgottenNow = forget(now - config.endedRetention, left)
    left = left - forgottenNow
  end
  if left > 0 then
    trimmed = trim(config.historyRetention > 0 and now - config.historyRetention or -1, left)
    left = left - trimmed
  end
  return { expired, lapsed, forgottenNow, trimmed, left <= 0 and 1 or 0 }
end

-- Arguments: limit.
operation('sweep', function(a) return sweep(tonumber(a[1])) end)

-- Arguments: the version that it replaces, the new configuration, a name of the call: repeated, it changes nothing.
operation('set_config', function(a)
  if not config then return { 'regressed', '', text(counters.token) } end
  if call('HGET', STATE, 'config_op') == a[3] then return { 'done', configText } end
  if a[1] ~= config.version then return { 'version', configText } end
  call('HSET', STATE, 'config', a[2], 'config_op', a[3])
  wrote = true
  readConfig(a[2])
  append(KIND.config, now, nil, '', '')
  return { 'done', configText }
end)
