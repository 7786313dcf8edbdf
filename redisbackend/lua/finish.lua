-- The end of the script: what is written once for all operations of the batch.

if refusal then return refusal end

if state.wrote then
  -- Every so often, what is kept of the history and of what has ended is looked after without a sweep.
  local after = state.seq + state.arrivals
  if step and after - after % TIDY_EVERY > before and #life > 2 then step.attempt('tidy') end
  state.changes = state.changes + 1
end
local line = 'LAYOUT_NUMBER ' .. format('%16d %14d ', state.token, state.changes) .. nowText .. ' ' .. life
if state.wrote then
  local s = state
  if step then
    queue = format('%d %d %d %d %d %d %d %d %d', s.claims, s.trees, s.shared, s.waiting, s.waitingTrees, s.waitingShared,
      s.waitingWide, s.children, s.buried)
  end
  call('HSET', STATE, 'head', line .. format('\n%d %d %d %d %d ', s.seq, s.arrivals, s.fresh, s.bygone, s.slowed)
    .. (history and '1' or '0') .. (renewals and '1 ' or '0 ') .. queue)
end
if woken then
  local told = { line }
  step.publish(told) -- last, since miniredis lets others in while it publishes
  if told[2] then line = told end
end
replies[operation + 1] = line
return replies
