-- What waits is written before a general operation, and at the end.

  if recorded > 0 and (reply == nil or at + 2 + count > last) then
    for from = 1, recorded, MOST_TOGETHER do
      local to = math.min(from + MOST_TOGETHER - 1, recorded)
      call('XADD', HISTORY, format('%d-0', state.seq - recorded + from), unpack(events, 2 * from - 1, 2 * to))
    end
    for from = 1, finished, MOST_TOGETHER do
      local to = math.min(from + MOST_TOGETHER - 1, finished)
      local entry = format('%d-%d', state.arrivals, state.seq - finished + to)
      call('XADD', BYGONE, entry, unpack(endings, 2 * from - 1, 2 * to))
    end
    recorded, finished = 0, 0
  end
