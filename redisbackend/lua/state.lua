-- The state of the namespace: what it has one of. It is read once, when the script starts, used and changed by all
-- operations of the batch, and written back at the end (batch.lua) if any of them wrote anything. All of them happen at
-- one moment of the store's clock.
--
-- This file, uncontended.lua, batch.lua and finish.lua are one chunk, in this order, and run in each call. Everything in
-- them is made anew each time, at a cost which is that of a whole operation if it is careless: so they have few tables and
-- functions. All other files are modules: each is defined when one of its functions is first needed (batch.lua).
--
-- Rules for every file here:
--
--   * A name in capitals with an underscore is a constant, which Go puts in (constants.go).
--   * No cmsgpack, struct or bit, and no "#!lua" line: miniredis has none of them, and a script with such a line is
--     refused as a whole, releases included, when memory is full.
--   * A number of 15 or more digits becomes text by format('%d', n) only: ".." rounds it.
--   * An operation checks before it writes, and frees memory (HDEL, ZREM) before it takes any (XADD).

local call = redis.call
local find, sub, match, format, floor, max, min =
  string.find, string.sub, string.match, string.format, math.floor, math.max, math.min

local argv, at = ARGV, 2 -- at: of the next operation (batch.lua)

local STATE = KEYS[1] -- HASH: head (below), config, refused; silent, and silent addresses (publish.lua)
local RECORDS = KEYS[2] -- HASH: id -> record (record.lua)
local INDEX = KEYS[3] -- ZSET in lexical order: where to find leases and waiters (index.lua)
local WAITERS = KEYS[4] -- ZSET in lexical order: where to find waiters by place (waiters.lua)
local ENDED = KEYS[5] -- ZSET in lexical order: where to find what has ended and is remembered (ended.lua)
local HISTORY = KEYS[6] -- STREAM: events (history.lua)
local LAPSES = KEYS[7] -- ZSET: id by deadline, of waiters
local TOMBSTONES = KEYS[8] -- ZSET: name by the moment until which it is remembered
local FRESH = KEYS[9] -- HASH: leases that are not in the index yet (fresh.lua)
local BYGONE = KEYS[10] -- STREAM: what ended without having been in ENDED (fresh.lua)

-- The head is one text. Its first line is what each reply tells a client, and what a client remembers of it:
--
--   layout SP token SP changes SP now SP version SP epoch      (16, 14 and 14 places)
--
-- where changes counts the scripts that changed anything, and version is that of the configuration. The second line has
-- the other counters. Token and changes have leading spaces, not zeros: miniredis reads a number with zeros as octal.
local NOQUEUE = '0 0 0 0 0 0 0 0 0'
local kept = call('HMGET', STATE, 'head', 'silent')
local head = kept[1] or 'LAYOUT_NUMBER                0              0 0 0 \n0 0 0 0 0 00 ' .. NOQUEUE
local layout, token, changes, past, life, seq, arrivals, fresh, bygone, slowed, history, renewals, queue =
  match(head, '^(%d+) (................) (..............) (%d+) (%d+ [^\n]*)\n(%d+) (%d+) (%d+) (%-?%d+) (%d+) (%d)(%d) (.*)$')
if layout ~= 'LAYOUT_NUMBER' then
  do return { err = 'LAYOUT ' .. (match(head, '^%d+') or '') } end
end
history, renewals = history == '1', renewals == '1'
local state = {
  token = token + 0, -- the newest handed out
  changes = changes + 0,
  seq = seq + 0, -- of the newest event
  arrivals = arrivals + 0, -- the newest arrival
  fresh = fresh + 0, -- leases in FRESH
  bygone = bygone + 0, -- what is remembered of BYGONE
  slowed = slowed + 0, -- the server's clock when now was last written, if it was behind the store's; else 0
  claims = 0, -- of active leases, in the index
  trees = 0, -- tree claims among them
  shared = 0, -- shared claims among them
  waiting = 0, -- waiters in line, lapsed ones included
  waitingTrees = 0, -- tree claims among theirs
  waitingShared = 0, -- shared claims among theirs
  children = 0, -- sub-leases, and waiters for one
  waitingWide = 0, -- waiters that are not listed at all of their ancestors (waiters.lua)
  silent = kept[2] and kept[2] + 0 or 0, -- until when some silent address is remembered (publish.lua), ms
  buried = 0, -- until when some name is remembered by a tombstone, ms
  work = 0, -- of general operations: commands, and records taken apart
  wrote = false, -- something was written: the head is to be
}
if queue ~= NOQUEUE then
  local claims, trees, shared, waiting, waitingTrees, waitingShared, waitingWide, children, buried =
    match(queue, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  state.claims, state.trees, state.shared, state.waiting = claims + 0, trees + 0, shared + 0, waiting + 0
  state.waitingTrees, state.waitingShared, state.waitingWide = waitingTrees + 0, waitingShared + 0, waitingWide + 0
  state.children, state.buried = children + 0, buried + 0
end
local before = state.seq + state.arrivals

-- The store's clock, ms: now, rounded down, by which it is judged what is over, and up, from which what is granted
-- lasts. It is the server's, but never runs backwards: neither from what was written (past) nor from what a client was
-- told (ARGV[1]). If the server's clock was set back, or a replica with another clock took over, the store's runs at half
-- its speed until the server's has caught up: so the difference does not stay, and nothing waits long.
local time = call('TIME')
local micros = time[2] + 0
local now = time[1] * 1000 + (micros - micros % 1000) / 1000
local up = micros % 1000 > 0 and now + 1 or now
past = past + 0
if now < past then
  local since = state.slowed > 0 and now - state.slowed or 0
  local half = since > 0 and floor(since / 2) or 0
  if since < 0 or state.slowed == 0 then state.slowed = now else state.slowed = state.slowed + 2 * half end
  now = past + half
  up = now + 1
else
  state.slowed = 0
end
if now < ARGV[1] + 0 then
  now = ARGV[1] + 0
  up = now + 1
end
local nowText = format('%014d', now) -- as times are kept
local leastToken = now * TOKENS_PER_MS -- tokens jump with time: they rise even after a store lost its newest ones

-- Events of uncontended operations wait to be written together: two texts of each, and how many they are.
local events, recorded = {}, 0
local stamp = nowText .. ' ' .. nowText .. '\0\0\0' -- of what takes effect now, by nobody else
local NEVER = ' 00000000000000 ' -- the end of what has not ended

-- So do the leases that they ended: two texts of each, for BYGONE.
local endings, finished = {}, 0

-- What the modules share, once one of them has been needed: step has their functions, operations those that carry out
-- an operation of this name (they are given its arguments, and return its reply: a text, a number, a table of them, or
-- nil), and op what is known in the current operation.
local step, operations, op
local woken -- by address: the waiters to be told to ask again (wake.lua)

-- What the server said of itself, and not of one operation. It is the reply to the whole batch: the client knows what to
-- do about it (look for the new master, say) only if it sees it. The batch may then be sent again, whole.
local refusal
