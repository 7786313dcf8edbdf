-- Where to find leases, but for those that are fresh (fresh.lua). What has not ended is in one ZSET in lexical order, so
-- that one command writes all that a lease needs (overlap.lua makes them):
--
--   p path NUL letter id              an exclusive claim of an active lease, by path
--   s path NUL letter id              a shared one
--   h holder NUL path NUL letter id   an exclusive one, by holder
--   g holder NUL path NUL letter id   a shared one, by holder
--   t path NUL letter id              a tree claim
--   c id NUL holder NUL id            a sub-lease, by each lease of its chain
--   x holder NUL bit id               a lease of several claims: each bit (0 to 7) of how many it has beyond one
--   d deadline id                     an active lease, by deadline (14 digits)
--   a arrival id                      a lease or waiter, by arrival (14 digits)
--
-- So what is at a path, what is below it ("path/" to "path0") and what a holder has are ranges.

function step.deadlineMember(r) return 'd' .. r.deadline .. r.id end

function step.arrivalMember(r) return 'a' .. r.arrival .. r.id end

-- chained returns what the lease has in the index for its chain, each after between, if given.
local function chained(r, between)
  local all = {}
  for _, id in ipairs(step.chain(r)) do
    if between then all[#all + 1] = between end
    all[#all + 1] = 'c' .. id .. '\0' .. r.holder .. '\0' .. r.id
  end
  return all
end

function step.addLease(r)
  op.above[INDEX], op.few, op.over = nil, {}, {}
  step.addMembers(r.deadline, r.arrival, r.claimsText, r.holder, r.id)
  if r.chain == '' then return end
  step.add(INDEX, chained(r, '0'))
  state.children = state.children + 1
end

function step.removeLease(r)
  op.over = {}
  step.removeMembers(r.deadline, r.arrival, r.claimsText, r.holder, r.id)
  if r.chain == '' then return end
  step.remove(INDEX, chained(r))
  state.children = max(state.children - 1, 0)
end

-- holdersUnder returns some holders of leases that have this lease in their chain.
function step.holdersUnder(id)
  local found, seen = {}, {}
  step.scan(INDEX, '(c' .. id .. '\0', '(c' .. id .. '\1', function(member)
    local holder = match(member, '^([^%z]*)', #id + 3)
    if not seen[holder] then
      seen[holder] = true
      found[#found + 1] = holder
    end
    return #found < MAX_WALKED
  end)
  return found
end

-- beyondOwn returns the start of the range of members by path after this one, up to the end of the range "to", that
-- begins with one that is not the holder's; nil if there is none. It finds it by counting, in both orders, not by
-- looking at each: a holder may have any number of leases below a tree that it asks for.
local function beyondOwn(holder, last, to)
  local own = (sub(last, 1, 1) == 'p' and 'h' or 'g') .. holder .. '\0'
  local first = call('ZRANK', INDEX, last) + 1
  local final = first + call('ZLEXCOUNT', INDEX, '(' .. last, to) - 1
  if final < first then return nil end
  local function foreign(rank) -- whether there is one among the members from first to rank
    local upto = call('ZRANGE', INDEX, rank, rank)[1]
    return rank - first + 1 > call('ZLEXCOUNT', INDEX, '(' .. own .. sub(last, 2), '[' .. own .. sub(upto, 2))
  end
  if not foreign(final) then return nil end
  local low, high = first, final
  while low < high do
    local middle = floor((low + high) / 2)
    if foreign(middle) then high = middle else low = middle + 1 end
  end
  return '[' .. call('ZRANGE', INDEX, low, low)[1]
end

-- eachOver calls visit with the IDs of active leases that have a claim which conflicts with this one: of one holder only,
-- if given. It ends when visit returns false, and returns false if the operation is spent before that. skip is a holder
-- whose leases are not meant: visit returns nil for what is to be passed over. trees, if given, has the trees above other
-- claims that were seen to already: these are passed over, and those of this claim are added.
function step.eachOver(claim, holder, skip, visit, trees)
  local path, going, complete = claim.path, true, true
  -- Many who wait ask the same: so what is few is remembered for the operation.
  local name = not holder and not claim.tree and claim.letter .. path
  for _, id in ipairs(name and op.over[name] or {}) do
    if visit(id) == false then return true end
  end
  if name and op.over[name] then return true end
  local ids = {}
  local function range(prefix, from, to, advance)
    if not going then return end
    local stop = '(' .. prefix .. to
    local all = step.scan(INDEX, '(' .. prefix .. from, stop, function(member)
      local id = match(member, '%z[eftu]([^%z]*)$')
      ids[#ids + 1] = id
      local go = visit(id)
      if go == false then going = false end
      return go
    end, advance and skip and function(last) return beyondOwn(skip, last, stop) end)
    complete = complete and all
  end
  local function kinds(from, to, advance)
    range(holder and 'h' .. holder .. '\0' or 'p', from, to, advance)
    if not claim.shared and state.shared > 0 then range(holder and 'g' .. holder .. '\0' or 's', from, to, advance) end
  end
  kinds(path .. '\0', path .. '\1')
  if state.trees > 0 then
    for _, tree in ipairs(step.treesOver(INDEX, path)) do
      local own = claim.shared and 'u' .. tree or 't' .. tree
      if trees and trees[own] then name = nil else kinds(tree .. '\0t', tree .. '\0v') end
      if trees then trees[own] = true end
    end
  end
  if claim.tree then
    local from, to = path .. '/', path .. '0'
    if path == '' then from, to = '\1', '\255' end
    kinds(from, to, true)
  end
  if name and going and complete and #ids <= MAX_PAGE then op.over[name] = ids end
  return complete
end

-- leasesOf returns up to limit of a holder's records recorded as active.
function step.leasesOf(holder, limit)
  local found, seen = {}, {}
  local function take(member)
    local id = match(member, '%z[eftu]([^%z]*)$')
    if not seen[id] then
      seen[id] = true
      found[#found + 1] = step.read(id) or nil
    end
    return #found < limit
  end
  step.scan(INDEX, '[h' .. holder .. '\0', '(h' .. holder .. '\1', take)
  if state.shared > 0 and #found < limit then step.scan(INDEX, '[g' .. holder .. '\0', '(g' .. holder .. '\1', take) end
  return found
end

-- countOf returns how many leases and waiters a holder has, those whose time is over included; if that is fewer than so
-- many, it may count more of the leases, as many as they have claims.
function step.countOf(holder, enough)
  local function count(key, from, to) return call('ZLEXCOUNT', key, '[' .. from, '(' .. to) end
  local function its(prefix, key) return count(key, prefix .. holder .. '\0', prefix .. holder .. '\1') end
  local n = its('h', INDEX) + its('g', INDEX)
  if state.waiting > 0 then n = n + its('h', WAITERS) end
  for bit = 0, n < enough and -1 or 7 do
    local several = 'x' .. holder .. '\0'
    n = n - 2 ^ bit * count(INDEX, several .. bit, several .. bit + 1)
  end
  return n
end

-- live records the ends of those whose time is over, and returns the others.
function step.live(records)
  local kept = {}
  for _, r in ipairs(records) do
    if step.over(r) then
      step.expire(r)
    elseif not step.hasEnded(r) then
      kept[#kept + 1] = r
    end
  end
  return kept
end
