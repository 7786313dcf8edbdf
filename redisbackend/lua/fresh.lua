-- Most leases are simple (one claim, exclusive and exact), meet nobody and are released soon. To put them into the index
-- and take them out again would cost more than all the rest, so they do without: uncontended.lua keeps a lease that it
-- grants in FRESH alone, by its path,
--
--   path -> deadline SP token SP arrival SP FRESH_FILLER id NUL holder      (14, 16 and 14 digits)
--
-- (the filler is there since a HASH of short values would be searched from end to end), and what it ends soon in BYGONE,
-- many in an entry, in the order of their ends:
--
--   <arrivals so far>-<seq>  ended arrival -> id, ...      (14 digits each)
--
-- Invariants: a path is either in FRESH, with the one lease that there is, or its leases are in the index. There are at
-- most MAX_FRESH, so that all of them can be put into the index in one step: which every operation of the modules does
-- first that is not a mere look. An ended record is either in BYGONE or in ENDED, and in BYGONE only if it ended within
-- BYGONE_WINDOW arrivals of its own.

-- eachFresh calls visit with deadline, arrival, id, holder and path of each fresh lease.
function step.eachFresh(visit)
  local all = state.fresh > 0 and call('HGETALL', FRESH) or {}
  for i = 1, #all, 2 do
    local value = all[i + 1]
    if value ~= '' then -- of the member that is always there (epoch.lua)
      local id, holder = match(value, '^([^%z]*)%z(.*)$', FRESH_ID_AT)
      visit(sub(value, 1, 14), sub(value, 33, 46), id, holder, all[i])
    end
  end
  state.work = state.work + #all / 4
end

-- indexFresh puts the fresh leases into the index. It frees memory before it takes any, unless what follows may grant,
-- and is to fail now if there is none.
function step.indexFresh(mayGrant)
  if state.fresh == 0 then return end
  local all, n = {}, 0
  step.eachFresh(function(deadline, arrival, id, holder, path)
    local claim = path .. '\0e' .. id
    all[n + 1], all[n + 2], all[n + 3], all[n + 4] = '0', 'd' .. deadline .. id, '0', 'a' .. arrival .. id
    all[n + 5], all[n + 6], all[n + 7], all[n + 8] = '0', 'p' .. claim, '0', 'h' .. holder .. '\0' .. claim
    n = n + 8
  end)
  if mayGrant then step.add(INDEX, all) end
  call('DEL', FRESH)
  call('HSET', FRESH, '\0', '')
  if not mayGrant then step.add(INDEX, all) end
  state.claims, state.fresh, state.wrote = state.claims + n / 8, 0, true
end

-- bygonesAfter adds to members, as a<arrival><id>, what is in BYGONE and arrived after some arrival, up to another, which
-- it returns: none is missing up to there. As it lists by end, it looks at all that ended soon enough after.
local WINDOW = BYGONE_WINDOW + 256 -- arrivals: twice what one batch may have, as what is in it is written at its end
function step.bygonesAfter(after, members, limit)
  local first = call('XRANGE', BYGONE, step.text(after + 1), '+', 'COUNT', 1)[1]
  if not first then return math.huge end
  local upto = max(after, match(first[1], '^%d+') - WINDOW - 1) + limit
  local least, most = step.padded(after + 1), step.padded(upto)
  for _, entry in ipairs(call('XRANGE', BYGONE, first[1], step.text(upto + WINDOW))) do
    local its = entry[2]
    for i = 1, #its, 2 do
      local arrival = sub(its[i], 15)
      if arrival >= least and arrival <= most then members[#members + 1] = 'a' .. arrival .. its[i + 1] end
    end
  end
  return upto
end

-- eachBygone calls visit with the entries of BYGONE, oldest first, until it returns false: the moment when its leases
-- ended, the IDs of those that are remembered, and the entry's own.
function step.eachBygone(visit)
  local PAGE, from = 16, '-'
  while true do
    local entries = call('XRANGE', BYGONE, from, '+', 'COUNT', PAGE)
    if from == '-' and not entries[1] then state.bygone = 0 end -- whatever was lost
    for _, entry in ipairs(entries) do
      local its, ids, kept = entry[2], {}, {}
      for i = 1, #its, 2 do
        ids[#ids + 1] = its[i + 1]
      end
      for i, record in ipairs(call('HMGET', RECORDS, unpack(ids))) do
        -- An ID that was asked for anew is another record's.
        if record and sub(record, ARRIVAL_AT, ARRIVAL_TO) == sub(its[2 * i - 1], 15) then kept[#kept + 1] = ids[i] end
      end
      if visit(sub(its[1], 1, 14), kept, entry[1]) == false then return end
      from = '(' .. entry[1]
    end
    if #entries < PAGE then return end
  end
end

-- dropBygones drops the entries up to this one.
function step.dropBygones(last)
  local arrivals, seq = match(last, '^(%d+)-(%d+)$')
  call('XTRIM', BYGONE, 'MINID', '=', arrivals .. '-' .. step.text(seq + 1))
end
