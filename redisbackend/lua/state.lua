-- The state of the namespace: what it has one of. It is read once, when the script starts, used and changed by
-- all operations of the batch, and written back by finish if any of them wrote anything. All of them happen at
-- one moment of the store's clock.

local STATE = KEYS[1] -- HASH: the counters below, epoch, config, config_op, refused
local RECORDS = KEYS[2] -- HASH: id -> record (record.lua)
local ARRIVALS = KEYS[3] -- ZSET: id by arrival, of every record
local LEASES = KEYS[4] -- ZSET in lexical order: the claims of active leases (leases.lua)
local WAITERS = KEYS[5] -- ZSET in lexical order: the claims of waiters (waiters.lua)
local DEADLINES = KEYS[6] -- ZSET: id by deadline, of active leases
local LAPSES = KEYS[7] -- ZSET: id by deadline, of waiters
local ENDED = KEYS[8] -- ZSET: id by end, of what has ended and is remembered
local BURIED = KEYS[9] -- ZSET: withdrawn attempt by the moment until which it is remembered
local HISTORY = KEYS[10] -- STREAM: <seq>-0 -> event (record.lua)

local call, format, match, sub = redis.call, string.format, string.match, string.sub

local COUNTERS = {
  'seq', -- of the newest event
  'token', -- the newest handed out
  'arrivals', -- the newest arrival
  'waiting', -- waiters in line, lapsed ones included
  'waiting_trees', -- tree claims among theirs
  'waiting_shared', -- shared claims among theirs
  'trees', -- tree claims of active leases
  'buried', -- until when some withdrawn attempt is remembered, ms
  'now', -- the highest now used, ms
  'offset', -- what the server's clock lags behind the store's, ms
}

local counters, stored = {}, {} -- as they are, and as they were read
local epoch -- names this life of the namespace (epoch.lua); nil if there is no namespace
local config -- the settings that matter here; nil if there is no namespace
local configText -- what the clients made of it

local now -- the store's clock, ms, rounded down: what is over is judged by it
local up -- the same, rounded up: what is granted lasts from it

local dirty = false -- some operation wrote something
local wrote = false -- this operation did
local cache = {} -- id -> record, or false if there is none
local ends -- how many leases and waiters this operation has ended
local freed -- what this operation did that may let waiters be granted (wake.lua)
local woken = {} -- address -> ids to wake there

-- What is kept of the history and of what has ended without a sweep's help, so that a server whose sweeps do not
-- keep up, or are switched off, does not fill its memory.
local MOST_EVENTS = 1000000 -- also the default of history_max_events
local LEAST_TRIMMED = 10000
local ENDED_SLACK = 10000

local function text(n) return format('%.0f', n) end

local function readConfig(settings)
  if not settings then return end
  local version, history, renewals, endedRetention, endedMax, historyRetention, historyMax =
    match(settings, '^(%d+) (%d) (%d) (%d+) (%d+) (%d+) (%d+) ')
  configText = settings
  config = {
    version = version,
    history = history == '1',
    renewals = renewals == '1',
    endedRetention = tonumber(endedRetention),
    endedMax = tonumber(endedMax),
    historyRetention = tonumber(historyRetention),
    historyMax = tonumber(historyMax),
  }
  if config.historyMax == 0 then config.historyMax = MOST_EVENTS end
end

-- The store's clock never runs backwards: if the server's was set back, or a replica with another clock took over,
-- it runs on from where it was.
local function readClock()
  local time = call('TIME')
  local micros = tonumber(time[2])
  local rest = micros % 1000
  now = tonumber(time[1]) * 1000 + (micros - rest) / 1000 + counters.offset
  if now < counters.now then
    counters.offset = counters.offset + counters.now - now
    now = counters.now
  end
  counters.now = now
  up = rest > 0 and now + 1 or now
end

do
  local state = call('HMGET', STATE, 'epoch', 'config', unpack(COUNTERS))
  epoch = state[1] or nil
  readConfig(state[2])
  for i, name in ipairs(COUNTERS) do
    local n = tonumber(state[i + 2] or 0)
    counters[name], stored[name] = n, n
  end
  readClock()
end

-- operation registers what carries out one operation. One that fails before it wrote anything (for want of memory,
-- say) leaves no trace; the checks are made to come first.
local function operation(name, carryOut)
  operations[name] = function(arguments)
    ends, freed, wrote = 0, {}, false
    local before = {}
    for key, n in pairs(counters) do
      before[key] = n
    end
    local ok, reply = pcall(carryOut, arguments)
    dirty = dirty or wrote
    if ok then return reply end
    cache = {}
    if not wrote then counters = before end
    error(reply, 0)
  end
end

local function forgetExcess()
  local excess = call('ZCARD', ENDED) - config.endedMax - ENDED_SLACK
  if excess <= 0 then return end
  local ids = call('ZRANGE', ENDED, 0, math.min(excess, 256) - 1)
  call('ZREM', ENDED, unpack(ids))
  call('HDEL', RECORDS, unpack(ids))
  call('ZREM', ARRIVALS, unpack(ids))
end

finish = function()
  if dirty then
    local changes = {}
    for name, n in pairs(counters) do
      if n ~= stored[name] then
        changes[#changes + 1] = name
        changes[#changes + 1] = text(n)
      end
    end
    if #changes > 0 then call('HSET', STATE, unpack(changes)) end
    if config then forgetExcess() end
  end
  for address, ids in pairs(woken) do
    wake(address, ids)
  end
end
