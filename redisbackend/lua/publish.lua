-- How the processes of waiters are told, and found to be gone.

-- A process whose address nobody listens at, though somebody in it should be told, is silent: it may be gone, or make its
-- link anew. It has SILENCE_MS for that. If nobody listens then, its waiters lapse, and those behind pass them. The moment
-- since which an address is silent stands in STATE, as a field of its name; until when there may be one, in the field silent.

-- What all keys and channels of the namespace begin with: its only "}" ends the hash tag.
local prefix = match(KEYS[1], '^[^}]*}:') .. 'wake:'

-- An address begins with s if its process subscribed to a sharded channel, with p if to a plain one; in capitals if its
-- server cannot know whether it listens, since the client reads from replicas.
local function sharded(client) return find(client, '^[sS]') ~= nil end

-- tell publishes a message to a process, and returns how many heard it; nil if it cannot know, or may not.
function step.tell(client, message)
  local heard = redis.pcall(sharded(client) and 'SPUBLISH' or 'PUBLISH', prefix .. client, message)
  if type(heard) ~= 'number' or find(client, '^%u') then return nil end
  return heard
end

-- listening says whether somebody listens at an address, or may.
local function listening(client)
  if find(client, '^%u') then return true end
  local reply = redis.pcall('PUBSUB', sharded(client) and 'SHARDNUMSUB' or 'NUMSUB', prefix .. client)
  return reply.err ~= nil or (reply[2] or 0) + 0 > 0
end

-- hear publishes to a process what its waiters are to hear, and says whether it may have heard it. Then it takes note, in
-- told: the server counts the link of a process that is dying until the process has let go of it.
local function hear(client, ids, told)
  local parts = {}
  for i, id in ipairs(ids) do
    parts[i] = #id .. ':' .. id
  end
  local message = table.concat(parts)
  local heard = step.tell(client, message)
  if heard == 0 then
    call('HSETNX', STATE, client, nowText)
    call('HSET', STATE, 'silent', step.text(now + TOMBSTONE_MS))
  elseif heard then
    told[#told + 1] = client
    told[#told + 1] = message
  end
  return heard ~= 0
end

-- publish tells all processes that have something to hear. It hints those who stand behind one that is silent. It adds to
-- told each process that has heard, and what.
function step.publish(told)
  local silent, seen = {}, {}
  while woken do
    local unheard = {}
    for client, ids in pairs(woken) do
      silent[client] = silent[client] or not hear(client, ids, told)
      if silent[client] then unheard[#unheard + 1] = ids end
    end
    woken = nil
    for _, ids in ipairs(unheard) do
      for _, r in ipairs(step.readAll(ids)) do
        for _, claim in ipairs(r.status == 'p' and not seen[r.id] and step.claims(r) or {}) do
          if step.spent() then return end
          for _, u in ipairs(step.recordsOf(step.waitersOver(claim, r.holder, step.placeOf(r), nil, 1))) do
            step.notify(u)
          end
        end
        seen[r.id] = true
      end
    end
  end
end

-- told looks again at processes that were told something a moment ago. Where nobody listens by now, nobody may have heard
-- it: the waiters are told again, and so those behind them. Arguments: for each process its address, and the message.
function operations.told(...)
  local all = { ... }
  for i = 1, #all, 2 do
    local client, message = all[i], all[i + 1]
    if not listening(client) then
      local at = 1
      while at <= #message and not step.spent() do
        local length, from = match(message, '^(%d+):()', at)
        at = from + length
        local r = step.read(sub(message, from, at - 1))
        if r and r.status == 'p' then step.notify(r) end
      end
    end
  end
  return { 'done' }
end

-- look looks whether somebody listens for those who are first in line where these waiters stand: who died with its turn holds
-- up all behind it, and the process that told it may have died as well. It does not look at much, but begins with another
-- claim each time. Arguments: ids.
function operations.look(...)
  op.limit = state.work + LOOK_WORK
  for _, id in ipairs({ ... }) do
    local r = step.read(id)
    local claims = r and r.status == 'p' and step.claims(r) or {}
    for i = 1, #claims do
      local claim = claims[(now + i) % #claims + 1]
      for _, first in ipairs(step.recordsOf(step.waitersOver(claim, r.holder, nil, step.placeOf(r), 1))) do
        for client in string.gmatch(first.clients, '[^\n]+') do
          if not listening(client) then step.notify(first) end
        end
      end
      if step.spent() then return { 'done' } end
    end
  end
  return { 'done' }
end

-- heard takes note that a process lives.
function step.heard(client)
  if state.silent > now and client ~= '' and call('HDEL', STATE, client) == 1 then state.wrote = true end
end

-- silentSince returns since when nobody listens for r, as far as is known; false if somebody may.
local function silentSince(r)
  local since = false
  for client in string.gmatch(r.clients, '[^\n]+') do
    local known = op.cache['\0' .. client]
    if known == nil then
      known = (call('HGET', STATE, client) or 0) + 0
      if known > 0 and listening(client) then
        step.heard(client)
        known = 0
      end
      op.cache['\0' .. client] = known
    end
    if known == 0 then return false end
    since = max(since or 0, known)
  end
  return since
end

-- silentUntil returns when a waiter is known to be gone, if that is before its deadline, as a moment; else its deadline.
function step.silentUntil(id, deadline)
  if state.silent <= now then return deadline end
  local r = step.read(id)
  local since = r and silentSince(r)
  return since and min(deadline, since + SILENCE_MS) or deadline
end

-- isGone says whether the process of a waiter is certain not to ask for it again.
function step.isGone(id) return state.silent > now and step.silentUntil(id, math.huge) <= now end
