-- The state of the namespace: what it has one of. It is read once, when the script starts, used and changed by
-- all operations of the batch, and written back at the end if any of them wrote anything. All of them happen at
-- one moment of the store's clock.

local STATE = KEYS[1] -- HASH: counters (below), epoch (epoch.lua), config, config_op, refused
local RECORDS = KEYS[2] -- HASH: id -> record (record.lua)
local INDEX = KEYS[3] -- ZSET in lexical order: where to find records (lines.lua)
local WAITERS = KEYS[4] -- ZSET in lexical order: where to find waiters (waiters.lua)
local ENDED = KEYS[5] -- ZSET: id by end, of what has ended and is remembered
local HISTORY = KEYS[6] -- STREAM: <seq>-0 -> event (record.lua)
-- KEYS[7], lapses, is a ZSET: id by deadline, of waiters. KEYS[8], buried, is a ZSET: withdrawn attempt by the
-- moment until which it is remembered.

local call = redis.call

local stored = call('HMGET', STATE, 'epoch', 'config', 'counters')
local seq, token, arrivals, trees, waiting, waitingTrees, waitingShared, buried, past, offset = string.match(
  stored[3] or '0 0 0 0 0 0 0 0 0 0', '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
local counters = {
  seq = seq + 0, -- of the newest event
  token = token + 0, -- the newest handed out
  arrivals = arrivals + 0, -- the newest arrival
  trees = trees + 0, -- tree claims of active leases
  waiting = waiting + 0, -- waiters in line, lapsed ones included
  waitingTrees = waitingTrees + 0, -- tree claims among theirs
  waitingShared = waitingShared + 0, -- shared claims among theirs
  buried = buried + 0, -- until when some withdrawn attempt is remembered, ms
  offset = offset + 0, -- what the server's clock lags behind the store's, ms
}

local function text(n) return string.format('%d', n) end

-- The store's clock, ms: now, rounded down, by which it is judged what is over, and up, from which what is granted
-- lasts. It never runs backwards: if the server's was set back, or a replica with another clock took over, it runs on
-- from where it was.
local now, up
do
  local time = call('TIME')
  local micros = time[2] + 0
  local rest = micros % 1000
  now = time[1] * 1000 + (micros - rest) / 1000 + counters.offset
  if now < past + 0 then
    counters.offset = counters.offset + past - now
    now = past + 0
  end
  up = rest > 0 and now + 1 or now
end
local nowText = text(now)

local cache = {} -- id -> record, or false if there is none: what general operations have read

-- step is what the general operations share: their functions, and
local step = {
  epoch = stored[1], -- names this life of the namespace (epoch.lua); false if there is no namespace
  settings = stored[2], -- the configuration: what matters here, and all of it for the clients; false likewise
  wrote = false, -- something was written: the counters are to be
  woken = false, -- address -> ids to wake there
}

-- Everything in this script is made anew in each call, so what most calls do not need is made later: when something is
-- looked for in step or operations that is not there yet. It is given what it shares as arguments, since a closure
-- costs the more the more it captures.
local general = {}

local function makeGeneral(sought)
  return function(_, name)
    setmetatable(step, nil)
    setmetatable(operations, nil)
    step.now, step.up, step.nowText = now, up, nowText
    local keys = {
      state = STATE, records = RECORDS, index = INDEX, waiters = WAITERS, ended = ENDED, history = HISTORY,
      lapses = KEYS[7], buried = KEYS[8],
    }
    for _, make in ipairs(general) do
      make(step, keys, counters, call, text, cache)
    end
    return sought[name]
  end
end
setmetatable(step, { __index = makeGeneral(step) })
setmetatable(operations, { __index = makeGeneral(operations) })

-- Every so often, what is kept of the history and of what has ended is looked after without a sweep.
local TIDY_EVERY = 256 -- events and arrivals
local before = counters.seq + counters.arrivals

function hooks.finish()
  local c = counters
  if step.wrote then
    call('HSET', STATE, 'counters', string.format('%d %d %d %d %d %d %d %d %d %d', c.seq, c.token, c.arrivals, c.trees,
      c.waiting, c.waitingTrees, c.waitingShared, c.buried, now, c.offset))
    local after = c.seq + c.arrivals
    if step.settings and after - after % TIDY_EVERY > before then step.tidy() end
  end
  if step.woken then
    for address, ids in pairs(step.woken) do
      wake(address, ids)
    end
  end
end
