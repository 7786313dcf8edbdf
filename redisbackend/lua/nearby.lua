-- What the fast operations ask while there are tree claims or waiters in the namespace; nil otherwise.

local underTree, awaited
if state.trees > 0 or state.waiting > 0 then
  -- underTree says whether a path lies in a tree that a ZSET has a claim on.
  function underTree(key, path)
    while path ~= '' do
      path = match(path, '^(.*)/') or ''
      local tree = '(p' .. path .. '\0'
      if call('ZRANGEBYLEX', key, tree .. 't', tree .. 'v', 'LIMIT', '0', '1')[1] then return true end
    end
    return false
  end

  -- awaited says whether a waiter could be concerned by a lease of this path, holder and ID.
  function awaited(path, holder, id)
    local waiters, at = KEYS[4], '(p' .. path
    if call('ZRANGEBYLEX', waiters, at .. '\0', at .. '\1', 'LIMIT', '0', '1')[1]
      or state.waitingTrees > 0 and underTree(waiters, path)
    then
      return true
    end
    local own, replacing = '(h' .. holder .. '\0', '(r' .. id .. '\0'
    return call('ZRANGEBYLEX', waiters, own, own .. ':', 'LIMIT', '0', '1')[1]
      or call('ZRANGEBYLEX', waiters, replacing, replacing .. ':', 'LIMIT', '0', '1')[1]
  end
end
