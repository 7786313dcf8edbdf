-- How ended records, and tombstones, are forgotten.

general[#general + 1] = function(step, keys, state, call, text)
  -- bury remembers a name, of a withdrawn attempt, say, until some moment; buriedTill says until when, 0 if it does not.
  function step.bury(name, till)
    call('ZADD', keys.buried, text(till), name)
    state.wrote = true
  end

  function step.buriedTill(name) return call('ZSCORE', keys.buried, name) or '0' end

  -- exhume forgets up to n names whose time is over.
  function step.exhume(n)
    local buried = call('ZRANGEBYSCORE', keys.buried, '-inf', step.nowText, 'LIMIT', 0, n)
    if #buried > 0 then
      call('ZREM', keys.buried, unpack(buried))
      state.wrote = true
    end
  end

  -- remembered is how many ended records there are.
  function step.remembered() return call('ZCARD', keys.ended) / 2 + state.bygone end

  -- forgetFirst forgets up to n records, those that ended first, of what ended up to some moment if given. It returns how
  -- many.
  function step.forgetFirst(n, moment)
    local upto = moment and step.padded(moment)
    local members = call('ZRANGEBYLEX', keys.ended, '[e', upto and '(e' .. upto .. ':' or '(f', 'LIMIT', 0, n)
    local gone, ids, found, last = {}, {}, 0, nil

    -- take adds those of ENDED that ended before some moment, if given.
    local function take(ended)
      local member = members[#gone / 2 + 1]
      while member and found < n and (not ended or string.sub(member, 2, 15) < ended) do
        gone[#gone + 1], gone[#gone + 2] = member, 'a' .. string.sub(member, 16)
        found = found + 1
        ids[found] = string.sub(member, 30)
        member = members[#gone / 2 + 1]
      end
    end

    step.eachBygone(function(ended, its, entry)
      take(ended)
      if found == n or (upto and ended > upto) then return false end
      local fit = math.min(#its, n - found)
      for i = 1, fit do
        ids[found + i] = its[i]
      end
      found = found + fit
      if fit < #its then return false end
      last = entry
    end)
    take()
    if found == 0 then return 0 end
    if last then step.dropBygones(last) end
    for from = 1, #gone, 1000 do
      call('ZREM', keys.ended, unpack(gone, from, math.min(from + 999, #gone)))
    end
    for from = 1, found, 1000 do
      call('HDEL', keys.records, unpack(ids, from, math.min(from + 999, found)))
    end
    for _, id in ipairs(ids) do
      step.cache[id] = false
    end
    state.bygone, state.wrote = state.bygone - (found - #gone / 2), true
    return found
  end

  -- forget removes up to limit ended records, oldest end first: those that ended at or before this moment, and those
  -- beyond the newest that are to be kept. It returns how many. Tombstones go too, uncounted.
  function step.forget(before, limit)
    step.exhume(1000)
    local excess = step.remembered() - step.config.endedMax
    local forgotten = step.forgetFirst(limit, before)
    if excess > forgotten and forgotten < limit then
      forgotten = forgotten + step.forgetFirst(math.min(excess, limit) - forgotten)
    end
    return forgotten
  end
end
