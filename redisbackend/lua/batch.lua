-- The batch: ARGV has, for each operation, its name, the number of its arguments, and the arguments. The reply
-- has one element for each, in order; an operation that failed has an error there and leaves its neighbours alone.

-- What the server says of itself, and not of one operation, is the reply to the whole batch: the client knows what
-- to do about it (look for the new master, say) only if it sees it. The batch may then be sent again, whole.
local ofServer = {
  CLUSTERDOWN = true, LOADING = true, MASTERDOWN = true, MISCONF = true,
  NOREPLICAS = true, READONLY = true, TRYAGAIN = true,
}

local replies = {}
local at, last = 1, #ARGV
while at <= last do
  local operation, count = operations[ARGV[at]], tonumber(ARGV[at + 1])
  local arguments = {}
  for i = 1, count do
    arguments[i] = ARGV[at + 1 + i]
  end
  local ok, reply
  if operation then
    ok, reply = pcall(operation, arguments)
  else
    ok, reply = false, 'unknown operation ' .. ARGV[at]
  end
  if not ok then
    local problem = string.gsub(type(reply) == 'table' and reply.err or tostring(reply), '[\r\n]', ' ')
    if not string.find(problem, '^%u+ ') then
      problem = 'ERR ' .. problem -- the server's own errors begin with a code in capitals, those of Lua do not
    end
    reply = { err = problem }
    if ofServer[string.match(problem, '^%u+')] then
      return reply
    end
  elseif reply == nil then
    reply = false -- nil would end the table of replies here
  end
  replies[#replies + 1] = reply
  at = at + 2 + count
end
finish()
return replies
