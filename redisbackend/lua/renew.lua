-- Renew: moves a lease's expiry.

-- contentionOf says who waits for what r, a lease, holds: how many, since when, and the highest priority.
local function contentionOf(r)
  local count, since, priority = 0, 0, 0
  if counters.waiting == 0 or r.status ~= ACTIVE then return { 0, 0, 0 } end
  local seen = {}
  for _, claim in ipairs(claimsOf(r)) do
    for _, u in ipairs(waitersOver(claim, nil, nil, nil, MOST_COUNTED)) do
      if not over(u) and (u.holder ~= r.holder or u.distinct) and count < MOST_COUNTED and not seen[u.id] then
        seen[u.id] = true
        if count == 0 or u.priority > priority then priority = u.priority end
        if count == 0 or u.created < since then since = u.created end
        count = count + 1
      end
    end
  end
  return { count, since, priority }
end

local function renewed(r) return { 'done', now, r.text, contentionOf(r) } end

-- hintNext hints the next in line of each claim: they counted on a later expiry.
local function hintNext(r)
  if counters.waiting == 0 then return end
  for _, claim in ipairs(claimsOf(r)) do
    for _, u in ipairs(waitersOver(claim, r.holder, nil, nil, 1)) do
      hint(u)
    end
  end
end

local function renew(id, holder, token, ttl, maxTTL, renewal)
  local r = find(id)
  if not r then return gone('not_found') end
  if r.holder ~= holder or r.token ~= token then return gone('not_holder') end
  if hasEnded(r) then return endOf(r) end
  if r.renewal == renewal then return renewed(r) end
  if ttl == 0 and r.ttl > maxTTL then return { 'too_long' } end
  if r.maxRenewals == -2 or (r.maxRenewals >= 0 and r.renewals >= r.maxRenewals) then return { 'limit_hit' } end
  local before = r.deadline
  if ttl > 0 then r.deadline = up + ttl else r.deadline = math.max(before, up + r.ttl) end
  r.renewals = r.renewals + 1
  r.renewal, r.updated = renewal, now
  update(r)
  if r.deadline < before then hintNext(r) end
  append(RENEWED, now, r, '', '')
  return renewed(r)
end

-- Arguments: id, holder, numbers ("token ttl max_ttl config_version"), a name of the call.
operation('renew', function(a)
  local token, ttl, maxTTL, version = match(a[3], '^(%d+) (%d+) (%d+) (%d+)$')
  if config and version ~= config.version then return { 'stale', configText } end
  local reply = renew(a[1], a[2], tonumber(token), tonumber(ttl), tonumber(maxTTL), a[4])
  hintFreed()
  return reply
end)
