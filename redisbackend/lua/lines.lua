-- What is needed only when a request is not alone: its overlaps looked at one by one. This file has the ranges of the
-- index; waiters.lua those of the queue.

general[#general + 1] = function(step, keys, state, call, text)
  local PAGE = 128 -- members that are read at a time

  -- addMembers adds members to a ZSET in lexical order, in portions that fit Lua's stack; removeMembers removes them.
  function step.addMembers(key, members)
    local arguments = {}
    for i, member in ipairs(members) do
      arguments[#arguments + 1] = '0'
      arguments[#arguments + 1] = member
      if #arguments == 2000 or i == #members then
        call('ZADD', key, unpack(arguments))
        arguments = {}
      end
    end
    state.wrote = true
  end

  function step.removeMembers(key, members)
    for from = 1, #members, 1000 do
      call('ZREM', key, unpack(members, from, math.min(from + 999, #members)))
    end
    state.wrote = true
  end

  -- eachAncestor calls visit with the paths above this one, the root last.
  function step.eachAncestor(path, visit)
    while path ~= '' do
      path = string.match(path, '^(.*)/') or ''
      visit(path)
    end
  end

  -- at and below return the ranges of what is at a path, and of what lies strictly below it.
  function step.at(path) return '(p' .. path .. '\0', '(p' .. path .. '\1' end

  function step.below(path)
    if path == '' then return '[p\1', '(q' end
    return '(p' .. path .. '/', '(p' .. path .. '0'
  end

  -- covers says whether a claim reaches a path.
  function step.covers(claim, path)
    if claim.path == path then return true end
    if not claim.tree then return false end
    return claim.path == '' or string.sub(path, 1, #claim.path + 1) == claim.path .. '/'
  end

  -- conflicts says whether some claim of r and this one exclude each other.
  function step.conflicts(r, claim)
    for _, c in ipairs(r.claims) do
      if not (c.shared and claim.shared) and (step.covers(c, claim.path) or step.covers(claim, c.path)) then
        return true
      end
    end
    return false
  end

  -- scan calls visit with the members of a range, in order, until it returns false. After a page from which visit
  -- took nothing (it returns nil), advance, if given, says where to go on.
  function step.scan(key, from, to, visit, advance)
    while true do
      local members = call('ZRANGEBYLEX', key, from, to, 'LIMIT', 0, PAGE)
      local took = false
      for _, member in ipairs(members) do
        local go = visit(member)
        if go == false then return end
        took = took or go
      end
      if #members < PAGE then return end
      from = '(' .. members[PAGE]
      if advance and not took then
        from = advance(members[PAGE])
        if not from then return end
      end
    end
  end

  -- beyondOwn returns the start of the range of members by path after this one, up to the end of the range "to", that
  -- begins with one that is not the holder's; nil if there is none. It finds it by counting, in both orders, not by
  -- looking at each: a holder may have any number of leases below a tree that it asks for.
  local function beyondOwn(holder, last, to)
    local own = 'h' .. holder .. '\0'
    local first = call('ZRANK', keys.index, last) + 1
    local final = first + call('ZLEXCOUNT', keys.index, '(' .. last, to) - 1
    if final < first then return nil end
    local function foreign(rank) -- whether there is one among the members from first to rank
      local upto = call('ZRANGE', keys.index, rank, rank)[1]
      return rank - first + 1 > call('ZLEXCOUNT', keys.index, '(' .. own .. string.sub(last, 2), '[' .. own .. string.sub(upto, 2))
    end
    if not foreign(final) then return nil end
    local low, high = first, final
    while low < high do
      local middle = math.floor((low + high) / 2)
      if foreign(middle) then high = middle else low = middle + 1 end
    end
    return '[' .. call('ZRANGE', keys.index, low, low)[1]
  end

  function step.byArrival(a, b) return a.arrival < b.arrival end

  -- collectLeases does the work of leasesOver. any says that there is something at the claim's own path.
  function step.collectLeases(claim, skip, limit, any)
    local found, seen = {}, {}
    local function range(from, to, advance)
      local count = 0
      step.scan(keys.index, from, to, function(member)
        local letter, id = string.match(member, '%z(.)(.*)')
        if claim.shared and (letter == 'f' or letter == 'u') then return nil end
        if seen[id] then return true end
        local r = step.read(id)
        if r.holder == skip then return nil end
        seen[id] = true
        found[#found + 1] = r
        count = count + 1
        return count < limit
      end, advance)
    end
    if any then
      if claim.shared then
        local at = 'p' .. claim.path .. '\0'
        range('[' .. at .. 'e', '(' .. at .. 'f')
        range('[' .. at .. 't', '(' .. at .. 'u')
      else
        range(step.at(claim.path))
      end
    end
    if state.trees > 0 then
      step.eachAncestor(claim.path, function(ancestor)
        local tree = 'p' .. ancestor .. '\0'
        range('[' .. tree .. 't', '(' .. tree .. (claim.shared and 'u' or 'v'))
      end)
    end
    if claim.tree then
      local from, to = step.below(claim.path)
      range(from, to, skip and function(last) return beyondOwn(skip, last, to) end)
    end
    if not found[1] then return false end
    table.sort(found, step.byArrival)
    for i = #found, limit + 1, -1 do
      found[i] = nil
    end
    return found
  end

  -- leasesOf returns up to limit of a holder's records recorded as active.
  function step.leasesOf(holder, limit)
    local found, seen = {}, {}
    step.scan(keys.index, '[h' .. holder .. '\0', '(h' .. holder .. '\1', function(member)
      local id = string.match(member, '%z[^%z]*%z.(.*)')
      if not seen[id] then
        seen[id] = true
        found[#found + 1] = step.read(id)
      end
      return #found < limit
    end)
    return found
  end

  -- live records the ends of those whose time is over, and returns the others.
  function step.live(records)
    local kept = {}
    for _, r in ipairs(records) do
      if step.over(r) then step.expire(r) else kept[#kept + 1] = r end
    end
    return kept
  end
end
