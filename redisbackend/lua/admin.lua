-- Force, Sweep and SetConfig.

general[#general + 1] = function(step, keys, state, call, text)
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
    for _, c in ipairs(r.claims) do
      path = path or step.covers(c, query.path)
      under = under or step.covers(query.under, c.path)
    end
    return path and under
  end

  -- selected returns records recorded as active or pending that match the query and its statuses, by arrival, and whether
  -- there may be more. Of more than limit it returns the first that the index which serves the query has: by path, by what
  -- lies under one, of a holder, or all by deadline.
  function step.selected(query, limit)
    local found, seen, holder = {}, {}, query.holder
    local function take(id)
      if seen[id] then return true end
      seen[id] = true
      local r = step.read(id)
      if r and not step.hasEnded(r) and matches(query, r) then found[#found + 1] = r end
      return #found < limit
    end
    local function means(status) return query.statuses == '' or string.find(query.statuses, status, 1, true) end
    -- The claims of leases are listed by path, and so are those of each holder.
    local own = holder ~= '' and 'h' .. holder .. '\0' or 'p'
    local past = holder ~= '' and 'h' .. holder .. '\1' or 'q'
    local function leases(from, to)
      if not means('a') then return end
      step.scan(keys.index, from, to, function(member) return take(string.match(member, '%z%a([^%z]*)$')) end)
    end
    local function waiters(from, to)
      if state.waiting == 0 or not means('p') or holder ~= '' then return end
      step.scan(keys.waiters, from, to, function(member) return take(string.match(member, '%z%a%d+:([^%z]*)')) end)
    end
    if query.id ~= '' then
      take(query.id)
      if found[1] and not means(found[1].status) then found = {} end
      return found, false
    end
    if means('a') then
      step.eachFresh(function(_, _, id, own, path)
        if (holder == '' or own == holder) and (not query.path or query.path == path)
          and (not query.under or step.covers(query.under, path))
        then
          take(id)
        end
      end)
    end
    if query.path then
      step.eachAncestor(query.path, function(ancestor)
        local from, to = ancestor .. '\0t', ancestor .. '\0v'
        leases('[' .. own .. from, '(' .. own .. to)
        waiters('[p' .. from, '(p' .. to)
      end)
      leases('(' .. own .. query.path .. '\0', '(' .. own .. query.path .. '\1')
      waiters(step.at(query.path))
    elseif query.under then
      local path = query.under.path
      leases('(' .. own .. path .. '\0', '(' .. own .. path .. '\1')
      if path == '' then
        leases('[' .. own .. '\1', '(' .. past)
      else
        leases('(' .. own .. path .. '/', '(' .. own .. path .. '0')
      end
      waiters(step.at(path))
      waiters(step.below(path))
    elseif holder ~= '' then
      leases('[' .. own, '(' .. past)
    else
      if means('a') then
        step.scan(keys.index, '[d', '(e', function(member) return take(string.sub(member, 16)) end)
      end
      if state.waiting > 0 and means('p') then
        step.scan(keys.waiters, '[a', '(b', function(member) return take(string.match(member, ':([^%z]*)')) end)
      end
    end
    if holder ~= '' and means('p') then
      for _, u in ipairs(step.waitersOf(holder, limit)) do
        take(u.id)
      end
    end
    table.sort(found, step.byArrival)
    return found, #found >= limit
  end

  -- onlyThrough returns the tree claim of r by which alone the query's path reaches it: to force the path's release would
  -- end what covers far more.
  local function onlyThrough(query, r)
    if not query.path or query.id ~= '' or query.holder ~= '' or query.under then return nil end
    local cover
    for _, c in ipairs(r.claims) do
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

  local MOST_SELECTED = 200
  local REMEMBERED = 120000 -- ms: for how long a call that arrives again is known (lease.MinEndedRetention)

  local function force(query, limit, actor, note, op, again)
    local records, more = step.selected(query, MOST_SELECTED)
    local tree = not again and onlyTree(query, records, limit)
    if tree then return { 'tree_only', tree.letter, tree.path } end
    local most = limit > 0 and math.min(limit, step.mostEnds) or step.mostEnds
    local ended, count, outcome = {}, 0, more and 'again' or 'done'
    for _, r in ipairs(records) do
      if count == most or step.ends >= step.mostEnds then
        outcome = count == limit and 'done' or 'again'
        break
      elseif step.over(r) then
        step.expire(r)
      elseif not onlyThrough(query, r) then
        r.actor, r.note, r.renewal = actor, note, op
        step.endBy(r, 'f', 'v', 'v', step.nowText, actor, note)
        step.hint(r) -- a waiting call asks again, and learns that it was revoked
        count = count + 1
        ended[2 * count - 1], ended[2 * count] = r.id, r.text
      end
    end
    if count > 0 and count == limit then outcome = 'done' end
    if count > 0 then step.bury('force ' .. outcome .. '\n' .. op, step.now + REMEMBERED) end
    return { outcome, ended }
  end

  -- forced returns the reply to a call that came before, nil if it did not.
  local function forced(op)
    for _, outcome in ipairs({ 'done', 'again' }) do
      local till = tonumber(step.buriedTill('force ' .. outcome .. '\n' .. op))
      if till > step.now then
        local ended, n = {}, 0
        local from = 'e' .. step.padded(till - REMEMBERED)
        step.scan(keys.ended, '[' .. from, '(' .. from .. ':', function(member)
          local r = step.read(string.sub(member, 30))
          if r and r.renewal == op and r.reason == 'v' then
            n = n + 1
            ended[2 * n - 1], ended[2 * n] = r.id, r.text
          end
          return true
        end)
        return { outcome, ended }
      end
    end
    return nil
  end

  -- Arguments: a name of the call, "1" if an earlier one was answered "again", limit (0: none), actor, reason, and those of
  -- readQuery.
  function operations.force(op, again, limit, actor, reason, ...)
    local reply = forced(op)
    if reply then return reply end
    reply = force(step.readQuery(...), tonumber(limit), actor, reason, op, again == '1')
    if step.freed[1] then step.hintFreed() end
    return reply
  end

  -- due returns records whose time is over, by deadline, at most limit.
  local function due(limit)
    local ids = call('ZRANGEBYSCORE', keys.lapses, '-inf', step.nowText, 'LIMIT', 0, limit)
    local deadline = string.format('(d%014d', step.now + 1)
    for _, member in ipairs(call('ZRANGEBYLEX', keys.index, '[d', deadline, 'LIMIT', 0, limit)) do
      ids[#ids + 1] = string.sub(member, 16)
    end
    local found = step.readAll(ids)
    table.sort(found, function(a, b)
      local first, second = tonumber(a.deadline), tonumber(b.deadline)
      if first ~= second then return first < second end
      return step.byArrival(a, b)
    end)
    for i = #found, limit + 1, -1 do
      found[i] = nil
    end
    return found
  end

  -- trim removes events, oldest first: those recorded at or before this moment (-1: none), and those beyond the newest
  -- that are to be kept. It removes what was written together together, if all of it may go, and stops after limit events.
  -- It returns how many.
  local function trim(before, limit)
    local n, kept = 0, false
    step.eachEntry(1, function(events, first, last)
      local recorded = tonumber(string.match(events[1], '^%a %-?%d+ (%d+)'))
      kept = text(first) .. '-0'
      if recorded > before and state.seq - last < step.config.historyMax then return false end
      n = n + last - first + 1
      kept = text(last + 1) .. '-0'
      return n < limit
    end)
    if n > 0 then
      call('XTRIM', keys.history, 'MINID', '=', kept)
      state.wrote = true
    end
    return n
  end

  local function sweep(limit)
    local config = step.config
    if not config then return { 0, 0, 0, 0, 0 } end
    local expired, lapsed, forgotten, trimmed = 0, 0, 0, 0
    limit = math.min(limit, step.mostEnds)
    local due = due(limit)
    for _, r in ipairs(due) do
      if step.ends >= step.mostEnds then break end
      if r.status == 'a' then expired = expired + 1 else lapsed = lapsed + 1 end
      step.expire(r)
    end
    if step.freed[1] then step.hintFreed() end
    local left = limit - #due
    if left > 0 then
      forgotten = step.forget(step.now - config.endedRetention, left)
      left = left - forgotten
    end
    if left > 0 then
      trimmed = trim(config.historyRetention > 0 and step.now - config.historyRetention or -1, left)
      left = left - trimmed
    end
    return { expired, lapsed, forgotten, trimmed, left <= 0 and 1 or 0 }
  end

  -- Arguments: limit.
  function operations.sweep(limit) return sweep(tonumber(limit)) end

  -- Arguments: the version that it replaces, the new configuration, a name of the call: repeated, it changes nothing.
  function operations.set_config(version, settings, name)
    if not step.config then return { 'regressed', '', text(state.token) } end
    if call('HGET', keys.state, 'config_op') == name then return { 'done', step.settings } end
    if version ~= step.config.version then return { 'version', step.settings } end
    call('HSET', keys.state, 'config', settings, 'config_op', name)
    step.readConfig(settings)
    step.writeBrief()
    step.append('c', step.nowText, nil, '', '')
    return { 'done', settings }
  end
end
