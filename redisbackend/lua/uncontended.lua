-- The uncontended path: acquiring what nobody overlaps with and nobody waits for, the renewal of a lease that nobody
-- waits for, and the release of one. It does just what the modules (acquire.lua, renew.lua, release.lua) would, by direct
-- commands, at less cost, and returns nil for everything else: then nothing was written, and the modules do it.
--
-- A lease of one exclusive and exact claim goes into FRESH (fresh.lua says what that saves), any other into the index.
-- A server that has no memory left refuses a script's first write, and no other: that of a new lease here, and then the
-- module fails too.

local eldest -- arrival: a lease that arrived before it and ends does not go to BYGONE

-- treeOver returns the path of the nearest tree that a ZSET has a claim on and a path lies in, false if there is none. The
-- last member up to the path either is such a tree, or shows how far up the next that could be one is: so one look is
-- mostly enough, however deep the path is.
local function treeOver(key, path)
  while true do
    local last = call('ZREVRANGEBYLEX', key, '(t' .. path .. '\1', '[t', 'LIMIT', 0, 1)[1]
    if not last then return false end
    local tree = sub(last, 2, find(last, '\0', 2, true) - 1)
    local length = #tree
    if length == 0 or tree == path or sub(path, 1, length + 1) == tree .. '/' then return tree end
    -- Up to the nearest ancestor that is no longer than what the two have in common.
    local low, high = 0, min(length, #path)
    while low < high do
      local middle = floor((low + high + 1) / 2)
      if sub(path, 1, middle) == sub(tree, 1, middle) then low = middle else high = middle - 1 end
    end
    if low < #path and sub(path, low + 1, low + 1) ~= '/' then
      path = match(sub(path, 1, low), '^(.*)/') or ''
    else
      path = sub(path, 1, low)
    end
  end
end

-- any says whether a ZSET has a member in a range.
local function any(key, from, to) return call('ZRANGEBYLEX', key, from, to, 'LIMIT', 0, 1)[1] ~= nil end

-- awaited says whether a waiter could be concerned by a lease of these claims, holder and ID.
local function awaited(claims, holder, id)
  local own = '(h' .. holder .. '\0'
  if any(WAITERS, own, own .. ':') or any(WAITERS, '(r' .. id .. '\0', '(r' .. id .. '\1')
    or any(WAITERS, '(c' .. id .. '\0', '(c' .. id .. '\1')
  then
    return true
  end
  for letter, path in string.gmatch(claims, '(%a)([^%z]*)%z') do
    local at = path .. '\0'
    if letter == 't' or letter == 'u' or any(WAITERS, '(p' .. at, '(p' .. path .. '\1')
      or (state.waitingTrees > 0 and treeOver(WAITERS, path))
    then
      return true
    end
  end
  return false
end

-- met says whether there is a lease that overlaps with one of these claims, other than by a shared claim with a shared. Of
-- a simple one that goes into FRESH it does not look there.
local function met(claims, simple)
  for letter, path in string.gmatch(claims, '(%a)([^%z]*)%z') do
    local at, past = path .. '\0', path .. '\1'
    if state.fresh > 0 and not simple and (letter == 't' or letter == 'u' or call('HEXISTS', FRESH, path) == 1) then return true end
    if state.claims > 0 then
      if any(INDEX, '(p' .. at, '(p' .. past) then return true end
      local alone = (letter == 'e' or letter == 't') and state.shared > 0
      if alone and any(INDEX, '(s' .. at, '(s' .. past) then return true end
      if letter == 't' or letter == 'u' then
        local from, to = path .. '/', path .. '0'
        if path == '' then from, to = '', '\255' end
        if any(INDEX, '(p' .. from, '(p' .. to) or (alone and any(INDEX, '(s' .. from, '(s' .. to)) then return true end
      end
      if state.trees > 0 and treeOver(INDEX, path) then return true end
    end
  end
  return false
end

-- members returns those that a lease with these claims has in the index, each after between, if given.
local function members(deadline, arrival, claims, holder, id, between)
  local all, n, gap = {}, 0, between and 1 or 0
  local function add(member)
    if gap == 1 then all[n + 1] = between end
    n = n + 1 + gap
    all[n] = member
  end
  local several, trees, shared, count = id, 0, 0, 0
  add('d' .. deadline .. id)
  add('a' .. arrival .. id)
  for letter, path in string.gmatch(claims, '(%a)([^%z]*)%z') do
    local claim = path .. '\0' .. letter .. id
    if letter == 'f' or letter == 'u' then
      add('s' .. claim)
      add('g' .. holder .. '\0' .. claim)
      shared = shared + 1
    else
      add('p' .. claim)
      add('h' .. holder .. '\0' .. claim)
    end
    if letter == 't' or letter == 'u' then
      add('t' .. claim)
      trees = trees + 1
    end
    count = count + 1
    if count > 1 then add(format('x%s\0%03d%s', holder, count, several)) end
  end
  return all, count, trees, shared
end

local SIMPLE = '\0\0\0000\0\0\0000\0' -- in a request without Replace and Parent: from behind the holder to the claims

local function acquire(at)
  local id, seen, asking, tail, holder, claims = argv[at + 2], argv[at + 3], argv[at + 4], argv[at + 5], argv[at + 6], argv[at + 7]
  local simple = sub(claims, 1, 1) == 'e' and find(claims, '\0', 1, true) == #claims and state.fresh < MAX_FRESH
  if sub(asking, 1, 1) ~= 'u' or not history or sub(seen, 31) ~= life or sub(asking, 2, 15) < nowText
    or sub(seen, 1, 16) > token or sub(seen, 17, 30) > changes
    or (state.buried > now and call('ZSCORE', TOMBSTONES, argv[at + 8]))
    or (state.claims + state.fresh > 0 and not (simple and state.claims == 0) and met(claims, simple))
    or (state.waiting > 0 and awaited(claims, holder, id))
  then
    return nil
  end
  local newest = state.token + 1
  if newest < leastToken then newest = leastToken end
  local deadline = format('%014d', up + match(tail, '%z(%d+)'))
  local arrival = format('%014d', state.arrivals + 1)
  local terms = deadline .. format(' %016d ', newest) .. arrival .. ' '
  local path = simple and sub(claims, 2, -2)
  if simple and redis.pcall('HSETNX', FRESH, path, terms .. FRESH_FILLER .. id .. '\0' .. holder) ~= 1 then return nil end
  local record = 'a- ' .. terms .. nowText .. ' 00000000000000 ' .. nowText .. ' ' .. nowText .. ' 0 ' .. nowText .. ' ' .. tail
  if redis.pcall('HSETNX', RECORDS, id, record) ~= 1 then -- the ID is known
    if simple then call('HDEL', FRESH, path) end
    return nil
  end
  if simple then
    state.fresh = state.fresh + 1
  else
    local all, count, trees, shared = members(deadline, arrival, claims, holder, id, '0')
    call('ZADD', INDEX, unpack(all))
    state.claims, state.trees, state.shared = state.claims + count, state.trees + trees, state.shared + shared
    state.queueChanged = true
  end
  state.token, state.arrivals = newest, state.arrivals + 1
  return 'took ' .. terms .. nowText, 'g ', record
end

-- held returns the parts of an active lease's record: its deadline, and its claims if it has neither Replace nor Parent;
-- nil if it is not an active one that this holder and token have.
local function held(record, holder, its)
  if not record or sub(record, 1, 1) ~= 'a' then return nil end
  local deadline = sub(record, DEADLINE_AT, DEADLINE_TO)
  if deadline <= nowText or (its ~= '0' and its ~= sub(record, TOKEN_AT, TOKEN_TO)) then return nil end
  local start = find(record, '\0', find(record, '\0', RENEWALS_AT, true) + 1, true) + 1 -- of the holder
  local from = start + #holder + #SIMPLE
  if sub(record, start, from - 1) ~= holder .. SIMPLE then return nil end
  return deadline, sub(record, from, find(record, '\0\0', from, true))
end

local function release(at)
  local id, holder = argv[at + 2], argv[at + 3]
  local record = history and call('HGET', RECORDS, id)
  local deadline, claims = held(record, holder, argv[at + 4])
  if not deadline or (state.waiting > 0 and awaited(claims, holder, id)) then return nil end
  local arrival = sub(record, ARRIVAL_AT, ARRIVAL_TO)
  if sub(claims, 1, 1) == 'e' and state.fresh > 0 and find(claims, '\0', 1, true) == #claims
    and call('HDEL', FRESH, sub(claims, 2, -2)) == 1
  then
    state.fresh = state.fresh - 1
  else
    local all, count, trees, shared = members(deadline, arrival, claims, holder, id)
    call('ZREM', INDEX, unpack(all))
    state.claims, state.trees, state.shared = state.claims - count, state.trees - trees, state.shared - shared
    state.queueChanged = true
  end
  eldest = eldest or format('%014d', max(state.arrivals - BYGONE_WINDOW, 0))
  if arrival >= eldest then
    finished, state.bygone = finished + 1, state.bygone + 1
    if finished == 1 then
      endings = { nowText .. arrival, id }
    else
      endings[2 * finished - 1], endings[2 * finished] = nowText .. arrival, id
    end
  else
    call('ZADD', ENDED, '0', 'e' .. nowText .. arrival .. id, '0', 'a' .. arrival .. id)
  end
  return 'done', 'r ', 'rr' .. sub(record, 3, UPDATED_AT - 1) .. nowText .. ' ' .. nowText .. sub(record, ENDED_TO + 1)
end

local function renew(at)
  local id, holder, ttl, operation = argv[at + 2], argv[at + 4], argv[at + 6], argv[at + 8]
  local record = history and state.waiting == 0 and argv[at + 3] == life and call('HGET', RECORDS, id)
  local deadline = held(record, holder, argv[at + 5])
  if not deadline then return nil end
  local renewed, behind, length, request, own, most =
    match(record, '^(%d+)() %-?%d+ (%d+)%z()(%d+) (%-?%d+) ', RENEWALS_AT)
  if (most ~= '-1' and renewed + 0 >= most + 0) or (ttl == '0' and own + 0 > argv[at + 7] + 0) then return nil end
  local from = find(record, '\0', request + length, true) -- of the last renewal's name
  local stop = find(record, '\0', from + 1, true)
  if sub(record, from + 1, stop - 1) >= operation or call('ZREM', INDEX, 'd' .. deadline .. id) ~= 1 then return nil end
  local later = format('%014d', ttl ~= '0' and up + ttl or max(deadline + 0, up + own))
  call('ZADD', INDEX, '0', 'd' .. later .. id)
  record = 'a- ' .. later .. sub(record, DEADLINE_TO + 1, UPDATED_AT - 1) .. nowText .. ' 00000000000000'
    .. sub(record, ENDED_TO + 1, RENEWALS_AT - 1) .. format('%d', renewed + 1) .. sub(record, behind, from) .. operation
    .. sub(record, stop)
  return { 'done', record, '' }, 'n ', record
end

-- uncontended returns the reply to the operation that stands in ARGV at this place; nil if it is not for this file.
local function uncontended(name, at)
  local reply, kind, record
  if name == 'acquire' then
    reply, kind, record = acquire(at)
  elseif name == 'release' then
    reply, kind, record = release(at)
  elseif name == 'renew' then
    reply, kind, record = renew(at)
  elseif name == 'events' and argv[at + 2] == format('%d', state.seq) then
    return { argv[at + 2], '0', '' } -- nothing new: what those who watch are mostly told
  end
  if reply == nil then return nil end
  local id = argv[at + 2]
  if kind ~= 'g ' then call('HSET', RECORDS, id, record) end
  state.wrote = true
  if kind ~= 'n ' or renewals then
    state.seq, recorded = state.seq + 1, recorded + 1
    if recorded == 1 then
      events = { kind .. stamp .. id, record }
    else
      events[2 * recorded - 1], events[2 * recorded] = kind .. stamp .. id, record
    end
  end
  return reply
end
