-- How a module is defined when one of its functions is first needed. Go makes load, which runs the module of a name, and
-- WHERE, a text that has " name=module " for each function of step, and " :name=module " for each of operations.

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

-- define makes step and operations, which are empty at first.
local function define()
  step, operations = lazily('', 'function'), lazily(':', 'operation')
  local direct = call
  call = function(...)
    state.work = state.work + 1
    return direct(...)
  end
end
