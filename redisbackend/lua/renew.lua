-- Renew: moves a lease's expiry.

general[#general + 1] = function(step, keys, state, call, text)
  -- contentionOf says who waits for what r, a lease, holds: how many, since when, and the highest priority.
  function step.contentionOf(r)
    local count, since, priority = 0, 0, 0
    if state.waiting == 0 or r.status ~= 'a' then return { 0, 0, 0 } end
    local seen = {}
    for _, claim in ipairs(r.claims) do
      for _, u in ipairs(step.waitersOver(claim, nil, nil, nil, step.mostCounted)) do
        local others = not step.over(u) and (u.holder ~= r.holder or u.distinct)
        if others and count < step.mostCounted and not seen[u.id] then
          seen[u.id] = true
          local created, urgent = tonumber(u.created), tonumber(u.priority)
          if count == 0 or urgent > priority then priority = urgent end
          if count == 0 or created < since then since = created end
          count = count + 1
        end
      end
    end
    return { count, since, priority }
  end

  local function renewed(r) return { 'done', step.now, r.text, step.contentionOf(r) } end

  local function renew(r, ttl, maxTTL, renewal)
    if r.renewal == renewal then return renewed(r) end
    local own, most, renewals = tonumber(r.ttl), tonumber(r.maxRenewals), tonumber(r.renewals)
    if ttl == 0 and own > maxTTL then return { 'too_long' } end
    if most == -2 or (most >= 0 and renewals >= most) then return { 'limit_hit' } end
    local before = tonumber(r.deadline)
    call('ZREM', keys.index, step.deadlineMember(r)) -- first, for a server that is out of memory
    state.wrote = true
    local after = ttl > 0 and step.up + ttl or math.max(before, step.up + own)
    r.deadline, r.renewals = step.padded(after), text(renewals + 1)
    r.renewal, r.updated = renewal, step.nowText
    call('ZADD', keys.index, '0', step.deadlineMember(r))
    step.write(r)
    if after < before then step.hintNext(r) end
    step.append('n', step.nowText, r, '', '')
    return renewed(r)
  end

  -- Arguments: id, life, as of acquire, holder, token, TTL or 0 for its own, the greatest that its own may have, a name of
  -- the call.
  function operations.renew(id, life, holder, token, ttl, maxTTL, renewal)
    local version = string.match(life, '^%d+')
    if step.config and version ~= step.config.version then return { 'stale', step.settings } end
    local r = step.find(id)
    local reply
    if not r then
      reply = step.gone('not_found')
    elseif r.holder ~= holder or r.token ~= token then
      reply = step.gone('not_holder')
    elseif step.hasEnded(r) then
      reply = step.endOf(r)
    else
      reply = renew(r, tonumber(ttl), tonumber(maxTTL), renewal)
    end
    if step.freed[1] then step.hintFreed() end
    return reply
  end
end
