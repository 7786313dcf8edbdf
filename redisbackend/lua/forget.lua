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

  -- forgetFirst forgets n records, those that ended first: up to some moment, and with it perhaps some more that ended
  -- together, or else not more than n. It returns how many.
  function step.forgetFirst(n, moment)
    local to = moment and string.format('(e%014d', moment + 1) or '(f'
    local members = call('ZRANGEBYLEX', keys.ended, '[e', to, 'LIMIT', 0, n)
    local gone, ids, found, dropped, last = {}, {}, 0, 0, nil
    local function forgetUpTo(ended) -- those of ENDED
      local member = members[#gone / 2 + 1]
      while member and found < n and (not ended or string.sub(member, 2, 15) < ended) do
        gone[#gone + 1], gone[#gone + 2] = member, 'a' .. string.sub(member, 16)
        found = found + 1
        ids[found] = string.sub(member, 30)
        member = members[#gone / 2 + 1]
      end
    end
    for _, entry in ipairs(step.oldestBygones(n)) do
      forgetUpTo(entry.ended)
      if found == n or (moment and tonumber(entry.ended) > moment) or (not moment and found + #entry.ids > n) then break end
      for _, id in ipairs(entry.ids) do
        found = found + 1
        ids[found] = id
      end
      dropped, last = dropped + #entry.ids, entry.last
    end
    forgetUpTo()
    if last then step.dropBygones(last, dropped) end
    for from = 1, #gone, 1000 do
      call('ZREM', keys.ended, unpack(gone, from, math.min(from + 999, #gone)))
    end
    for from = 1, found, 1000 do
      call('HDEL', keys.records, unpack(ids, from, math.min(from + 999, found)))
    end
    for _, id in ipairs(ids) do
      step.cache[id] = false
    end
    if found > 0 then state.wrote = true end
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
