-- Acquire and Release of what concerns nobody else, which is what most calls are: a request with one claim, exclusive
-- and exact, that nobody overlaps with. They do just what the general operations (acquire.lua, release.lua) would, at
-- half the cost, and leave everything else to those.

-- overlaps says whether a ZSET has a claim at a path or, if trees, on a tree that it lies in.
local function overlaps(key, path, trees)
  local at = '(p' .. path
  if call('ZRANGEBYLEX', key, at .. '\0', at .. '\1', 'LIMIT', '0', '1')[1] then return true end
  while trees and path ~= '' do
    path = string.match(path, '^(.*)/') or ''
    local tree = '(p' .. path .. '\0'
    if call('ZRANGEBYLEX', key, tree .. 't', tree .. 'v', 'LIMIT', '0', '1')[1] then return true end
  end
  return false
end

-- awaited says whether a waiter could be concerned by a lease of this path, holder and ID.
local function awaited(path, holder, id)
  if counters.waiting == 0 then return false end
  if overlaps(WAITERS, path, counters.waitingTrees > 0) then return true end
  local own, replacing = '(h' .. holder .. '\0', '(r' .. id .. '\0'
  return call('ZRANGEBYLEX', WAITERS, own, own .. ':', 'LIMIT', '0', '1')[1]
    or call('ZRANGEBYLEX', WAITERS, replacing, replacing .. ':', 'LIMIT', '0', '1')[1]
end

-- append writes an event about a record, if the history is on.
local function append(kind, id, record)
  local seq = counters.seq + 1
  call('XADD', HISTORY, text(seq) .. '-0', 'e', kind .. ' ' .. nowText .. ' ' .. nowText .. '\0\0\0' .. id .. '\0' .. record)
  counters.seq = seq
end

-- Arguments: the version of the configuration and the token that the caller knows, path, holder, TTL, and those of
-- acquire, which it is if it cannot be done fast. The history must be on.
function operations.take(version, seen, path, holder, ttl, id, attempt, address, numbers, known, request)
  local index = path .. '\0e' .. id
  local plain = version .. ' 1 '
  if known == step.epoch and string.sub(step.settings, 1, #plain) == plain and seen + 0 <= counters.token
    and (counters.buried <= now or not call('ZSCORE', KEYS[8], attempt)) and not call('HGET', RECORDS, id)
    and not overlaps(INDEX, path, counters.trees > 0) and not awaited(path, holder, id)
  then
    local newest = math.max(counters.token + 1, now * 1024)
    local arrival = string.format('%014d', counters.arrivals + 1)
    local deadline = string.format('%014d', up + ttl)
    local record = 'a- ' .. nowText .. ' 0 ' .. text(newest) .. ' ' .. deadline .. ' ' .. arrival .. ' 0 ' .. nowText .. ' '
      .. nowText .. ' ' .. nowText .. ' ' .. #request .. '\0' .. request .. attempt .. '\0\0\0\0\0' .. address .. '\0'
    call('HSET', RECORDS, id, record)
    step.wrote = true
    counters.token, counters.arrivals, cache[id] = newest, counters.arrivals + 1, nil
    call('ZADD', INDEX, '0', 'd' .. deadline .. id, '0', 'a' .. arrival .. id, '0', 'p' .. index,
      '0', 'h' .. holder .. '\0' .. index)
    append('g', id, record)
    return { 'done', now, record }
  end
  return operations.acquire(id, attempt, address, numbers, known, request)
end

-- Arguments: those of release, which it is if it cannot be done fast.
function operations.give(id, holder, its)
  local record = call('HGET', RECORDS, id)
  if record and step.settings and string.find(step.settings, '^%d+ 1 ') then
    local rest, found, deadline, owner, path = string.match(record,
      '^a%- %d+ %d+() (%d+) (%d+)[^%z]*%z[^%z]*%z([^%z]*)%z%z%z0%ze([^%z]*)%z%z')
    if rest and owner == holder and (its == found or its == '0') and deadline + 0 > now
      and not awaited(path, holder, id)
    then
      local index = path .. '\0e' .. id
      call('ZREM', INDEX, 'd' .. deadline .. id, 'p' .. index, 'h' .. holder .. '\0' .. index)
      step.wrote = true
      cache[id] = nil
      record = 'rr ' .. nowText .. ' ' .. nowText .. string.sub(record, rest)
      call('HSET', RECORDS, id, record)
      call('ZADD', ENDED, nowText, id)
      append('r', id, record)
      return { 'done' }
    end
  end
  return operations.release(id, holder, its)
end
