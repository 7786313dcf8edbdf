-- The prelude: what all operations share. It comes first in the script; lua/batch.lua comes last and runs them.
--
-- Rules for every file here: no cmsgpack, struct or bit and no "#!lua" line (miniredis has none of them, and a
-- script with a "#!lua" line is refused as a whole, releases included, when memory is full); numbers of 15 or
-- more digits become text by string.format('%d', n) only, since ".." rounds them; an operation checks before it
-- writes, and frees memory (HDEL, ZREM) before it takes any (XADD).

-- operations has, under the name of each operation, the function that carries it out: it is given the operation's
-- arguments (strings) and returns its reply: a string, a number, a table of them, or nil.
local operations = {}

-- hooks are called by the batch, if set: before each operation, after one that failed, and at the end.
local hooks = {}

-- wake tells the process that listens at address which of its waiters should ask again, and returns how many
-- connections heard it: 0 says that the process is not listening now, unless the client reads from replicas.
local function wake(address, ids)
  local message = {}
  for i, id in ipairs(ids) do
    message[i] = #id .. ':' .. id
  end
  -- What all keys and channels of the namespace begin with: its only "}" ends the hash tag.
  local namespace = string.match(KEYS[1], '^[^}]*}:')
  -- The first letter of an address says how its process subscribed: s for sharded.
  local publish = string.sub(address, 1, 1) == 's' and 'SPUBLISH' or 'PUBLISH'
  return redis.call(publish, namespace .. 'wake:' .. address, table.concat(message))
end
