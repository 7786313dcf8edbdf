-- The batch: ARGV has, behind what the client knows of the store's clock, for each operation its name, the number of its
-- arguments, and the arguments. The reply has one element for each, in order, and the first line of the head (with what
-- was told to whom behind it, if anything was). An operation that failed has an error there and leaves its neighbours alone.

-- While a script runs the server does nothing else, so after so much work (of which a common operation is next to nothing)
-- the rest is answered "later": nothing of it was done, and it is to be sent again.

-- refusal is what the server said of itself, and not of one operation. It is the reply to the whole batch: the client
-- knows what to do about it (look for the new master, say) only if it sees it. The batch may then be sent again, whole.
local replies, answered, refusal = {}, 0, nil

local CODES = ' CLUSTERDOWN LOADING MASTERDOWN MISCONF NOREPLICAS READONLY TRYAGAIN '

-- failure returns the reply for what an operation raised.
local function failure(raised)
  local problem = string.gsub(type(raised) == 'table' and raised.err or tostring(raised), '[\r\n]', ' ')
  if not find(problem, '^%u+ ') then
    problem = 'ERR ' .. problem -- the server's own errors begin with a code in capitals, those of Lua do not
  end
  local reply = { err = problem }
  if find(CODES, ' ' .. match(problem, '^%u+') .. ' ', 1, true) then refusal = reply end
  return reply
end

-- general carries out an operation by the modules.
local function general(name, ...)
  if recorded > 0 then flush() end
  if not step then define() end
  local ok, result = pcall(step.perform, name, ...)
  if not ok then return failure(result) end
  return result or false -- nil would end the table of replies here
end

local last = #argv
while at <= last and not refusal do
  local name, count = argv[at], argv[at + 1] + 0
  local reply = uncontended(name, at)
  if reply == nil then
    reply = state.work > BATCH_WORK and 'later' or general(name, unpack(argv, at + 2, at + 1 + count))
  end
  answered = answered + 1
  replies[answered] = reply
  at = at + 2 + count
end
