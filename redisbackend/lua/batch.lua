-- The batch: ARGV has, for each operation, its name, the number of its arguments, and the arguments. The reply
-- has one element for each, in order; an operation that failed has an error there and leaves its neighbours alone.

-- What the server says of itself, and not of one operation, is the reply to the whole batch: the client knows what
-- to do about it (look for the new master, say) only if it sees it. The batch may then be sent again, whole.
local function ofServer(problem)
  local code = string.match(problem, '^%u+')
  return code == 'CLUSTERDOWN' or code == 'LOADING' or code == 'MASTERDOWN' or code == 'MISCONF'
    or code == 'NOREPLICAS' or code == 'READONLY' or code == 'TRYAGAIN'
end

local replies, argv = {}, ARGV
local at, last = 1, #argv
while at <= last do
  local operation, count = operations[argv[at]], tonumber(argv[at + 1])
  local ok, reply
  if hooks.before then hooks.before() end
  if operation then
    ok, reply = pcall(operation, unpack(argv, at + 2, at + 1 + count))
  else
    ok, reply = false, 'unknown operation ' .. argv[at]
  end
  if not ok then
    if hooks.failed then hooks.failed() end
    local problem = string.gsub(type(reply) == 'table' and reply.err or tostring(reply), '[\r\n]', ' ')
    if not string.find(problem, '^%u+ ') then
      problem = 'ERR ' .. problem -- the server's own errors begin with a code in capitals, those of Lua do not
    end
    reply = { err = problem }
    if ofServer(problem) then return reply end
  elseif reply == nil then
    reply = false -- nil would end the table of replies here
  end
  replies[#replies + 1] = reply
  at = at + 2 + count
end
if hooks.finish then hooks.finish() end
return replies
