-- The state of the namespace: what it has one of. It is read once, when the script starts, used and changed by
-- all operations of the batch, and written back at the end if any of them wrote anything. All of them happen at
-- one moment of the store's clock.

local STATE = KEYS[1] -- HASH: the counters below, epoch, config, config_op, refused
local RECORDS = KEYS[2] -- HASH: id -> record (record.lua)
local INDEX = KEYS[3] -- ZSET in lexical order: where to find records (index.lua)
local WAITERS = KEYS[4] -- ZSET in lexical order: where to find waiters (waiters.lua)
local LAPSES = KEYS[5] -- ZSET: id by deadline, of waiters
local ENDED = KEYS[6] -- ZSET: id by end, of what has ended and is remembered
local BURIED = KEYS[7] -- ZSET: withdrawn attempt by the moment until which it is remembered
local HISTORY = KEYS[8] -- STREAM: <seq>-0 -> event (record.lua)

local call, format, match, sub = redis.call, string.format, string.match, string.sub

local COUNTERS = {
  'seq', -- of the newest event
  'token', -- the newest handed out
  'arrivals', -- the newest arrival
  'trees', -- tree claims of active leases
  'waiting', -- waiters in line, lapsed ones included
  'waiting_trees', -- tree claims among theirs
  'waiting_shared', -- shared claims among theirs
  'buried', -- until when some withdrawn attempt is remembered, ms
  'now', -- the highest now used, ms
  'offset', -- what the server's clock lags behind the store's, ms
}

local counters = {}

-- step is what the operations share: the functions of all files, and
local step = {
  now = 0, -- the store's clock, ms, rounded down: what is over is judged by it
  nowText = '0', -- the same as text
  up = 0, -- the same, rounded up: what is granted lasts from it
  epoch = false, -- names this life of the namespace (epoch.lua); false if there is no namespace
  config = false, -- the settings that matter here; false if there is no namespace
  configText = '', -- what the clients made of it
  wrote = false, -- something was written
  cache = {}, -- id -> record, or false if there is none
  ends = 0, -- how many leases and waiters this operation has ended
  freed = {}, -- what this operation did that may let waiters be granted (wakes.lua)
  woken = false, -- address -> ids to wake there
}

-- What is kept of the history and of what has ended without a sweep's help, so that a server whose sweeps do not
-- keep up, or are switched off, does not fill its memory.
local MOST_EVENTS = 1000000 -- also the default of history_max_events
local LEAST_TRIMMED = 10000
local ENDED_SLACK = 10000
local TIDY_EVERY = 256 -- events and arrivals

local MOST_ENDS = 128 -- that one operation records before it replies "again"
local MOST_COUNTED = 100 -- blockers, and waiters that a renewal tells of
local READ_AHEAD = 32 -- waiters that are read at a time

local function text(n) return format('%d', n) end

local function readConfig(settings)
  local version, history, renewals, endedRetention, endedMax, historyRetention, historyMax =
    match(settings, '^(%d+) (%d) (%d) (%d+) (%d+) (%d+) (%d+) ')
  step.configText = settings
  step.config = {
    version = version,
    history = history == '1',
    renewals = renewals == '1',
    endedRetention = tonumber(endedRetention),
    endedMax = tonumber(endedMax),
    historyRetention = tonumber(historyRetention),
    historyMax = historyMax == '0' and MOST_EVENTS or tonumber(historyMax),
  }
end

-- The store's clock never runs backwards: if the server's was set back, or a replica with another clock took over,
-- it runs on from where it was.
local function readClock()
  local time = call('TIME')
  local micros = tonumber(time[2])
  local rest = micros % 1000
  local now = tonumber(time[1]) * 1000 + (micros - rest) / 1000 + counters.offset
  if now < counters.now then
    counters.offset = counters.offset + counters.now - now
    now = counters.now
  end
  counters.now = now
  step.now, step.nowText = now, text(now)
  step.up = rest > 0 and now + 1 or now
end

local loaded = {} -- the counters as they were read

do
  local stored = call('HMGET', STATE, 'epoch', 'config', unpack(COUNTERS))
  for i = 1, #COUNTERS do
    local n = tonumber(stored[i + 2] or 0)
    loaded[i], counters[COUNTERS[i]] = n, n
  end
  step.epoch = stored[1]
  if stored[2] then readConfig(stored[2]) end
  readClock()
end

-- tidy drops events and what has ended beyond what is to be kept and some more, even without a sweep: every so often,
-- as it takes a call to see whether there is any.
function step.tidy()
  local changes = counters.seq + counters.arrivals
  if math.floor(changes / TIDY_EVERY) == math.floor((loaded[1] + loaded[3]) / TIDY_EVERY) then return end
  local config = step.config
  call('XTRIM', HISTORY, 'MAXLEN', '~', text(math.max(config.historyMax, LEAST_TRIMMED)))
  local excess = call('ZCARD', ENDED) - config.endedMax - ENDED_SLACK
  if excess > 0 then step.forgetFirst(math.min(excess, 2 * TIDY_EVERY)) end
end

function hooks.before()
  step.ends = 0
  if step.freed[1] then step.freed = {} end
end

-- An operation that failed before it wrote anything (for want of memory, say) leaves no trace: counters change after
-- the first write, and what it made of records is forgotten.
function hooks.failed() step.cache = {} end

function hooks.finish()
  if step.wrote then
    local changes, n = {}, 0
    for i = 1, #COUNTERS do
      local name = COUNTERS[i]
      local value = counters[name]
      if value ~= loaded[i] then
        changes[n + 1], changes[n + 2] = name, text(value)
        n = n + 2
      end
    end
    if n > 0 then call('HSET', STATE, unpack(changes)) end
    if step.config then step.tidy() end
  end
  if step.woken then
    for address, ids in pairs(step.woken) do
      wake(address, ids)
    end
  end
end
