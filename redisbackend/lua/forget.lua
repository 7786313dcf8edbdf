-- How ended records, and tombstones, are forgotten.

general[#general + 1] = function(step, keys, counters, call, text, cache)
  local function remove(ids)
    local members = {}
    for i, r in ipairs(step.readAll(ids)) do
      members[i] = step.arrivalMember(r)
      cache[r.id] = false
    end
    call('ZREM', keys.ended, unpack(ids))
    call('ZREM', keys.index, unpack(members))
    call('HDEL', keys.records, unpack(ids))
    step.wrote = true
  end

  -- forgetFirst forgets the n records that ended first.
  function step.forgetFirst(n) remove(call('ZRANGE', keys.ended, 0, n - 1)) end

  -- forget removes up to limit ended records, oldest end first: those that ended at or before this moment, and those
  -- beyond the newest that are to be kept. It returns how many. Tombstones go too, uncounted.
  function step.forget(before, limit)
    local buried = call('ZRANGEBYSCORE', keys.buried, '-inf', step.nowText, 'LIMIT', 0, 1000)
    if #buried > 0 then
      call('ZREM', keys.buried, unpack(buried))
      step.wrote = true
    end
    local excess = call('ZCARD', keys.ended) - step.config.endedMax
    local ids = call('ZRANGEBYSCORE', keys.ended, '-inf', text(before), 'LIMIT', 0, limit)
    if excess > #ids then ids = call('ZRANGE', keys.ended, 0, math.min(excess, limit) - 1) end
    if #ids > 0 then remove(ids) end
    return #ids
  end
end
