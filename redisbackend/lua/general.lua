-- Most operations are general: functions of operations, which are made when one of them is needed. Each file of them, from
-- here to prepare.lua, is a function that is given what it shares as arguments, since a closure costs the more the more
-- it captures. step is what they share: their functions, and some facts.

  if reply == nil and not step and state.work <= ENOUGH then
    operations = {}
    local general = {}
    local function text(n) return format('%d', n) end
