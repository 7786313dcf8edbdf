-- Force, Sweep and SetConfig.

-- onlyThrough returns the tree claim of r by which alone the query's path reaches it: to force the path's release would
-- end what covers far more.
local function onlyThrough(query, r)
  if not query.path or query.id ~= '' or query.holder ~= '' or query.under then return nil end
  local cover
  for _, c in ipairs(step.claims(r)) do
    if c.path == query.path then return nil end
    if not cover and step.covers(c, query.path) then cover = c end
  end
  return cover
end

-- onlyTree returns such a claim of the first so many records that live (0: all), if there is one.
local function onlyTree(query, records, limit)
  local n = 0
  for _, r in ipairs(records) do
    if not step.over(r) then
      n = n + 1
      if limit > 0 and n > limit then return nil end
      local tree = onlyThrough(query, r)
      if tree then return tree end
    end
  end
  return nil
end

local function force(query, limit, actor, note, name, again)
  local records, more = step.select(query, 2 * MAX_ENDS)
  local tree = not again and onlyTree(query, records, limit)
  if tree then return { 'tree_only', tree.letter, tree.path } end
  local most = limit > 0 and min(limit, MAX_ENDS) or MAX_ENDS
  local ended, count, outcome = {}, 0, more and 'again' or 'done'
  for _, r in ipairs(records) do
    if count == most or step.endedEnough() then
      outcome = limit > 0 and count == limit and 'done' or 'again'
      break
    elseif step.over(r) then
      step.expire(r)
    elseif not step.hasEnded(r) and not onlyThrough(query, r) then
      r.actor, r.note, r.renewal = actor, note, name
      step.endBy(r, 'f', 'v', 'v', nowText, actor, note)
      step.notify(r) -- a waiting call asks again, and learns that it was revoked
      count = count + 1
      ended[2 * count - 1], ended[2 * count] = r.id, r.text
    end
  end
  if count > 0 and count == limit then outcome = 'done' end
  if count > 0 then step.addTombstone('force ' .. outcome .. '\n' .. name) end
  return { outcome, ended }
end

-- forced returns the reply to a call that came before, nil if it did not.
local function forced(name)
  for _, outcome in ipairs({ 'done', 'again' }) do
    local till = step.tombstone('force ' .. outcome .. '\n' .. name)
    if till > 0 then
      local ended, n = {}, 0
      local from = 'e' .. step.padded(till - TOMBSTONE_MS)
      step.scan(ENDED, '[' .. from, '(' .. from .. ':', function(member)
        local r = step.read(sub(member, 30))
        if r and r.renewal == name and r.reason == 'v' then
          n = n + 1
          ended[2 * n - 1], ended[2 * n] = r.id, r.text
        end
        return true
      end)
      step.repeated()
      return { outcome, ended }
    end
  end
  return nil
end

-- Arguments: a name of the call, "1" if an earlier one was answered "again", limit (0: none), actor, reason, and those of
-- readQuery (list.lua).
function operations.force(name, again, limit, actor, reason, ...)
  return forced(name) or force(step.readQuery(...), limit + 0, actor, reason, name, again == '1')
end

-- due returns records whose time is over, by deadline, at most limit. What an index has without a record is dropped.
function step.due(limit)
  local ids, where = {}, {}
  for _, id in ipairs(call('ZRANGEBYSCORE', LAPSES, '-inf', nowText, 'LIMIT', 0, limit)) do
    ids[#ids + 1] = id
  end
  local lapsed = #ids
  for i, member in ipairs(call('ZRANGEBYLEX', INDEX, '[d', '(d' .. step.padded(now + 1), 'LIMIT', 0, limit)) do
    ids[#ids + 1], where[i] = sub(member, 16), member
  end
  local found = {}
  step.readAll(ids, MAX_BYTES)
  for i, id in ipairs(ids) do
    local r = op.cache[id]
    if r and step.over(r) then
      found[#found + 1] = r
    elseif r ~= nil then
      if i <= lapsed then call('ZREM', LAPSES, id) else call('ZREM', INDEX, where[i - lapsed]) end
      state.wrote = true
    end
  end
  table.sort(found, function(a, b)
    if a.deadline ~= b.deadline then return a.deadline < b.deadline end
    return step.byArrival(a, b)
  end)
  for i = #found, limit + 1, -1 do
    found[i] = nil
  end
  return found
end

-- Arguments: limit. Replies with how many leases have expired, waiters lapsed, ended ones been forgotten, events been
-- trimmed, and 1 if there is more to do.
function operations.sweep(limit)
  local config = step.config()
  if not config then return { 0, 0, 0, 0, 0 } end
  local expired, lapsed, forgotten, trimmed = 0, 0, 0, 0
  limit = min(limit + 0, MAX_ENDS)
  local due, unended = step.due(limit), false
  for _, r in ipairs(due) do
    unended = step.endedEnough() -- a few with many claims are enough
    if unended then break end
    if not step.hasEnded(r) then
      if r.status == 'a' then expired = expired + 1 else lapsed = lapsed + 1 end
      step.expire(r)
    end
  end
  local left = limit - #due
  if left > 0 then
    forgotten = step.forget(now - config.endedRetention, config.endedMax, left)
    left = left - forgotten
  end
  if left > 0 then
    trimmed = step.trim(config.historyRetention > 0 and now - config.historyRetention or -1, config.historyMax, left)
    left = left - trimmed
  end
  local purged = step.purgeTombstones(10 * MAX_ENDS)
  return { expired, lapsed, forgotten, trimmed, (unended or left <= 0 or purged == 10 * MAX_ENDS) and 1 or 0 }
end

-- Arguments: the version that it replaces, the new configuration, a name of the call: repeated, it changes nothing, and
-- says that it was done, also if another has been since.
function operations.set_config(version, settings, name)
  local config = step.config()
  if not config then return { 'regressed', '', step.text(state.token) } end
  local mark = 'config\n' .. name
  if step.tombstone(mark) > 0 then
    step.repeated()
    return { 'done', settings }
  end
  if version ~= config.version then return { 'version', op.settings } end
  call('HSET', STATE, 'config', settings)
  step.adopt(step.readConfig(settings), match(life, '^%d+ (.*)$'))
  step.addTombstone(mark)
  step.append('c', nowText, nil, '', '')
  return { 'done', settings }
end
