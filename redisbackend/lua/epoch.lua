-- The epoch names one life of the namespace: "<ms> <i or a> <random>", made when the namespace is new (i), and when an
-- operator acknowledges that the store went back in time (a). A process remembers the epoch, and the highest token and
-- number of changes that it saw: tokens jump with time, and hide what was lost as soon as there is another grant; changes
-- do not. A store that has lower ones, or whose epoch is another one, was restored, wiped, or is a replica that had not
-- kept up: it grants nothing to that process ("regressed"), unless the epoch is a later one made by an acknowledgement.

-- Every key exists as long as the namespace does: while a slot of a Cluster is moved, what does not exist is taken for
-- moved already. So each has something of no meaning; in a ZSET in lexical order, a member too long for it to become
-- a list, which Redis makes of few and short ones: it would be searched from end to end.
local NOTHING = 'z' .. string.rep('-', 64)

-- begin makes an epoch. That of an acknowledgement is later than the one before it, than one that was lost in this very
-- millisecond, and than what the operator's clock shows: the server's may be behind that of the server it replaces.
local function begin(kind, random, settings, clock)
  local moment = now
  if kind == 'a' then moment = max(now, clock, (match(life, '^%d+ (%d+)') or 0) + 0) + 1 end
  local config = step.config()
  if not config then
    call('HSET', STATE, 'config', settings)
    op.settings, op.config, config = settings, step.readConfig(settings), step.readConfig(settings)
  end
  for _, key in ipairs({ INDEX, WAITERS, ENDED }) do
    call('ZADD', key, '0', NOTHING)
  end
  call('ZADD', LAPSES, '9e15', '\0')
  call('ZADD', TOMBSTONES, '9e15', '\0')
  call('HSET', FRESH, '\0', '')
  for _, key in ipairs({ HISTORY, BYGONE }) do
    if call('EXISTS', key) == 0 then
      call('XADD', key, '0-1', '', '')
      call('XTRIM', key, 'MAXLEN', '=', 0)
    end
  end
  step.adopt(config, step.padded(moment) .. ' ' .. kind .. ' ' .. random)
end

local function reply() return { op.settings } end

-- Arguments: a random text, the configuration of a new namespace. Replies with the configuration: the epoch and what else
-- a client remembers is in each reply.
function operations.open(random, settings)
  if call('HEXISTS', STATE, 'state') == 1 then return { err = 'LAYOUT 1' } end -- of before there was a number
  step.config()
  if #life <= 2 then begin('i', random, settings, 0) end
  call('HDEL', STATE, '\0') -- a replica is no place to open: it refuses this
  return reply()
end

-- recount sets the counters from what is there. A count that is too high costs some look-ups, one that is too low hides a
-- conflict.
local function recount()
  local function members(key, from, to) return call('ZLEXCOUNT', key, from, to) end
  state.fresh = max(call('HLEN', FRESH) - 1, 0)
  step.indexFresh()
  state.claims = members(INDEX, '[p', '(q') + members(INDEX, '[s', '(t')
  state.trees, state.shared = members(INDEX, '[t', '(u'), members(INDEX, '[s', '(t')
  state.waiting, state.waitingTrees = members(WAITERS, '[a', '(b'), members(WAITERS, '[t', '(u')
  state.waitingShared, state.waitingWide = members(WAITERS, '[p', '(q'), members(WAITERS, '[w', '(x')
  state.children = members(WAITERS, '[c', '(d') + members(INDEX, '[c', '(d')
  local last = call('ZREVRANGEBYSCORE', TOMBSTONES, '(9e15', '-inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  state.buried = max(state.buried, (last or 0) + 0)
end

-- Arguments and reply: as open's, and the operator's clock, ms.
function operations.acknowledge(random, settings, clock)
  begin('a', random, settings, clock + 0)
  state.token = max(state.token, leastToken + TOKENS_PER_MS) -- beyond what was lost in this millisecond
  -- What is kept of the history, and the indexes, may be newer than the counters: numbers go on after it.
  local newest = call('XREVRANGE', HISTORY, '+', '-', 'COUNT', 1)[1]
  if newest then state.seq = max(state.seq, step.lastSeq(newest)) end
  local latest = call('XREVRANGE', BYGONE, '+', '-', 'COUNT', 1)[1]
  if latest then
    local arrivals, seq = match(latest[1], '^(%d+)-(%d+)$')
    state.arrivals, state.seq = max(state.arrivals, arrivals + 0), max(state.seq, seq + 0)
  end
  for _, key in ipairs({ INDEX, ENDED }) do
    local last = call('ZREVRANGEBYLEX', key, '(b', '[a', 'LIMIT', 0, 1)[1]
    if last then state.arrivals = max(state.arrivals, match(sub(last, 2, 15), '^0*(%d+)') + 0) end
  end
  recount()
  return reply()
end
