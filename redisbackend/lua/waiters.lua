-- The claims of waiters, in lexical order: members of a prefix, a place (key and arrival, of fixed width), ":", the
-- id, NUL and the holder. The prefixes are
--
--   p path NUL letter       for each claim
--   b ancestor NUL letter   for each strict ancestor of a claim: e, or f for a shared one
--   h holder NUL            by holder
--   r id NUL                by the lease that the waiter would replace
--   a                       of all, by arrival alone
--
-- so that whatever conflicts with a claim is a handful of ranges, each in the order of the queue.

general[#general + 1] = function(step, keys, state, call, text)
  function step.placeOf(r)
    local place = r.place
    if not place then
      -- The clock of a wild machine may make a key negative.
      place = string.format('%014d', tonumber(r.key) + 1e13) .. '0' .. r.arrival
      r.place = place
    end
    return place
  end

  local function waiterMembers(r)
    local tail = step.placeOf(r) .. ':' .. r.id .. '\0' .. r.holder
    local members = { 'h' .. r.holder .. '\0' .. tail, 'a0' .. r.arrival .. ':' .. r.id .. '\0' .. r.holder }
    if r.replaceID ~= '' then members[3] = 'r' .. r.replaceID .. '\0' .. tail end
    local seen, trees, shared = {}, 0, 0
    for _, c in ipairs(r.claims) do
      members[#members + 1] = 'p' .. c.path .. '\0' .. c.letter .. tail
      if c.tree then trees = trees + 1 end
      if c.shared then shared = shared + 1 end
      local letter = c.shared and 'f' or 'e'
      step.eachAncestor(c.path, function(ancestor)
        local prefix = 'b' .. ancestor .. '\0' .. letter
        if not seen[prefix] then
          seen[prefix] = true
          members[#members + 1] = prefix .. tail
        end
      end)
    end
    return members, trees, shared
  end

  local function count(n, trees, shared)
    state.waiting = math.max(state.waiting + n, 0)
    local none = state.waiting == 0
    state.waitingTrees = none and 0 or math.max(state.waitingTrees + n * trees, 0)
    state.waitingShared = none and 0 or math.max(state.waitingShared + n * shared, 0)
  end

  function step.addWaiter(r)
    local members, trees, shared = waiterMembers(r)
    step.addMembers(keys.waiters, members)
    count(1, trees, shared)
    call('ZADD', keys.lapses, r.deadline, r.id)
  end

  function step.removeWaiter(r)
    local members, trees, shared = waiterMembers(r)
    step.removeMembers(keys.waiters, members)
    count(-1, trees, shared)
    call('ZREM', keys.lapses, r.id)
  end

  -- prefixesOver returns the prefixes of the ranges of what conflicts with a claim.
  local function prefixesOver(claim)
    local prefixes = {}
    local function range(start, letter, shared)
      prefixes[#prefixes + 1] = start .. letter
      if not claim.shared and state.waitingShared > 0 then prefixes[#prefixes + 1] = start .. shared end
    end
    local at = 'p' .. claim.path .. '\0'
    range(at, 'e', 'f')
    if state.waitingTrees > 0 then
      range(at, 't', 'u')
      step.eachAncestor(claim.path, function(ancestor) range('p' .. ancestor .. '\0', 't', 'u') end)
    end
    if claim.tree then range('b' .. claim.path .. '\0', 'e', 'f') end
    return prefixes
  end

  -- inLine adds to found what a prefix' range has, in order, after and before these places, if given, without the
  -- waiters of the holder skip, if given, and at most limit.
  local function inLine(found, seen, prefix, skip, after, before, limit)
    local taken = 0
    local from = after and '(' .. prefix .. after .. ';' or '[' .. prefix -- ";" is what comes after ":"
    local to = '(' .. prefix .. (before or ':')
    while true do
      local members = call('ZRANGEBYLEX', keys.waiters, from, to, 'LIMIT', 0, limit)
      for _, member in ipairs(members) do
        local place, id, holder = string.match(member, '^(%d+):([^%z]*)%z(.*)', #prefix + 1)
        if holder ~= skip then
          taken = taken + 1
          if not seen[id] then
            seen[id] = true
            found[#found + 1] = { place = place, id = id, holder = holder }
          end
          if taken == limit then return end
        end
      end
      if #members < limit then return end
      from = '(' .. members[limit]
    end
  end

  function step.byPlace(a, b) return a.place < b.place end

  -- recordsOf returns the records of waiters in line.
  function step.recordsOf(found)
    local ids = {}
    for i, waiter in ipairs(found) do
      ids[i] = waiter.id
    end
    return step.readAll(ids)
  end

  -- inLineOver returns id, place and holder of those recorded as pending with a claim that conflicts with this one, by
  -- place; see inLine.
  function step.inLineOver(claim, skip, after, before, limit)
    local found, seen = {}, {}
    local prefixes = prefixesOver(claim)
    for _, prefix in ipairs(prefixes) do
      inLine(found, seen, prefix, skip, after, before, limit)
    end
    if #prefixes > 1 then
      table.sort(found, step.byPlace)
      for i = #found, limit + 1, -1 do
        found[i] = nil
      end
    end
    return found
  end

  -- waitersOver returns the records of these.
  function step.waitersOver(claim, skip, after, before, limit)
    local records = step.recordsOf(step.inLineOver(claim, skip, after, before, limit))
    for _, r in ipairs(records) do
      step.placeOf(r)
    end
    return records
  end

  -- stillInLine records the ends of those of inLineOver who have lapsed, and returns the others: without a look at each
  -- while nobody at all has.
  function step.stillInLine(found)
    if not found[1] then return found end
    if step.noneLapsed == nil then
      step.noneLapsed = call('ZCOUNT', keys.lapses, '-inf', step.nowText) == 0
    end
    if step.noneLapsed then return found end
    local kept = {}
    for _, u in ipairs(found) do
      if tonumber(call('ZSCORE', keys.lapses, u.id)) > step.now then
        kept[#kept + 1] = u
      else
        step.expire(step.read(u.id))
      end
    end
    return kept
  end

  -- between returns id, place and holder of the waiters that conflict with a claim from a place on, if given, and before
  -- another.
  function step.between(claim, from, before)
    local all, after = {}, from and string.format('%s%015d', string.sub(from, 1, 14), tonumber(string.sub(from, 15)) - 1)
    repeat
      local some = step.inLineOver(claim, nil, after, before, step.readAhead)
      local more = #some == step.readAhead
      if more then after = some[step.readAhead].place end
      for _, u in ipairs(step.stillInLine(some)) do
        all[#all + 1] = u
      end
    until not more or step.ends >= step.mostEnds
    return all
  end

  -- everyWaiter returns the waiters of a prefix, by place, at most limit if given.
  local function everyWaiter(prefix, limit)
    local found = {}
    if state.waiting > 0 and limit ~= 0 then
      step.scan(keys.waiters, '[' .. prefix, '(' .. prefix .. ':', function(member)
        found[#found + 1] = { id = string.match(member, '^%d+:([^%z]*)', #prefix + 1) }
        return #found ~= limit
      end)
    end
    return step.recordsOf(found)
  end

  function step.waitersOf(holder, limit) return everyWaiter('h' .. holder .. '\0', limit) end

  function step.replacing(id) return everyWaiter('r' .. id .. '\0') end

  function step.liveWaitersOf(holder, limit) return step.live(step.waitersOf(holder, limit)) end
end
