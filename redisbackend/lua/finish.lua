-- The end of the script: what is written once for all operations of the batch.

-- WAIT counts from what its connection wrote last, so who will wait for replicas (a last key says so) has something
-- written even if a repeated call finds all of it done.
if KEYS[11] and life ~= '' then state.wrote = true end

if state.wrote then
  local s = state
  if s.queueChanged or step then
    queue = format('%d %d %d %d %d %d %d', s.claims, s.trees, s.waiting, s.waitingTrees, s.waitingShared, s.buried, s.offset)
  end
  call('HSET', STATE, 'state', format('%d %16d %14d %d %d ', s.seq, s.token, s.arrivals, s.fresh, s.bygone) .. nowText .. ' '
    .. (history and '1' or '0') .. (renewals and '1 ' or '0 ') .. queue .. '\n' .. life)
end
if step then step.wakeUp() end
