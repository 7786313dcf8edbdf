-- What the general operations begin with: the bounds of their work, and the configuration.

general[#general + 1] = function(step, keys, state, call, text)
  step.mostEnds = 100 -- that one operation records before it replies "again"
  step.mostCounted = 100 -- blockers, and waiters that a renewal tells of
  step.readAhead = 32 -- waiters that are read at a time

  step.cache = {} -- id -> record, or false if there is none: what has been read

  -- start is called before each operation. An operation that failed before it wrote anything (for want of memory, say)
  -- leaves no trace: counters change after the first write, and what it made of records is forgotten.
  function step.start()
    step.cache = {}
    step.noneLapsed = nil -- whether no waiter at all has lapsed; nil: not known
    step.tested = 0 -- how many waiters have been tested for whether to wake them
    step.passed = {} -- the claims of which one was hinted untested
    step.ends = 0 -- how many leases and waiters the operation has ended
    step.freed = {} -- what it did that may let waiters be granted (wakes.lua)
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
    step.settings = settings -- all of it, for the clients
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
  local stored = call('HMGET', keys.state, 'epoch', 'config')
  step.epoch = stored[1] -- names this life of the namespace (epoch.lua); false if there is no namespace
  step.settings = false
  step.config = false
  if stored[2] then step.readConfig(stored[2]) end

  -- writeBrief keeps what state.lua reads of the epoch and the configuration.
  function step.writeBrief()
    local config = step.config
    history, renewals, life = config.history, config.renewals, config.version .. ' ' .. step.epoch
    state.wrote = true
  end

  function operations.tidy()
    local most = math.max(step.config.historyMax, LEAST_TRIMMED)
    call('XTRIM', keys.history, 'MINID', '~', text(math.max(state.seq - most, 0) + 1) .. '-0')
    local excess = step.remembered() - step.config.endedMax - ENDED_SLACK
    if excess > 0 then step.forgetFirst(math.min(excess, TIDIED)) end
    step.exhume(TIDIED)
  end
end
