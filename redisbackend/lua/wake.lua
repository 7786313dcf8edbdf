-- wake tells the process that listens at address which of its waiters should ask again, and returns how many
-- connections heard it: 0 says that the process is not listening now, unless the client reads from replicas. It returns
-- the error of a user who may not: waiters ask again by themselves, and what the operation did, it has done.
local function wake(address, ids)
  local message = {}
  for i, id in ipairs(ids) do
    message[i] = #id .. ':' .. id
  end
  -- What all keys and channels of the namespace begin with: its only "}" ends the hash tag.
  local namespace = string.match(KEYS[1], '^[^}]*}:')
  -- The first letter of an address says how its process subscribed: s for sharded.
  local publish = string.sub(address, 1, 1) == 's' and 'SPUBLISH' or 'PUBLISH'
  return redis.pcall(publish, namespace .. 'wake:' .. address, table.concat(message))
end
