-- What each operation of the modules begins with, and what several of them need.

-- perform carries out an operation. One that failed before it wrote anything (for want of memory, say) leaves no trace:
-- counters change after the first write, and what it made of records is forgotten.
function step.perform(name, ...)
  op = {
    now = now, -- so that a module need not capture it
    cache = {}, -- id -> record, or false if there is none: what has been read
    over = {}, -- claim -> the IDs of the leases that it overlaps with, if they are few
    few = {}, -- holder -> its leases, or false if they are not few
    above = {}, -- key -> path -> the nearest tree claim at or above it, false if there is none
    freed = {}, -- what the operation did that may let waiters be granted (wake.lua)
    passed = {}, -- the claims of which one was hinted untested
    tested = 0, -- how many waiters have been tested for whether to wake them
    ends = 0, -- how many leases and waiters the operation has ended
    limit = state.work + MAX_WORK,
    noneLapsed = nil, -- whether no waiter at all has lapsed; nil: not known
  }
  local carryOut = operations[name]
  if state.fresh > 0 and not find(' list events stats config open count_refused tidy acquire ', ' ' .. name .. ' ', 1, true) then
    step.indexFresh()
  end
  local reply = carryOut(...)
  if op.freed[1] then step.wake() end
  return reply
end

local CODES = ' CLUSTERDOWN LOADING MASTERDOWN MISCONF NOREPLICAS READONLY TRYAGAIN '

-- attempt carries out an operation, and returns its reply or what it raised.
function step.attempt(name, ...)
  local ok, result = pcall(step.perform, name, ...)
  if ok then return result or false end -- nil would end the table of replies here
  local problem = string.gsub(type(result) == 'table' and result.err or tostring(result), '[\r\n]', ' ')
  if not find(problem, '^%u+ ') then
    problem = 'ERR ' .. problem -- the server's own errors begin with a code in capitals, those of Lua do not
  end
  local reply = { err = problem }
  if find(CODES, ' ' .. match(problem, '^%u+') .. ' ', 1, true) then refusal = reply end
  return reply
end

-- spent says that the operation has done as much as one may. What only looks then stops, on the safe side: who cannot be
-- shown to pass stays behind, and who cannot be shown to stay behind is hinted.
function step.spent() return state.work > op.limit end

-- text returns a number with all its digits; padded as times and arrivals are kept.
function step.text(n) return format('%d', n) end

function step.padded(n) return format('%014d', n) end

-- repeated is called for a call that finds its work done. WAIT counts from what its connection wrote last, so who will
-- wait for replicas (a last key says so) has something written.
function step.repeated()
  if KEYS[11] then state.wrote = true end
end

-- find returns the request with this ID, its end recorded if its time is over; false if there is none, or its end is no
-- longer remembered.
function step.find(id)
  local r = step.read(id)
  if not r then return false end
  if step.over(r) then step.expire(r) end
  if step.hasEnded(r) and r.ended + step.config().endedRetention <= now then return false end
  return r
end

function step.gone(problem) return { 'gone', problem, '', '', '' } end

local PROBLEMS = { e = 'expired', l = 'expired', r = 'released', v = 'revoked', p = 'replaced', t = 'replaced' }

-- endOf is the reply that says how r ended, for one who asks for it by its ID.
function step.endOf(r)
  return { 'gone', PROBLEMS[r.reason] or 'not_found', r.successor, r.actor, r.note }
end

-- config returns what the configuration says of this; false if there is no namespace.
function step.config()
  if op.config == nil then
    op.settings = call('HGET', STATE, 'config')
    op.config = op.settings and step.readConfig(op.settings)
  end
  return op.config
end

function step.readConfig(settings)
  local version, keep, keepRenewals, endedRetention, endedMax, historyRetention, historyMax =
    match(settings, '^(%d+) (%d) (%d) (%d+) (%d+) (%d+) (%d+) ')
  return {
    version = version, history = keep, renewals = keepRenewals, endedRetention = endedRetention + 0,
    endedMax = endedMax + 0, historyRetention = historyRetention + 0,
    -- What is kept without a sweep's help, so that a server whose sweeps do not keep up does not fill its memory.
    historyMax = historyMax == '0' and DEFAULT_EVENTS or historyMax + 0,
  }
end

-- stale returns the reply to a client that has another version of the configuration, or nil.
function step.stale(version)
  if version == match(life, '^%d+') then return nil end
  step.config()
  return { 'stale', op.settings }
end

-- regressed returns the reply to a client that has seen more than there is, or another life of the namespace, or nil. seen
-- is what acquire.lua calls so.
function step.regressed(seen)
  local epoch = match(life, '^%d+ (.*)$')
  if match(seen, '^%d+ (.*)$', 31) == epoch and sub(seen, 1, 16) + 0 <= state.token and sub(seen, 17, 30) + 0 <= state.changes then
    return nil
  end
  return { 'regressed', epoch, step.text(state.token) }
end

-- adopt sets what the head has of the configuration and of the epoch.
function step.adopt(config, epoch)
  history, renewals, life = config.history == '1', config.renewals == '1', config.version .. ' ' .. epoch
  state.wrote = true
end
