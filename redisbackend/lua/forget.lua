-- How ended records, and tombstones, are forgotten.

later(step, function()
  local function remove(ids)
    local members = {}
    for i, r in ipairs(step.readAll(ids)) do
      members[i] = step.arrivalMember(r)
      step.cache[r.id] = false
    end
    call('ZREM', ENDED, unpack(ids))
    call('ZREM', INDEX, unpack(members))
    call('HDEL', RECORDS, unpack(ids))
    step.wrote = true
  end

  -- forgetFirst forgets the n records that ended first.
  function step.forgetFirst(n) remove(call('ZRANGE', ENDED, 0, n - 1)) end

  -- forget removes up to limit ended records, oldest end first: those that ended at or before this moment, and those
  -- beyond the newest that are to be kept. It returns how many. Tombstones go too, uncounted.
  function step.forget(before, limit)
    local buried = call('ZRANGEBYSCORE', BURIED, '-inf', step.nowText, 'LIMIT', 0, 1000)
    if #buried > 0 then
      call('ZREM', BURIED, unpack(buried))
      step.wrote = true
    end
    local excess = call('ZCARD', ENDED) - step.config.endedMax
    local ids = call('ZRANGEBYSCORE', ENDED, '-inf', text(before), 'LIMIT', 0, limit)
    if excess > #ids then ids = call('ZRANGE', ENDED, 0, math.min(excess, limit) - 1) end
    if #ids > 0 then remove(ids) end
    return #ids
  end
end)
