-- Renew: moves a lease's expiry, changes its labels, or reserves tokens for its holder.

-- contentionOf says who waits for what r, a lease, holds: how many, since when, and the highest priority.
function step.contentionOf(r)
  local count, since, priority = 0, 0, 0
  if state.waiting == 0 or r.status ~= 'a' or step.over(r) then return { 0, 0, 0 } end
  local seen, ids = {}, {}
  for _, claim in ipairs(step.nearWaiters(r)) do
    local found = step.waitersOver(claim, nil, nil, nil, MAX_CONTENTION)
    local deadlines = step.deadlinesOf(found)
    for i, u in ipairs(found) do
      if deadlines[i] > now and not seen[u.id] and #ids < 2 * MAX_CONTENTION then
        seen[u.id] = true
        ids[#ids + 1] = u.id
      end
    end
    if #ids >= MAX_CONTENTION and #found == MAX_CONTENTION or step.spent() then break end
  end
  for _, u in ipairs(step.readAll(ids, MAX_BYTES)) do
    if count < MAX_CONTENTION and not step.mine(r, u) then
      local created, urgent = u.created + 0, u.priority + 0
      if count == 0 or urgent > priority then priority = urgent end
      if count == 0 or created < since then since = created end
      count = count + 1
    end
  end
  return { count, since, priority }
end

local function renewed(outcome, r) return { outcome, r.text, step.contentionOf(r), r.renewal } end

local function renew(r, ttl, maxTTL, renewal)
  if r.renewal == renewal then
    step.repeated()
    return renewed('done', r)
  end
  if r.renewal > renewal then return renewed('overtaken', r) end
  local own, most, renewals = r.ttl + 0, r.maxRenewals + 0, r.renewals + 0
  local parent, problem
  if r.chain ~= '' then parent, problem = step.activeParent(r) end
  if problem then return problem end
  if ttl == 0 and own > maxTTL then return { 'too_long' } end
  if most == -2 or (most >= 0 and renewals >= most) then return { 'limit_hit' } end
  local before = r.deadline
  call('ZREM', INDEX, step.deadlineMember(r)) -- first, for a server that is out of memory
  state.wrote = true
  local later = step.lasting(up + (ttl > 0 and ttl or own), parent)
  r.deadline = ttl == 0 and later < before and before or later
  r.renewals, r.renewal, r.updated = step.text(renewals + 1), renewal, nowText
  call('ZADD', INDEX, '0', step.deadlineMember(r))
  step.write(r)
  if r.deadline < before then step.hintNext(r) end
  step.append('n', nowText, r, '', '')
  return renewed('done', r)
end

-- held returns the active lease that a full Ref names, or nothing and the reply that says why not. its is nil if the
-- configuration does not matter.
local function held(id, its, holder, token)
  local stale = its and #life > 2 and step.stale(match(its, '^%d+'))
  if stale then return nil, stale end
  local r = step.find(id)
  if not r then return nil, step.gone('not_found') end
  if r.holder ~= holder or r.token ~= token then return nil, step.gone('not_holder') end
  if step.hasEnded(r) then return nil, step.endOf(r) end
  return r
end

-- Arguments: id, version and epoch, holder, token, TTL or 0 for its own, the greatest that its own may have, a name of
-- the call, which is greater than that of an earlier one.
function operations.renew(id, its, holder, token, ttl, maxTTL, renewal)
  local r, problem = held(id, its, holder, token)
  return problem or renew(r, ttl + 0, maxTTL + 0, renewal)
end

-- Arguments: id, version and epoch, holder, token, labels as in a record, a name of the call as for a renewal.
function operations.relabel(id, its, holder, token, labels, renewal)
  local r, problem = held(id, its, holder, token)
  if problem then return problem end
  if r.renewal == renewal then
    step.repeated()
    return renewed('done', r)
  end
  if r.renewal > renewal then return renewed('overtaken', r) end
  local before = find(r.request, '\0', 1, true) + #r.identity + 1
  r.request, r.renewal, r.updated = sub(r.request, 1, before) .. labels, renewal, nowText
  step.write(r)
  step.append('b', nowText, r, '', '')
  return renewed('done', r)
end

-- Arguments: id, seen (acquire.lua), holder, token, how many tokens. Replies with the last one. A gap in the tokens means
-- nothing: so this is no event, and a call that is repeated does no harm.
function operations.reserve(id, seen, holder, token, count)
  local regressed = step.regressed(seen)
  if regressed then return regressed end
  local r, problem = held(id, nil, holder, token)
  if problem then return problem end
  state.token = max(state.token + 1, leastToken) + count - 1
  state.wrote = true
  return { 'done', step.text(state.token) }
end
