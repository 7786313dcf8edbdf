-- The end of what lua/loop.lua began: whatever has no reply yet. While a script runs the server does nothing else,
-- so after so much work (of which a common operation is next to nothing) the rest is answered "later": nothing of it was
-- done, and it is to be sent again.

  if reply == nil and state and state.work > ENOUGH then
    reply = 'later'
  elseif reply == nil then
    local operation, ok = operations[name], false
    if operation then
      ok, reply = pcall(operation, unpack(argv, at + 2, at + 1 + count))
    else
      reply = 'unknown operation ' .. name
    end
    if not ok then
      reply = failure(reply)
    elseif reply == nil then
      reply = false -- nil would end the table of replies here
    end
  end
  if not tidied then
    answered = answered + 1
    replies[answered] = reply
  end
  at = at + 2 + count
