-- What has ended and is remembered: in a ZSET of its own, since there is far more of it than is in use, and that stays
-- small and fast (or in BYGONE: fresh.lua). And tombstones.
--
--   e ended arrival id                by the moment of its end (14 digits)
--   a arrival id                      by arrival

local function endMember(r) return 'e' .. r.ended .. r.arrival .. r.id end

-- remember puts what has ended into ENDED; disremember takes it out, from wherever it is remembered.
function step.remember(r) call('ZADD', ENDED, '0', endMember(r), '0', step.arrivalMember(r)) end

function step.disremember(r)
  if call('ZREM', ENDED, endMember(r), step.arrivalMember(r)) == 0 then state.bygone = state.bygone - 1 end
end

-- addTombstone remembers a name, of a withdrawn attempt, say, for TOMBSTONE_MS; tombstone says until when, 0 if it does
-- not.
function step.addTombstone(name)
  local till = now + TOMBSTONE_MS
  call('ZADD', TOMBSTONES, step.text(till), name)
  state.buried, state.wrote = max(state.buried, till), true
end

function step.tombstone(name)
  if state.buried <= now then return 0 end
  local till = (call('ZSCORE', TOMBSTONES, name) or 0) + 0
  return till > now and till or 0
end

-- purgeTombstones forgets up to n names whose time is over, and returns how many.
function step.purgeTombstones(n)
  local names = call('ZRANGEBYSCORE', TOMBSTONES, '-inf', nowText, 'LIMIT', 0, n)
  step.remove(TOMBSTONES, names)
  if names[1] then state.wrote = true end
  return #names
end

-- remembered is how many ended records there are.
local function remembered() return floor(call('ZCARD', ENDED) / 2) + state.bygone end

-- forgetFirst forgets up to n records, those that ended first, of what ended up to some moment. It returns how many.
local function forgetFirst(n, moment)
  local upto = step.padded(moment)
  local members = call('ZRANGEBYLEX', ENDED, '[e', '(e' .. upto .. ':', 'LIMIT', 0, n)
  local gone, ids, found, last = {}, {}, 0, nil

  -- take adds those of ENDED that ended before some moment, if given.
  local function take(ended)
    local member = members[#gone / 2 + 1]
    while member and found < n and (not ended or sub(member, 2, 15) < ended) do
      gone[#gone + 1], gone[#gone + 2] = member, 'a' .. sub(member, 16)
      found = found + 1
      ids[found] = sub(member, 30)
      member = members[#gone / 2 + 1]
    end
  end

  step.eachBygone(function(ended, its, entry)
    take(ended)
    if found == n or ended > upto then return false end
    local fit = min(#its, n - found)
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
  step.remove(ENDED, gone)
  for from = 1, found, 1000 do
    call('HDEL', RECORDS, unpack(ids, from, min(from + 999, found)))
  end
  for _, id in ipairs(ids) do
    op.cache[id] = false
  end
  state.bygone, state.wrote = state.bygone - (found - #gone / 2), true
  return found
end

-- forget removes up to limit ended records, oldest end first: those that ended at or before this moment, and those
-- beyond the newest most, but none that ended less than TOMBSTONE_MS ago: a late copy of its call may still come. It
-- returns how many.
function step.forget(before, most, limit)
  local forgotten = before and forgetFirst(limit, before) or 0
  local excess = remembered() - most
  if excess > 0 and forgotten < limit then
    forgotten = forgotten + forgetFirst(min(excess, limit - forgotten), now - TOMBSTONE_MS)
  end
  return forgotten
end

-- What is kept of the history and of what has ended without a sweep's help, so that a server whose sweeps do not keep up,
-- or are switched off, does not fill its memory.
function operations.tidy()
  local config = step.config()
  call('XTRIM', HISTORY, 'MINID', '~', step.text(max(state.seq - max(config.historyMax, LEAST_EVENTS), 0) + 1) .. '-0')
  step.forget(nil, config.endedMax + ENDED_SLACK, TIDY_EVERY)
  step.purgeTombstones(TIDY_EVERY)
end
