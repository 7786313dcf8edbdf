-- What a request or a lease overlaps with, of all that is in the index and in line, and where a lease is in the index: by
-- its claims as they stand in its record.

-- first returns the first member of a range in lexical order, or nil. Its LIMIT is text, as all numbers that are known are:
-- the server makes text of a number by way of its digits, at a cost which is that of such a look.
function step.first(key, from, to) return call('ZRANGEBYLEX', key, from, to, 'LIMIT', '0', '1')[1] end

-- within says whether a path is that of a tree, or below it.
local function within(path, tree)
  local length = #tree
  return length == 0 or tree == path or sub(path, 1, length + 1) == tree .. '/'
end

-- treeOver returns the path of the nearest tree that a ZSET has a claim on and a path lies in, false if there is none, and
-- whether one look has shown it. The last member up to the path either is such a tree, or shows how far up the next that
-- could be one is: so one look is mostly enough, however deep the path is.
function step.treeOver(key, path)
  local direct = true
  while true do
    local last = call('ZREVRANGEBYLEX', key, '(t' .. path .. '\1', '[t', 'LIMIT', '0', '1')[1]
    local tree = last and sub(last, 2, find(last, '\0', 2, true) - 1)
    if not last or within(path, tree) then return tree or false, direct end
    direct = false
    local length = #tree
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
  for _, letter, path in step.nextClaim, claims, 1 do
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

-- near returns those of some sorted claims that may overlap with what is in the index, or in line: of many most meet nobody,
-- which a look at a stretch of them shows. own says that the claims themselves are in line.
function step.near(key, claims, own)
  local n = #claims
  if n <= MANY_CLAIMS then return claims end
  local leases = key == INDEX
  local trees = (leases and state.trees or state.waitingTrees) > 0
  local kept, seen, tree, direct = {}, {}, nil, false
  for to = n, 1, -MANY_CLAIMS do
    local from, last, wide = max(to - MANY_CLAIMS + 1, 1), claims[to].path, false
    for i = to, from, -1 do
      local path = claims[i].path
      if path == '' then return claims end -- the root is sorted as "/"
      -- What is below "a" ends behind what is below "a-b".
      if find(last, path, 1, true) == 1 and (string.byte(last, #path + 1) or 48) < 48 then last = path end
      wide = wide or claims[i].tree
    end
    local function some(prefix, its)
      return call('ZLEXCOUNT', key, '(' .. prefix .. claims[from].path .. '\0', '(' .. prefix .. last .. '0') > its
    end
    local all = some('p', own and to - from + 1 or 0)
    if leases then
      all = all or (state.shared > 0 and some('s', 0))
    elseif wide then
      all = all or state.waitingWide > 0 or some('b', 0)
    end
    for i = to, from, -1 do
      kept[i] = all
      if trees and not all then
        -- The last member up to a path is also the last up to an earlier path that it reaches.
        local path = claims[i].path
        if not direct or (tree and not within(path, tree)) then tree, direct = step.treeOver(key, path) end
        if tree then
          local name = leases and (claims[i].shared and 'u' or 't') .. tree or i -- in one tree all meet the same leases
          kept[i], seen[name] = not seen[name], true
        end
      end
    end
  end
  local found = {}
  for i = 1, n do
    if kept[i] then found[#found + 1] = claims[i] end
  end
  return found
end

-- overlaps says whether the index has a lease that overlaps with a claim, other than by a shared claim with a shared.
local function overlaps(letter, path)
  local tree = letter == 't' or letter == 'u'
  return reaches('(p', path, tree)
    or (state.shared > 0 and (letter == 'e' or letter == 't') and reaches('(s', path, tree))
    or (state.trees > 0 and step.treeOver(INDEX, path))
end

-- met says whether there is a lease that overlaps with one of these claims. Of a simple one that goes into FRESH it does not
-- look there.
function step.met(claims, simple)
  for _, letter, path in step.nextClaim, claims, 1 do
    if state.fresh > 0 and not simple and (letter == 't' or letter == 'u' or call('HEXISTS', FRESH, path) == 1) then return true end
    if state.claims > 0 and overlaps(letter, path) then return true end
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
  local trees, shared, count = 0, 0, 0
  add('d' .. deadline .. id)
  add('a' .. arrival .. id)
  for _, letter, path in step.nextClaim, claims, 1 do
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
  end
  local more, bit = count - 1, 0
  while more > 0 do
    if more % 2 == 1 then add('x' .. holder .. '\0' .. bit .. id) end
    more, bit = floor(more / 2), bit + 1
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
