-- The end of the script: what is written once for all operations of the batch.

-- WAIT counts from what its connection wrote last, so who will wait for replicas (a last key says so) has something
-- written even if a repeated call finds all of it done.
if KEYS[11] and state.life then state.wrote = true end

settle()
if state.wrote then
  local s = state
  local counters = format('%d %d %d %d %d ', s.seq, s.token, s.arrivals, s.fresh, s.bygone) .. nowText
  if s.queueChanged or step then
    call('HSET', STATE, 'counters', counters, 'queue', format('%d %d %d %d %d %d %d', s.claims, s.trees, s.waiting,
      s.waitingTrees, s.waitingShared, s.buried, s.offset))
  else
    call('HSET', STATE, 'counters', counters)
  end
  -- Every so often, what is kept of the history and of what has ended is looked after without a sweep.
  local TIDY_EVERY = 512 -- events and arrivals
  local after = s.seq + s.arrivals
  if s.life and after - after % TIDY_EVERY > before then
    prepare('tidy')
    step.tidy()
  end
end
if step then step.wakeUp() end
