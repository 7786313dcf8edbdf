-- The bypass rule: which earlier waiters a request need not stand behind, since they wait for its holder.

-- held returns active leases of a holder, none if it has none: then it records the ends that it comes across. And it says
-- whether these are all.
function step.held(holder, some)
  while true do
    local all, kept = step.leasesOf(holder, some), {}
    for _, e in ipairs(all) do
      if not step.over(e) then kept[#kept + 1] = e end
    end
    if kept[1] then return kept, #all < some end
    step.live(all) -- so the next look finds others
    if #all < some or step.endedEnough() then return kept, #all < some end
    some = MAX_ENDS
  end
end

function step.hasLease(holder) return step.held(holder, 1)[1] ~= nil end

-- owns says whether somebody could wait for r's holder: it has a lease, or names one.
function step.owns(r)
  if r.replaceID ~= '' or r.parentID ~= '' then return true end
  return (not r.distinct or state.children > 0) and step.hasLease(r.holder) -- a distinct one has what its sub-leases lie under
end

-- activeOf returns the active ones among the leases with these IDs.
local function activeOf(ids)
  local found = {}
  for _, e in ipairs(step.readAll(ids)) do
    if e.status == 'a' and not step.over(e) then found[#found + 1] = e end
  end
  return found
end

-- counts says whether a lease of a holder lets others wait for that holder: a sub-lease only while its parent is active.
-- Else an orphan could renew itself past those in line.
function step.counts(e)
  if e.parentID == '' then return true end
  local parent = step.read(e.parentID)
  return parent and parent.status == 'a' and parent.token == e.parentToken and not step.over(parent)
end

-- ancestorsOf returns the active leases, of others, under which the active leases of r's holder stand, and r itself.
function step.ancestorsOf(r)
  local ids, seen = {}, {}
  local function add(u)
    for _, id in ipairs(step.chain(u)) do
      if not seen[id] then
        seen[id] = true
        ids[#ids + 1] = id
      end
    end
  end
  if r.chain ~= '' then add(r) end
  if state.children > 0 then
    for _, e in ipairs(step.leasesOf(r.holder, MAX_CONTENTION)) do
      if e.chain ~= '' and not step.over(e) and step.counts(e) then add(e) end
    end
  end
  return activeOf(ids)
end

-- holdsAll says whether the holder of r has a lease that is in the way of all others who conflict with this claim.
local function holdsAll(r, claim)
  if r.distinct or state.children > 0 then return false end
  local function has(prefix, path, letter)
    local at = '(' .. prefix .. r.holder .. '\0' .. path .. '\0'
    local first = step.first(INDEX, at .. letter, at .. letter .. '\255')
    local e = first and step.read(match(first, '%z[eftu]([^%z]*)$'))
    return e and not step.over(e)
  end
  local function at(path, tree)
    if has('h', path, 't') or (not tree and has('h', path, 'e')) then return true end
    return claim.shared and state.shared > 0 and (has('g', path, 'u') or (not tree and has('g', path, 'f')))
  end
  if at(claim.path, claim.tree) then return true end
  if state.trees > 0 then
    for _, tree in ipairs(step.treesOver(INDEX, claim.path)) do
      if at(tree, true) then return true end
    end
  end
  return false
end

-- bypass answers for r which earlier waiters it need not stand behind: those that wait for its holder, for the lease that it
-- gives up, or for one under which it or its holder stands. Most requests never ask, as nobody is earlier, or nobody can
-- wait for a holder that has nothing.
function step.bypass(r)
  local bypass, owner, others, walk = {}, nil, nil, nil

  local function isOwner()
    if owner == nil then owner = step.owns(r) end
    return owner
  end

  -- blocks says whether a lease that counts for r is in the way of u.
  local function blocks(u)
    if not others then
      others = step.ancestorsOf(r)
      local old = r.replaceID ~= '' and step.read(r.replaceID)
      if old and old.status == 'a' and not step.over(old) then others[#others + 1] = old end
    end
    for _, e in ipairs(others) do
      if not step.mine(e, u) and step.clash(e, u) then return true end
    end
    return not r.distinct and step.blockedBy(u, r.holder, step.counts)
  end

  -- has says whether r need not stand behind u.
  function bypass.has(u)
    if not isOwner() then return false end
    walk = walk or step.walk(blocks, r)
    return walk.meets(step.read(u.id))
  end

  -- all says whether r need not stand behind anybody who conflicts with its claim.
  function bypass.all(claim) return isOwner() and holdsAll(r, claim) end

  return bypass
end
