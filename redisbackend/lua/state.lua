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

-- The counters are kept as two texts: those that each step changes, and the others.
local NO_QUEUE = '0 0 0 0 0 0'
local stored = call('HMGET', STATE, 'epoch', 'config', 'counters', 'queue')
local seq, token, arrivals, past = string.match(stored[3] or '0 0 0 0', '^(%d+) (%d+) (%d+) (%d+)$')
local queue = stored[4] or NO_QUEUE
local counters = {
  seq = seq + 0, -- of the newest event
  token = token + 0, -- the newest handed out
  arrivals = arrivals + 0, -- the newest arrival
  trees = 0, -- tree claims of active leases
  waiting = 0, -- waiters in line, lapsed ones included
  waitingTrees = 0, -- tree claims among theirs
  waitingShared = 0, -- shared claims among theirs
  buried = 0, -- until when some withdrawn attempt is remembered, ms
  offset = 0, -- what the server's clock lags behind the store's, ms
}
if queue ~= NO_QUEUE then
  local c = counters
  c.trees, c.waiting, c.waitingTrees, c.waitingShared, c.buried, c.offset =
    string.match(queue, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  c.trees, c.waiting, c.waitingTrees = c.trees + 0, c.waiting + 0, c.waitingTrees + 0
  c.waitingShared, c.buried, c.offset = c.waitingShared + 0, c.buried + 0, c.offset + 0
end

local function text(n) return string.format('%d', n) end

-- The store's clock, ms: now, rounded down, by which it is judged what is over, and up, from which what is granted
-- lasts. It never runs backwards: if the server's was set back, or a replica with another clock took over, it runs on
-- from where it was.
local now, up
local rare = false -- counters other than the frequent ones may have changed
do
  local time = call('TIME')
  local micros = time[2] + 0
  local rest = micros % 1000
  now = time[1] * 1000 + (micros - rest) / 1000 + counters.offset
  if now < past + 0 then
    counters.offset = counters.offset + past - now
    now = past + 0
    rare = true
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
-- looked for in step or operations that is not there yet. Each file of it is a function, which is given what it shares as
-- arguments, since a closure costs the more the more it captures.
local defineGeneral
local make = { __index = function(sought, name)
  setmetatable(step, nil)
  setmetatable(operations, nil)
  rare = true
  step.now, step.up, step.nowText = now, up, nowText
  local keys = {
    state = STATE, records = RECORDS, index = INDEX, waiters = WAITERS, ended = ENDED, history = HISTORY,
    lapses = KEYS[7], buried = KEYS[8],
  }
  for _, define in ipairs(defineGeneral()) do
    define(step, keys, counters, call, text, cache)
  end
  return sought[name]
end }
setmetatable(step, make)
setmetatable(operations, make)

-- Every so often, what is kept of the history and of what has ended is looked after without a sweep.
local TIDY_EVERY = 256 -- events and arrivals
local before = counters.seq + counters.arrivals

function hooks.finish()
  if step.wrote then
    local c = counters
    local frequent = text(c.seq) .. ' ' .. text(c.token) .. ' ' .. text(c.arrivals) .. ' ' .. nowText
    local after = c.seq + c.arrivals
    if rare then
      call('HSET', STATE, 'counters', frequent, 'queue', string.format('%d %d %d %d %d %d', c.trees, c.waiting,
        c.waitingTrees, c.waitingShared, c.buried, c.offset))
    else
      call('HSET', STATE, 'counters', frequent)
    end
    if step.settings and after - after % TIDY_EVERY > before then step.tidy() end
  end
  if step.woken then
    for address, ids in pairs(step.woken) do
      wake(address, ids)
    end
  end
end
