-- The batch: ARGV has, behind what the client knows of the store's clock, for each operation its name, the number of its
-- arguments, and the arguments. The reply has one element for each, in order, and the first line of the head (with what
-- was told to whom behind it, if anything was). An operation that failed has an error there and leaves its neighbours alone.
--
-- All of them are under way at the same time, so any order is as good as another: first come those that need no modules,
-- then those that do and meet nobody, then the others.

local replies, rest, operation, last = {}, nil, 0, #argv
while at <= last do
  operation = operation + 1
  local reply = uncontended(argv[at], at)
  replies[operation] = reply or false
  if not reply then
    rest = rest or {}
    rest[#rest + 1] = { operation = operation, at = at, again = reply == nil }
  end
  at = at + 2 + argv[at + 1]
end

local after = state.seq + state.arrivals
if rest or after - after % TIDY_EVERY > before then -- finish.lua will tidy up
  rest = rest or {}
  -- A module is defined when one of its functions is first needed. WHERE is a text that has " name=module " for each
  -- function of step, and " :name=module " for each of operations.
  local load = moduleLoader -- which Go puts here: it runs the module of a name
  local function lazily(prefix, what)
    return setmetatable({}, {
      __index = function(functions, name)
        local module = match(WHERE, ' ' .. prefix .. name .. '=(%w+) ')
        if not module then error('unknown ' .. what .. ' ' .. name) end
        load(module)
        return rawget(functions, name)
      end,
    })
  end
  step, operations = lazily('', 'function'), lazily(':', 'operation')
  for _, its in ipairs(rest) do
    if its.again then replies[its.operation] = uncontended(argv[its.at], its.at) or false end
  end
end

-- What waits to be written together.
for from = 1, recorded, EVENTS_TOGETHER do
  local to = min(from + EVENTS_TOGETHER - 1, recorded)
  call('XADD', HISTORY, format('%d-0', state.seq - recorded + from), unpack(events, 2 * from - 1, 2 * to))
end
for from = 1, finished, EVENTS_TOGETHER do
  local to = min(from + EVENTS_TOGETHER - 1, finished)
  local entry = format('%d-%d', state.arrivals, state.seq - finished + to)
  call('XADD', BYGONE, entry, unpack(endings, 2 * from - 1, 2 * to))
end

-- While a script runs the server does nothing else, so after so much work (of which a common operation is next to nothing)
-- the rest is answered "later": nothing of it was done, and it is to be sent again.
if rest then
  local direct = call
  call = function(...)
    state.work = state.work + 1
    return direct(...)
  end
  for _, its in ipairs(rest) do
    if not replies[its.operation] and not refusal then
      local from = its.at
      replies[its.operation] = state.work > BATCH_WORK and 'later'
        or step.attempt(argv[from], unpack(argv, from + 2, from + 1 + argv[from + 1]))
    end
  end
end
