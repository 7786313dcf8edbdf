-- The end of the loop that lua/loop.lua began: whatever has no reply yet.

  if reply == nil then
    if prepare then prepare() end
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
  answered = answered + 1
  replies[answered] = reply
  at = at + 2 + count
end
