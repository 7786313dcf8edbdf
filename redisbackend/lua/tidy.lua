-- Every so often, what is kept of the history and of what has ended is looked after without a sweep: by one more operation
-- of the batch, whose reply is nobody's.

  if at > last and not tidied and state.wrote and not refusal then
    local TIDY_EVERY = 512 -- events and arrivals
    local after = state.seq + state.arrivals
    tidied = after - after % TIDY_EVERY > before and life ~= ''
    if tidied then
      argv[at], argv[at + 1], last = 'tidy', '0', at + 1
      state.work = 0 -- nothing is left that could be done later
    end
  end
