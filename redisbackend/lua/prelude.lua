-- The prelude: what comes before the batch (lua/loop.lua).
--
-- Rules for every file here: no cmsgpack, struct or bit and no "#!lua" line (miniredis has none of them, and a
-- script with a "#!lua" line is refused as a whole, releases included, when memory is full); numbers of 15 or
-- more digits become text by string.format('%d', n) only, since ".." rounds them; an operation checks before it
-- writes, and frees memory (HDEL, ZREM) before it takes any (XADD).

local call = redis.call

-- operations has, under the name of each operation, the function that carries it out: it is given the operation's
-- arguments (strings) and returns its reply: a string, a number, a table of them, or nil.
local operations

-- state is that of the namespace, if the script has one (lua/state.lua).
local state

-- replies has what the operations so far were answered, in their order.
local replies, answered = { false }, 0

-- refusal is what the server said of itself, and not of one operation. It is the reply to the whole batch: the client
-- knows what to do about it (look for the new master, say) only if it sees it. The batch may then be sent again, whole.
local refusal
