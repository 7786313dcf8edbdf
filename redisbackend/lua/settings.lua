-- What the general operations begin with: the bounds of their work, and the configuration.

general[#general + 1] = function(step, keys, counters, call, text, cache)
  step.mostEnds = 128 -- that one operation records before it replies "again"
  step.mostCounted = 100 -- blockers, and waiters that a renewal tells of
  step.readAhead = 32 -- waiters that are read at a time
  step.tokensPerMilli = 1024 -- tokens jump with time: they rise even after a store lost its newest ones

  step.ends = 0 -- how many leases and waiters this operation has ended
  step.freed = {} -- what this operation did that may let waiters be granted (wakes.lua)

  function hooks.before()
    step.ends = 0
    if step.freed[1] then step.freed = {} end
  end

  -- An operation that failed before it wrote anything (for want of memory, say) leaves no trace: counters change after
  -- the first write, and what it made of records is forgotten.
  function hooks.failed()
    for id in pairs(cache) do
      cache[id] = nil
    end
  end

  -- What is kept of the history and of what has ended without a sweep's help, so that a server whose sweeps do not
  -- keep up, or are switched off, does not fill its memory.
  local MOST_EVENTS = 1000000 -- also the default of history_max_events
  local LEAST_TRIMMED = 10000
  local ENDED_SLACK = 10000
  local TIDIED = 512

  function step.readConfig(settings)
    local version, history, renewals, endedRetention, endedMax, historyRetention, historyMax =
      string.match(settings, '^(%d+) (%d) (%d) (%d+) (%d+) (%d+) (%d+) ')
    step.settings = settings
    step.config = {
      version = version,
      history = history == '1',
      renewals = renewals == '1',
      endedRetention = tonumber(endedRetention),
      endedMax = tonumber(endedMax),
      historyRetention = tonumber(historyRetention),
      historyMax = historyMax == '0' and MOST_EVENTS or tonumber(historyMax),
    }
  end
  step.config = false
  if step.settings then step.readConfig(step.settings) end

  function step.tidy()
    local most = math.max(step.config.historyMax, LEAST_TRIMMED)
    call('XTRIM', keys.history, 'MAXLEN', '~', text(most))
    local excess = call('ZCARD', keys.ended) - step.config.endedMax - ENDED_SLACK
    if excess > 0 then step.forgetFirst(math.min(excess, TIDIED)) end
  end
end
