-- Whether all structures agree with the records: every lease and waiter in exactly the places that it should be in,
-- counters right, nothing else anywhere. Replies with what is wrong.

function operations.check()
  op.limit = math.huge
  local problems = {}
  local function complain(...) problems[#problems + 1] = table.concat({ ... }, ' ') end

  local expected = { [INDEX] = {}, [WAITERS] = {}, [ENDED] = {} }
  local function expect(key, members, from)
    for i = from, #members, from do
      expected[key][members[i]] = true
    end
  end

  -- What the claims of r overlap with, and what those of them do that are said to overlap with anything.
  local function near(r)
    local function met(claims, visit)
      local seen = {}
      for _, claim in ipairs(claims) do
        visit(claim, function(id)
          seen[id] = id ~= r.id or nil
          return true
        end)
      end
      return seen
    end
    local function compare(key, visit)
      local some = met(step.near(key, step.claims(r), key == WAITERS and r.inLine), visit)
      for id in pairs(met(step.claims(r), visit)) do
        if not some[id] then complain('not near in', key, r.id, id) end
      end
    end
    compare(INDEX, function(claim, take) step.eachOver(claim, nil, nil, take) end)
    compare(WAITERS, function(claim, take)
      for _, u in ipairs(step.waitersOver(claim, nil, nil, nil, 1000)) do
        take(u.id)
      end
    end)
  end

  local bygone, fresh, forgotten = {}, {}, 0
  for _, entry in ipairs(call('XRANGE', BYGONE, '-', '+')) do
    for i = 1, #entry[2], 2 do
      local place = sub(entry[2][i], 15) .. entry[2][i + 1]
      bygone[place] = sub(entry[2][i], 1, 14)
    end
  end
  step.eachFresh(function(deadline, arrival, id, holder, path)
    fresh[id] = true
    local r = step.read(id)
    if not r or r.status ~= 'a' or r.deadline ~= deadline or r.arrival ~= arrival or r.holder ~= holder
      or r.claimsText ~= 'e' .. path .. '\0'
    then
      complain('fresh, but not so in its record:', id)
    end
  end)

  local claims, trees, shared, waiting, waitingTrees, waitingShared, waitingWide, children, remembered = 0, 0, 0, 0, 0, 0, 0, 0, 0
  for _, id in ipairs(call('HKEYS', RECORDS)) do
    local r = step.read(id)
    if r.arrival + 0 > state.arrivals then complain('arrived later than counted:', id) end
    if r.token + 0 > state.token then complain('has a token later than counted:', id) end
    if (r.status == 'a' or r.status == 'p') and r.chain ~= '' then children = children + 1 end
    if #step.claims(r) > 8 then near(r) end
    local lapse = call('ZSCORE', LAPSES, id)
    if r.status == 'a' and not fresh[id] then
      local all, count, itsTrees, itsShared = step.members(r.deadline, r.arrival, r.claimsText, r.holder, id)
      claims, trees, shared = claims + count, trees + itsTrees, shared + itsShared
      expect(INDEX, all, 1)
      for _, above in ipairs(step.chain(r)) do
        expect(INDEX, { 'c' .. above .. '\0' .. r.holder .. '\0' .. id }, 1)
      end
    elseif r.status == 'p' then
      local all, itsTrees, itsShared, wide = step.waiterMembers(r)
      waiting, waitingTrees, waitingShared = waiting + 1, waitingTrees + itsTrees, waitingShared + itsShared
      waitingWide = waitingWide + wide
      expect(WAITERS, all, 1)
      expect(INDEX, { step.arrivalMember(r) }, 1)
      if not lapse or lapse + 0 ~= r.deadline + 0 then complain('lapses at another moment than its record says:', id) end
    elseif step.hasEnded(r) then
      remembered = remembered + 1
      if bygone[r.arrival .. id] ~= r.ended then
        expect(ENDED, { 'e' .. r.ended .. r.arrival .. id, 'a' .. r.arrival .. id }, 1)
        forgotten = forgotten + 1
      end
    end
    if r.status ~= 'p' and lapse then complain('lapses, but does not wait:', id) end
  end

  for key, its in pairs(expected) do
    for _, member in ipairs(call('ZRANGE', key, 0, -1)) do
      if not its[member] and sub(member, 1, 1) ~= 'z' then complain('dangling in', key, member) end
      its[member] = nil
    end
    for member in pairs(its) do
      complain('missing in', key, member)
    end
  end
  for id in pairs(fresh) do
    if not call('HEXISTS', RECORDS, id) then complain('fresh without a record:', id) end
  end
  local function count(name, is)
    if state[name] ~= is then complain('counted', name, tostring(state[name]), 'of', tostring(is)) end
  end
  count('claims', claims)
  count('trees', trees)
  count('shared', shared)
  count('waiting', waiting)
  count('waitingTrees', waitingTrees)
  count('waitingShared', waitingShared)
  count('waitingWide', waitingWide)
  count('children', children)
  count('fresh', call('HLEN', FRESH) - 1)
  count('bygone', remembered - forgotten)
  local newest = call('XREVRANGE', HISTORY, '+', '-', 'COUNT', 1)[1]
  if newest and step.lastSeq(newest) ~= state.seq then complain('the head of the history is', newest[1]) end
  state.work = 0
  return problems
end
