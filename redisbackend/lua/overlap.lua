-- What a request or a lease overlaps with, of all that is in the index and in line, and where a lease is in the index: by
-- its claims as they stand in its record.

-- first returns the first member of a range in lexical order, or nil. Its LIMIT is text, as all numbers that are known are:
-- the server makes text of a number by way of its digits, at a cost which is that of such a look.
function step.first(key, from, to) return call('ZRANGEBYLEX', key, from, to, 'LIMIT', '0', '1')[1] end

-- treeOver returns the path of the nearest tree that a ZSET has a claim on and a path lies in, false if there is none. The
-- last member up to the path either is such a tree, or shows how far up the next that could be one is: so one look is
-- mostly enough, however deep the path is.
function step.treeOver(key, path)
  while true do
    local last = call('ZREVRANGEBYLEX', key, '(t' .. path .. '\1', '[t', 'LIMIT', '0', '1')[1]
    if not last then return false end
    local tree = sub(last, 2, find(last, '\0', 2, true) - 1)
    local length = #tree
    if length == 0 or tree == path or sub(path, 1, length + 1) == tree .. '/' then return tree end
    -- Up to the nearest ancestor that is no longer than what the two have in common.
    local low, high = 0, min(length, #path)
    while low < high do
      local middle = floor((low + high + 1) / 2)
      if sub(path, 1, middle) == sub(tree, 1, middle) then low = middle else high = middle - 1 end
    end
    if low < #path and sub(path, low + 1, low + 1) ~= '/' then
      path = match(sub(path, 1, low), '^(.*)/') or ''
    else
      path = sub(path, 1, low)
    end
  end
end

-- awaited says whether a waiter could be concerned by a lease of these claims, holder and ID.
function step.awaited(claims, holder, id)
  local own = '(h' .. holder .. '\0'
  if step.first(WAITERS, own, own .. ':') or step.first(WAITERS, '(r' .. id .. '\0', '(r' .. id .. '\1')
    or step.first(WAITERS, '(c' .. id .. '\0', '(c' .. id .. '\1')
  then
    return true
  end
  for letter, path in string.gmatch(claims, '(%a)([^%z]*)%z') do
    local at = path .. '\0'
    if letter == 't' or letter == 'u' or step.first(WAITERS, '(p' .. at, '(p' .. path .. '\1')
      or (state.waitingTrees > 0 and step.treeOver(WAITERS, path))
    then
      return true
    end
  end
  return false
end

-- reaches says whether the index has a claim of a kind, by its prefix, at a path, or at or below it.
local function reaches(kind, path, tree)
  if not tree then return step.first(INDEX, kind .. path .. '\0', kind .. path .. '\1') ~= nil end
  if path == '' then return step.first(INDEX, kind, kind .. '\255') ~= nil end
  local found = step.first(INDEX, kind .. path .. '\0', kind .. path .. '0')
  if not found then return false end
  local behind = sub(found, #path + 2, #path + 2)
  return behind == '\0' or behind == '/' -- else a neighbour, as "path-" is, may hide what is below
    or step.first(INDEX, kind .. path .. '/', kind .. path .. '0') ~= nil
end

-- overlaps says whether the index has a lease that overlaps with a claim, other than by a shared claim with a shared.
function step.overlaps(letter, path)
  local tree = letter == 't' or letter == 'u'
  return reaches('(p', path, tree)
    or (state.shared > 0 and (letter == 'e' or letter == 't') and reaches('(s', path, tree))
    or (state.trees > 0 and step.treeOver(INDEX, path))
end

-- met says whether there is a lease that overlaps with one of these claims. Of a simple one that goes into FRESH it does not
-- look there.
function step.met(claims, simple)
  for letter, path in string.gmatch(claims, '(%a)([^%z]*)%z') do
    if state.fresh > 0 and not simple and (letter == 't' or letter == 'u' or call('HEXISTS', FRESH, path) == 1) then return true end
    if state.claims > 0 and step.overlaps(letter, path) then return true end
  end
  return false
end

-- members returns those that a lease with these claims has in the index, each after between, if given.
function step.members(deadline, arrival, claims, holder, id, between)
  local all, n, gap = {}, 0, between and 1 or 0
  local function add(member)
    if gap == 1 then all[n + 1] = between end
    n = n + 1 + gap
    all[n] = member
  end
  local several, trees, shared, count = id, 0, 0, 0
  add('d' .. deadline .. id)
  add('a' .. arrival .. id)
  for letter, path in string.gmatch(claims, '(%a)([^%z]*)%z') do
    local claim = path .. '\0' .. letter .. id
    if letter == 'f' or letter == 'u' then
      add('s' .. claim)
      add('g' .. holder .. '\0' .. claim)
      shared = shared + 1
    else
      add('p' .. claim)
      add('h' .. holder .. '\0' .. claim)
    end
    if letter == 't' or letter == 'u' then
      add('t' .. claim)
      trees = trees + 1
    end
    count = count + 1
    if count > 1 then add(format('x%s\0%03d%s', holder, count, several)) end
  end
  return all, count, trees, shared
end

-- addMembers puts a lease into the index, but for its chain; removeMembers takes it out.
function step.addMembers(deadline, arrival, claims, holder, id)
  local all, count, trees, shared = step.members(deadline, arrival, claims, holder, id, '0')
  step.add(INDEX, all)
  state.claims, state.trees, state.shared = state.claims + count, state.trees + trees, state.shared + shared
end

function step.removeMembers(deadline, arrival, claims, holder, id)
  local all, count, trees, shared = step.members(deadline, arrival, claims, holder, id)
  step.remove(INDEX, all)
  state.claims, state.trees = max(state.claims - count, 0), max(state.trees - trees, 0)
  state.shared = max(state.shared - shared, 0)
end
