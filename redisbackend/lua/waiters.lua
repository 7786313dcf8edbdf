-- Where to find waiters: one ZSET in lexical order, with members of a prefix, a place (key and arrival, of fixed width),
-- ":", the id, NUL and the holder. The prefixes are
--
--   p path NUL letter       for each claim
--   t path NUL letter       for each tree claim
--   b ancestor NUL letter   for each strict ancestor of a claim: e, or f for a shared one
--   w                       instead of these, if they were more than MAX_ANCESTORS: such a waiter is looked at itself
--   h holder NUL            by holder
--   r id NUL                by the lease that the waiter would replace
--   c id NUL                by each lease of its chain
--   a                       of all, by arrival alone
--
-- so that whatever conflicts with a claim is a handful of ranges, each in the order of the queue. Each of the functions
-- here that return several waiters returns id, place and holder of each; recordsOf their records.

function step.placeOf(r)
  local place = r.place
  if not place then
    -- The clock of a wild machine may make a key negative.
    place = format('%014d', r.key + 1e13) .. '0' .. r.arrival
    r.place = place
  end
  return place
end

function step.byPlace(a, b) return a.place < b.place end

function step.waiterMembers(r, between)
  local tail = step.placeOf(r) .. ':' .. r.id .. '\0' .. r.holder
  local all, n, seen, ancestors, trees, shared = {}, 0, {}, {}, 0, 0
  local function add(member)
    if between then
      n = n + 1
      all[n] = between
    end
    n = n + 1
    all[n] = member
  end
  add('h' .. r.holder .. '\0' .. tail)
  add('a0' .. r.arrival .. ':' .. r.id .. '\0' .. r.holder)
  if r.replaceID ~= '' then add('r' .. r.replaceID .. '\0' .. tail) end
  for _, id in ipairs(step.chain(r)) do
    add('c' .. id .. '\0' .. tail)
  end
  for _, c in ipairs(step.claims(r)) do
    add('p' .. c.path .. '\0' .. c.letter .. tail)
    if c.tree then
      add('t' .. c.path .. '\0' .. c.letter .. tail)
      trees = trees + 1
    end
    if c.shared then shared = shared + 1 end
    local kind = c.shared and '\0f' or '\0e'
    local above = step.parentOf(c.path)
    while above and #ancestors <= MAX_ANCESTORS do
      local name = above .. kind
      if seen[name] then break end
      seen[name] = true
      ancestors[#ancestors + 1] = name
      above = step.parentOf(above)
    end
  end
  local wide = #ancestors > MAX_ANCESTORS
  if wide then add('w' .. tail) end
  for i = 1, wide and 0 or #ancestors do
    add('b' .. ancestors[i] .. tail)
  end
  return all, trees, shared, wide and 1 or 0, r.chain ~= '' and 1 or 0
end

local function count(n, trees, shared, wide, child)
  local function less(name, by) state[name] = state.waiting > 0 and max(state[name] + n * by, 0) or 0 end
  state.waiting = max(state.waiting + n, 0)
  less('waitingTrees', trees)
  less('waitingShared', shared)
  less('waitingWide', wide)
  state.children = max(state.children + n * child, 0)
end

-- nearWaiters returns those of r's claims that may overlap with what others wait for. An operation adds no others.
function step.nearWaiters(r)
  r.near = r.near or step.near(WAITERS, step.claims(r), r.inLine)
  return r.near
end

function step.addWaiter(r)
  step.nearWaiters(r) -- while its own are not among them
  r.inLine, op.above[WAITERS] = true, nil
  local all, trees, shared, wide, child = step.waiterMembers(r, '0')
  step.add(WAITERS, all)
  count(1, trees, shared, wide, child)
  call('ZADD', LAPSES, r.deadline, r.id)
end

function step.removeWaiter(r)
  r.inLine = false
  local all, trees, shared, wide, child = step.waiterMembers(r)
  step.remove(WAITERS, all)
  count(-1, trees, shared, wide, child)
  call('ZREM', LAPSES, r.id)
end

-- prefixesOver returns the prefixes of the ranges of what conflicts with a claim.
local function prefixesOver(claim)
  local prefixes, both = {}, not claim.shared and state.waitingShared > 0
  local function range(start, letter, shared)
    prefixes[#prefixes + 1] = start .. letter
    if both then prefixes[#prefixes + 1] = start .. shared end
  end
  local at = 'p' .. claim.path .. '\0'
  range(at, 'e', 'f')
  if state.waitingTrees > 0 then
    range(at, 't', 'u')
    for _, tree in ipairs(step.treesOver(WAITERS, claim.path)) do
      range('p' .. tree .. '\0', 't', 'u')
    end
  end
  if claim.tree then
    range('b' .. claim.path .. '\0', 'e', 'f')
    if state.waitingWide > 0 then prefixes[#prefixes + 1] = 'w' end
  end
  return prefixes
end

-- inLine adds to found what a prefix' range has, in order, after and before these places, if given, without the
-- waiters of the holder skip, if given, and at most limit.
local function inLine(found, seen, prefix, claim, skip, after, before, limit)
  local taken = 0
  local from = after and '(' .. prefix .. after .. ';' or '[' .. prefix -- ";" is what comes after ":"
  step.scan(WAITERS, from, '(' .. prefix .. (before or ':'), function(member)
    local place, id, holder = match(member, '^(%d+):([^%z]*)%z(.*)', #prefix + 1)
    if holder == skip or (prefix == 'w' and not step.conflicts(step.read(id), claim)) then return nil end
    taken = taken + 1
    if not seen[id] then
      seen[id] = true
      found[#found + 1] = { place = place, id = id, holder = holder }
    end
    return taken < limit
  end)
end

-- waitersOver returns those recorded as pending with a claim that conflicts with this one, by place: see inLine.
function step.waitersOver(claim, skip, after, before, limit)
  local found, seen = {}, {}
  local prefixes = prefixesOver(claim)
  for _, prefix in ipairs(prefixes) do
    inLine(found, seen, prefix, claim, skip, after, before, limit)
  end
  if #prefixes > 1 then
    table.sort(found, step.byPlace)
    for i = #found, limit + 1, -1 do
      found[i] = nil
    end
  end
  return found
end

-- stillInLine records the ends of those who have lapsed, and returns the others: without a look at each while nobody at
-- all has.
function step.stillInLine(found)
  if not found[1] then return found end
  if op.noneLapsed == nil then op.noneLapsed = state.silent <= now and state.children == 0 and call('ZCOUNT', LAPSES, '-inf', nowText) == 0 end
  if op.noneLapsed then return found end
  local kept = {}
  for i, deadline in ipairs(step.deadlinesOf(found)) do
    local id = found[i].id
    local gone = deadline <= now or step.isGone(id)
    local r = (gone or state.children > 0) and step.read(id)
    if gone then
      if r and r.status == 'p' and not step.endedEnough() then
        if r.deadline > nowText then r.deadline = nowText end -- its process is gone
        step.expire(r)
      end
    elseif not r or r.chain == '' or step.underActive(r) then
      kept[#kept + 1] = found[i]
    end
  end
  return kept
end

-- deadlinesOf returns when each of these lapses.
function step.deadlinesOf(found)
  local ids = {}
  for i, u in ipairs(found) do
    ids[i] = u.id
  end
  local deadlines = ids[1] and call('ZMSCORE', LAPSES, unpack(ids)) or {}
  state.work = state.work + #ids / 4
  for i = 1, #ids do
    deadlines[i] = (deadlines[i] or 0) + 0
  end
  return deadlines
end

function step.recordsOf(found)
  local ids = {}
  for i, u in ipairs(found) do
    ids[i] = u.id
  end
  return (step.readAll(ids))
end

-- everyWaiter returns the waiters of a prefix, by place, at most limit if given.
local function everyWaiter(prefix, limit)
  local found = {}
  if state.waiting > 0 and limit ~= 0 then
    step.scan(WAITERS, '[' .. prefix, '(' .. prefix .. ':', function(member)
      local place, id, holder = match(member, '^(%d+):([^%z]*)%z(.*)', #prefix + 1)
      found[#found + 1] = { place = place, id = id, holder = holder }
      return #found ~= limit
    end)
  end
  return found
end

function step.waitersOf(holder, limit) return everyWaiter('h' .. holder .. '\0', limit) end

function step.replacing(id) return everyWaiter('r' .. id .. '\0', MAX_WALKED) end

-- under returns the waiters that have this lease in their chain.
function step.waitersUnder(id, limit) return everyWaiter('c' .. id .. '\0', limit) end

-- liveWaitersOf returns the records of a holder's waiters that have not lapsed.
function step.liveWaitersOf(holder, limit)
  return step.live(step.recordsOf(step.stillInLine(step.waitersOf(holder, limit))))
end
