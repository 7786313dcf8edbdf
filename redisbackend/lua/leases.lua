-- The claims of active leases, in lexical order: for each claim two members,
--
--   p path NUL letter id              by path
--   h holder NUL path NUL letter id   by holder
--
-- so that what is at a path, what is below it ("path/" to "path0") and what a holder has are ranges. Ancestors are
-- looked up only while there are tree claims at all.

local PAGE = 128 -- members that are read at a time

local function leaseMembers(r)
  local members = {}
  for _, c in ipairs(claimsOf(r)) do
    local rest = c.path .. '\0' .. c.letter .. r.id
    members[#members + 1] = 'p' .. rest
    members[#members + 1] = 'h' .. r.holder .. '\0' .. rest
    if c.tree then members.trees = (members.trees or 0) + 1 end
  end
  return members
end

-- add adds members to a ZSET in lexical order, in portions that fit Lua's stack; remove removes them.
local function add(key, members)
  local arguments = {}
  for i, member in ipairs(members) do
    arguments[#arguments + 1] = 0
    arguments[#arguments + 1] = member
    if #arguments == 2000 or i == #members then
      call('ZADD', key, unpack(arguments))
      arguments = {}
    end
  end
  wrote = true
end

local function remove(key, members)
  for from = 1, #members, 1000 do
    call('ZREM', key, unpack(members, from, math.min(from + 999, #members)))
  end
  wrote = true
end

local function addLease(r)
  local members = leaseMembers(r)
  add(LEASES, members)
  counters.trees = counters.trees + (members.trees or 0)
  call('ZADD', DEADLINES, text(r.deadline), r.id)
end

local function removeLease(r)
  local members = leaseMembers(r)
  remove(LEASES, members)
  counters.trees = counters.trees - (members.trees or 0)
  call('ZREM', DEADLINES, r.id)
end

-- eachAncestor calls visit with the paths above this one, the root last.
local function eachAncestor(path, visit)
  while path ~= '' do
    path = match(path, '^(.*)/') or ''
    visit(path)
  end
end

-- below returns the range of what lies strictly below a path.
local function below(path)
  if path == '' then return '[p\1', '(q' end
  return '[p' .. path .. '/', '(p' .. path .. '0'
end

-- scan calls visit with the members of a range, in order, until it returns false. After a page from which visit
-- took nothing (it returns nil), advance, if given, says where to go on.
local function scan(key, from, to, visit, advance)
  while true do
    local members = call('ZRANGEBYLEX', key, from, to, 'LIMIT', 0, PAGE)
    local took = false
    for _, member in ipairs(members) do
      local go = visit(member)
      if go == false then return end
      took = took or go
    end
    if #members < PAGE then return end
    from = '(' .. members[PAGE]
    if advance and not took then
      from = advance(members[PAGE])
      if not from then return end
    end
  end
end

-- beyondOwn returns the start of the range of members after this one, up to the end of the range "to", that begins
-- with one that is not the holder's; nil if there is none. It finds it by counting, in both orders, not by looking
-- at each: a holder may have any number of leases below a tree that it asks for.
local function beyondOwn(holder, last, to)
  local own = '[h' .. holder .. '\0'
  local function foreign(first, upto) -- among the members from rank first on, of which upto is the last
    local count = call('ZRANK', LEASES, upto) - first + 1
    return count > call('ZLEXCOUNT', LEASES, '(' .. sub(own, 2) .. sub(last, 2), own .. sub(upto, 2))
  end
  local first = call('ZRANK', LEASES, last) + 1
  local final = first + call('ZLEXCOUNT', LEASES, '(' .. last, to) - 1
  if final < first then return nil end
  local low, high = first, final
  if not foreign(first, call('ZRANGE', LEASES, high, high)[1]) then return nil end
  while low < high do
    local middle = math.floor((low + high) / 2)
    if foreign(first, call('ZRANGE', LEASES, middle, middle)[1]) then high = middle else low = middle + 1 end
  end
  return '[' .. call('ZRANGE', LEASES, low, low)[1]
end

local NONE = {}

-- leasesOver returns records recorded as active with a claim that conflicts with this one, by arrival, at most
-- limit, without those of the holder skip, if given.
local function leasesOver(claim, skip, limit)
  local path = claim.path
  local at = 'p' .. path .. '\0'
  local ids = call('ZRANGEBYLEX', LEASES, '[' .. at, '(p' .. path .. '\1', 'LIMIT', 0, 1)
  if #ids == 0 and not claim.tree and (counters.trees == 0 or path == '') then return NONE end

  local found, seen = {}, {}
  local function range(from, to, advance)
    local count = 0
    scan(LEASES, from, to, function(member)
      local letter, id = match(member, '%z(.)(.*)')
      if claim.shared and SHARED[letter] then return nil end
      if seen[id] then return true end
      local r = read(id)
      if r.holder == skip then return nil end
      seen[id] = true
      found[#found + 1] = r
      count = count + 1
      return count < limit
    end, advance)
  end
  if #ids > 0 then
    if claim.shared then
      range('[' .. at .. 'e', '(' .. at .. 'f')
      range('[' .. at .. 't', '(' .. at .. 'u')
    else
      range('[' .. at, '(p' .. path .. '\1')
    end
  end
  if counters.trees > 0 then
    eachAncestor(path, function(ancestor)
      local tree = 'p' .. ancestor .. '\0'
      range('[' .. tree .. 't', '(' .. tree .. (claim.shared and 'u' or 'v'))
    end)
  end
  if claim.tree then
    local from, to = below(path)
    range(from, to, skip and function(last) return beyondOwn(skip, last, to) end)
  end
  table.sort(found, byArrival)
  for i = #found, limit + 1, -1 do
    found[i] = nil
  end
  return found
end

-- leasesOf returns up to limit of a holder's records recorded as active.
local function leasesOf(holder, limit)
  local found, seen = {}, {}
  scan(LEASES, '[h' .. holder .. '\0', '(h' .. holder .. '\1', function(member)
    local id = match(member, '%z[^%z]*%z.(.*)')
    if not seen[id] then
      seen[id] = true
      found[#found + 1] = read(id)
    end
    return #found < limit
  end)
  return found
end
