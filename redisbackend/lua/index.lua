-- Where to find records, but for those that are or ended fresh (fresh.lua). What has not ended is in one ZSET in lexical
-- order, so that one command writes all that a lease needs:
--
--   p path NUL letter id              a claim of an active lease, by path
--   h holder NUL path NUL letter id   the same, by holder
--   d deadline id                     an active lease, by deadline (14 digits)
--   a arrival id                      a lease or waiter, by arrival (14 digits)
--
-- What has ended and is remembered is in another: there is far more of it, and what is in use stays small and fast.
--
--   e ended arrival id                by the moment of its end (14 digits)
--   a arrival id                      by arrival
--
-- So what is at a path, what is below it ("path/" to "path0") and what a holder has are ranges. Ancestors are looked
-- up only while there are tree claims at all.

general[#general + 1] = function(step, keys, state, call, text)
  function step.deadlineMember(r) return 'd' .. r.deadline .. r.id end

  function step.arrivalMember(r) return 'a' .. r.arrival .. r.id end

  local function endMember(r) return 'e' .. r.ended .. r.arrival .. r.id end

  -- remember puts what has ended into the index of that; disremember takes it out, from wherever it is remembered.
  function step.remember(r) call('ZADD', keys.ended, '0', endMember(r), '0', step.arrivalMember(r)) end

  function step.disremember(r)
    if call('ZREM', keys.ended, endMember(r), step.arrivalMember(r)) == 0 then state.bygone = state.bygone - 1 end
  end

  -- addLease puts an active lease into the index. first says that it was not in line before.
  function step.addLease(r, first)
    local members, n = { '0', step.deadlineMember(r) }, 2
    for _, c in ipairs(r.claims) do
      local rest = c.path .. '\0' .. c.letter .. r.id
      members[n + 1], members[n + 2] = '0', 'p' .. rest
      members[n + 3], members[n + 4] = '0', 'h' .. r.holder .. '\0' .. rest
      n = n + 4
      if c.tree then state.trees = state.trees + 1 end
    end
    if first then
      members[n + 1], members[n + 2] = '0', step.arrivalMember(r)
    end
    state.claims = state.claims + #r.claims
    call('ZADD', keys.index, unpack(members)) -- 1028 at most
  end

  function step.removeLease(r)
    local members, n, trees = { step.deadlineMember(r), step.arrivalMember(r) }, 2, 0
    for _, c in ipairs(r.claims) do
      local rest = c.path .. '\0' .. c.letter .. r.id
      members[n + 1], members[n + 2] = 'p' .. rest, 'h' .. r.holder .. '\0' .. rest
      n = n + 2
      if c.tree then trees = trees + 1 end
    end
    call('ZREM', keys.index, unpack(members))
    state.wrote = true
    state.claims, state.trees = math.max(state.claims - #r.claims, 0), math.max(state.trees - trees, 0)
  end

  -- leasesOver returns records recorded as active with a claim that conflicts with this one, by arrival, at most
  -- limit, without those of the holder skip, if given; false if there is none, at the least cost.
  function step.leasesOver(claim, skip, limit)
    local path = claim.path
    local at = '(p' .. path
    local first = call('ZRANGEBYLEX', keys.index, at .. '\0', at .. '\1', 'LIMIT', '0', '1')
    if not first[1] and not claim.tree and (state.trees == 0 or path == '') then return false end
    return step.collectLeases(claim, skip, limit, first[1])
  end
end
