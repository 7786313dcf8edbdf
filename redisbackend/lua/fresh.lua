-- Most leases are simple (one claim, exclusive and exact), meet nobody and are released soon. To put them into the index
-- and take them out again would cost more than all the rest, so they do without: fast.lua keeps a lease that it grants in
-- FRESH alone, by its path,
--
--   path -> deadline SP token SP arrival SP FILLER id NUL holder      (14, 16 and 14 digits)
--
-- and what it ends from there in BYGONE, many in an entry, in the order of their ends:
--
--   <arrivals so far>-<seq>  ended arrival -> id, ...      (14 digits each)
--
-- Whatever else may happen to them happens in the index: an operation that is not a mere look puts all fresh leases there
-- first. So a path is either in FRESH, with the one lease that there is, or its leases are in the index.

general[#general + 1] = function(step, keys, state, call, text)
  -- looks are the operations that leave fresh leases where they are; those that grant see to it themselves.
  step.looks = {
    list = true, events = true, stats = true, config = true, open = true, count_refused = true, tidy = true,
    acquire = true, take = true,
  }

  -- eachFresh calls visit with deadline, arrival, id, holder and path of each fresh lease: at most MOST_FRESH (state.lua).
  function step.eachFresh(visit)
    local all = state.fresh > 0 and call('HGETALL', keys.fresh) or {}
    for i = 1, #all, 2 do
      local value = all[i + 1]
      local id, holder = string.match(value, '^([^%z]*)%z(.*)$', 48 + #FILLER)
      visit(string.sub(value, 1, 14), string.sub(value, 33, 46), id, holder, all[i])
    end
    state.work = state.work + #all / 4
  end

  -- indexFresh puts the fresh leases into the index. It frees memory before it takes any, unless what follows may grant,
  -- and is to fail now if there is none.
  function step.indexFresh(mayGrant)
    if state.fresh == 0 then return end
    local members, n = {}, 0
    step.eachFresh(function(deadline, arrival, id, holder, path)
      local claim = path .. '\0e' .. id
      members[n + 1], members[n + 2] = 'd' .. deadline .. id, 'a' .. arrival .. id
      members[n + 3], members[n + 4] = 'p' .. claim, 'h' .. holder .. '\0' .. claim
      n = n + 4
    end)
    if mayGrant then step.addMembers(keys.index, members) end
    call('DEL', keys.fresh)
    if not mayGrant then step.addMembers(keys.index, members) end
    state.claims, state.fresh = state.claims + n / 4, 0
  end

  -- bygonesAfter adds to members, as a<arrival><id>, what ended fresh and arrived after some arrival, up to another, which
  -- it returns: none is missing up to there. As it lists by end, it looks at all that ended soon enough after.
  local WINDOW = LATEST + 256 -- arrivals: twice what one batch may have, as what is in it is written at its end
  function step.bygonesAfter(after, members, limit)
    local first = call('XRANGE', keys.bygone, text(after + 1), '+', 'COUNT', 1)[1]
    if not first then return math.huge end
    local upto = math.max(after, tonumber(string.match(first[1], '^%d+')) - WINDOW - 1) + limit
    local least, most = step.padded(after + 1), step.padded(upto)
    for _, entry in ipairs(call('XRANGE', keys.bygone, first[1], text(upto + WINDOW))) do
      local its = entry[2]
      for i = 1, #its, 2 do
        local arrival = string.sub(its[i], 15)
        if arrival >= least and arrival <= most then members[#members + 1] = 'a' .. arrival .. its[i + 1] end
      end
    end
    return upto
  end

  -- eachBygone calls visit with the entries of BYGONE, oldest first, until it returns false: the moment when its leases
  -- ended, the IDs of those that are remembered, and the entry's own.
  local PAGE = 16 -- entries
  function step.eachBygone(visit)
    local from = '-'
    while true do
      local entries = call('XRANGE', keys.bygone, from, '+', 'COUNT', PAGE)
      if from == '-' and not entries[1] then state.bygone = 0 end -- whatever was lost
      for _, entry in ipairs(entries) do
        local its, ids, kept = entry[2], {}, {}
        for i = 1, #its, 2 do
          ids[#ids + 1] = its[i + 1]
        end
        for i, record in ipairs(call('HMGET', keys.records, unpack(ids))) do
          -- An ID that was asked for anew is another record's.
          if record and string.sub(record, 36, 49) == string.sub(its[2 * i - 1], 15) then kept[#kept + 1] = ids[i] end
        end
        if visit(string.sub(its[1], 1, 14), kept, entry[1]) == false then return end
        from = '(' .. entry[1]
      end
      if #entries < PAGE then return end
    end
  end

  -- dropBygones drops the entries up to this one.
  function step.dropBygones(last)
    local arrivals, seq = string.match(last, '^(%d+)-(%d+)$')
    call('XTRIM', keys.bygone, 'MINID', '=', arrivals .. '-' .. text(seq + 1))
  end
end
