-- The epoch names one life of the namespace: "<ms> <i or a> <random>", made when the namespace is new (i), and when
-- an operator acknowledges that the store went back in time (a). A process remembers the epoch, and the highest token and
-- arrival that it saw: tokens jump with time, and hide what was lost as soon as there is another grant; arrivals do not. A
-- store that has lower ones, or whose epoch is another one, was restored, wiped, or is a replica that
-- had not kept up: it grants nothing to that process, unless the epoch is a newer one made by an acknowledgement.

general[#general + 1] = function(step, keys, state, call, text)
  -- regressed returns the reply to a process that knows this epoch, and a token that is higher than the store's if it
  -- is the store's epoch; nil if the store may grant.
  function step.regressed(known)
    local made = step.epoch and string.match(step.epoch, '^(%d+) a ')
    if made and known ~= step.epoch and tonumber(made) > tonumber(string.match(known, '^%d+')) then return nil end
    return { 'regressed', step.epoch or '', text(state.token) }
  end

  -- A member of no meaning, too long for the index to become a list, which Redis makes of few and short ones: it would
  -- be searched from end to end.
  local NOTHING = 'z' .. string.rep('-', 64)

  -- An acknowledgement is later than the epoch before it, and than one that was lost in this very millisecond.
  local function begin(kind, random, settings)
    local moment = step.now
    if kind == 'a' then
      local last = step.epoch and string.match(step.epoch, '^%d+') or 0
      moment = math.max(moment, last + 0) + 1
    end
    step.epoch = step.padded(moment) .. ' ' .. kind .. ' ' .. random
    call('HSET', keys.state, 'epoch', step.epoch)
    if not step.config then
      step.readConfig(settings)
      call('HSET', keys.state, 'config', settings)
    end
    call('ZADD', keys.index, '0', NOTHING)
    step.writeBrief()
  end

  -- Arguments: a random text, the configuration of a new namespace. Replies with the epoch, the newest token, the
  -- configuration and the newest arrival.
  function operations.open(random, settings)
    if not step.epoch then begin('i', random, settings) end
    return { step.epoch, text(state.token), step.settings, text(state.arrivals) }
  end

  -- Arguments and reply: as open's.
  function operations.acknowledge(random, settings)
    begin('a', random, settings)
    state.token = math.max(state.token, step.leastToken + 1024) -- beyond what was lost in this millisecond
    -- What is kept of the history may be newer than the counters: numbers of events go on after it.
    local newest = call('XREVRANGE', keys.history, '+', '-', 'COUNT', 1)[1]
    if newest then state.seq = math.max(state.seq, step.lastSeq(newest)) end
    -- And so may the indexes be. A count that is too high costs some look-ups, one that is too low hides a conflict.
    state.fresh = call('HLEN', keys.fresh)
    step.indexFresh()
    local latest = call('XREVRANGE', keys.bygone, '+', '-', 'COUNT', 1)[1]
    if latest then
      local arrivals, seq = string.match(latest[1], '^(%d+)-(%d+)$')
      state.arrivals, state.seq = math.max(state.arrivals, arrivals + 0), math.max(state.seq, seq + 0)
    end
    local function members(key, from, to) return call('ZLEXCOUNT', key, from, to) end
    for _, key in ipairs({ keys.index, keys.ended }) do
      local last = members(key, '-', '(b') - 1 -- "a" is the first letter of either
      local newest = last >= 0 and call('ZRANGE', key, last, last)[1]
      if newest then state.arrivals = math.max(state.arrivals, tonumber(string.match(string.sub(newest, 2, 15), '^0*(%d+)'))) end
    end
    local claims, held = members(keys.waiters, '[p', '(q'), members(keys.index, '[p', '(q')
    state.claims, state.trees = math.max(state.claims, held), math.max(state.trees, held)
    state.waiting = math.max(members(keys.waiters, '[a', '(b'), call('ZCOUNT', keys.lapses, '-inf', '+inf'))
    state.waitingTrees, state.waitingShared = claims, claims
    local last = call('ZRANGE', keys.buried, -1, -1, 'WITHSCORES')[2]
    state.buried = math.max(state.buried, tonumber(last or 0))
    state.wrote = true
    return { step.epoch, text(state.token), step.settings, text(state.arrivals) }
  end
end
