-- The end of what lua/general.lua began, and what comes before each general operation.

    local function counted(...)
      state.work = state.work + 1
      return call(...)
    end
    step = { now = now, up = up, nowText = nowText, leastToken = leastToken }
    local keys = {
      state = STATE, records = RECORDS, index = INDEX, waiters = KEYS[4], ended = ENDED, history = HISTORY,
      lapses = KEYS[7], buried = KEYS[8], fresh = FRESH, bygone = BYGONE,
    }
    for _, define in ipairs(general) do
      define(step, keys, state, counted, text)
    end
  end
  if reply == nil and state.work <= ENOUGH then
    step.start()
    if not step.looks[name] then step.indexFresh() end
  end
