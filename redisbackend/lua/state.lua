-- The state of the namespace: what it has one of. It is read once, when the script starts, used and changed by
-- all operations of the batch, and written back at the end (finish.lua) if any of them wrote anything. All of them happen
-- at one moment of the store's clock.
--
-- Everything in this script is made anew in each call, at a cost which is that of a whole operation if it is careless. So
-- what common operations run through makes few tables and no functions, and what they do not need is made when it is needed.

local STATE = KEYS[1] -- HASH: state (below), epoch (epoch.lua), config, config_op, refused
local RECORDS = KEYS[2] -- HASH: id -> record (record.lua)
local INDEX = KEYS[3] -- ZSET in lexical order: where to find what has not ended (index.lua)
local ENDED = KEYS[5] -- ZSET in lexical order: where to find what has ended and is remembered (index.lua)
local HISTORY = KEYS[6] -- STREAM: events (record.lua)
-- KEYS[4], waiters, is a ZSET in lexical order: where to find waiters (waiters.lua). KEYS[7], lapses, is a ZSET: id by
-- deadline, of waiters. KEYS[8], buried, is a ZSET: withdrawn attempt by the moment until which it is remembered.
local FRESH = KEYS[9] -- HASH: leases that are not in the index yet (fresh.lua)
local BYGONE = KEYS[10] -- STREAM: what ended without having been there (fresh.lua)

local find, sub, match, format = string.find, string.sub, string.match, string.format

-- What is here is one text: counters that each step changes, whether there is a history and whether it has renewals,
-- other counters, and life: version of the configuration, SP and epoch, as clients send it, "" if there is no namespace.
local NO_QUEUE = '0 0 0 0 0 0 0'
local NO_STATE = '0                0              0 0 0 0 00 ' .. NO_QUEUE .. '\n'
local seq, token, arrivals, fresh, bygone, past, history, renewals, queue, life = match(
  call('HGET', STATE, 'state') or NO_STATE,
  '^(%d+) (................) (..............) (%d+) (%-?%d+) (%d+) (%d)(%d) ([^\n]*)\n(.*)$'
)
history, renewals = history == '1', renewals == '1'
state = {
  seq = seq + 0, -- of the newest event
  token = token + 0, -- the newest handed out
  arrivals = arrivals + 0, -- the newest arrival
  fresh = fresh + 0, -- leases in FRESH
  bygone = bygone + 0, -- what is remembered of BYGONE
  claims = 0, -- of active leases, in the index
  trees = 0, -- tree claims among them
  waiting = 0, -- waiters in line, lapsed ones included
  waitingTrees = 0, -- tree claims among theirs
  waitingShared = 0, -- shared claims among theirs
  buried = 0, -- until when some withdrawn attempt is remembered, ms
  offset = 0, -- what the server's clock lags behind the store's, ms
  work = 0, -- of general operations: commands, and records taken apart
  wrote = false, -- something was written: the counters are to be
  queueChanged = false, -- and so are those in queue
}
if queue ~= NO_QUEUE then
  local claims, trees, waiting, waitingTrees, waitingShared, buried, offset =
    match(queue, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  state.claims, state.trees, state.waiting, state.waitingTrees = claims + 0, trees + 0, waiting + 0, waitingTrees + 0
  state.waitingShared, state.buried, state.offset = waitingShared + 0, buried + 0, offset + 0
end
local before = state.seq + state.arrivals

-- The store's clock, ms: now, rounded down, by which it is judged what is over, and up, from which what is granted
-- lasts. It never runs backwards: if the server's was set back, or a replica with another clock took over, it runs on
-- from where it was.
local time = call('TIME')
local micros = time[2] + 0
local now = time[1] * 1000 + (micros - micros % 1000) / 1000 + state.offset
if now < past + 0 then
  state.offset, now = state.offset + past - now, past + 0
  state.wrote, state.queueChanged = true, true
end
local up = micros % 1000 > 0 and now + 1 or now
local nowText = format('%014d', now) -- as times are kept
local leastToken = now * 1024 -- tokens jump with time: they rise even after a store lost its newest ones

-- Events of the fast operations wait to be written together: two texts of each, and how many they are.
local MOST_TOGETHER = 32 -- in one entry of the history (record.lua)
local events, recorded = nil, 0
local stamp = nowText .. ' ' .. nowText .. '\0\0\0' -- of what takes effect now, by nobody else

-- So do the leases that they ended: two texts of each, for BYGONE.
local endings, finished = nil, 0

local MOST_FRESH = 512 -- so that all of them can be put into the index in one step
local FILLER = '----------------' -- of what is there: a HASH of short values would be searched from end to end
local LATEST = 512 -- arrivals since its own, after which a lease that ends does not go to BYGONE
local eldest -- such an arrival

-- What the general operations share (general.lua), once one of them has been needed.
local step
