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
  function step.remembered() return call('ZCARD', keys.ended) / 2 end

  -- forgetFirst forgets up to n records, those that ended first, of what ended up to some moment if given. It returns how
  -- many.
  function step.forgetFirst(n, moment)
    local to = moment and string.format('(e%014d', moment + 1) or '(f'
    local members = call('ZRANGEBYLEX', keys.ended, '[e', to, 'LIMIT', 0, n)
    local found, ids = #members, {}
    if found == 0 then return 0 end
    for i = 1, found do
      local member = members[i]
      ids[i] = string.sub(member, 30)
      step.cache[ids[i]] = false
      members[found + i] = 'a' .. string.sub(member, 16)
    end
    call('ZREM', keys.ended, unpack(members))
    call('HDEL', keys.records, unpack(ids))
    state.wrote = true
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
