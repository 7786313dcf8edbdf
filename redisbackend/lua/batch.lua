-- The end of what lua/loop.lua began: whatever has no reply yet. While a script runs the server does nothing else,
-- so after so much work (of which a common operation is next to nothing) the rest is answered "later": nothing of it was
-- done, and it is to be sent again.

  if reply == nil and state and state.work > ENOUGH then
    reply = 'later'
  elseif reply == nil then
    local ok, result = pcall(operations[name], unpack(argv, at + 2, at + 1 + count))
    reply = result or false -- nil would end the table of replies here
    if not ok then
      local raised = operations[name] and result or 'unknown operation ' .. name
      local problem = string.gsub(type(raised) == 'table' and raised.err or tostring(raised), '[\r\n]', ' ')
      if not string.find(problem, '^%u+ ') then
        problem = 'ERR ' .. problem -- the server's own errors begin with a code in capitals, those of Lua do not
      end
      reply = { err = problem }
      local code = string.match(problem, '^%u+')
      if code == 'CLUSTERDOWN' or code == 'LOADING' or code == 'MASTERDOWN' or code == 'MISCONF' or code == 'NOREPLICAS'
        or code == 'READONLY' or code == 'TRYAGAIN'
      then
        refusal = reply
      end
    end
  end
  if not tidied then
    answered = answered + 1
    replies[answered] = reply
  end
  at = at + 2 + count
