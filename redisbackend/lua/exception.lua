-- Who waits for whom, and so the exception of rule (b): which earlier waiters a request need not stand behind.

general[#general + 1] = function(step, keys, state, call, text)
  -- mine says whether the lease e never blocks r: it is of the same holder, or the one that r gives up.
  function step.mine(e, r) return e.id == r.replaceID or (e.holder == r.holder and not r.distinct) end

  -- hasLease says whether a holder has one. It records the ends that it comes across.
  function step.hasLease(holder)
    local first = step.leasesOf(holder, 1)[1]
    if not first then return false end
    if not step.over(first) then return true end
    while true do
      local all = step.leasesOf(holder, step.mostEnds)
      for _, e in ipairs(all) do
        if not step.over(e) then return true end
      end
      step.live(all) -- records their ends, so the next look finds others
      if #all < step.mostEnds or step.ends >= step.mostEnds then return false end
    end
  end

  -- owns says whether somebody could wait for r's holder: it has a lease, or names one.
  function step.owns(r)
    if r.replaceID ~= '' then return true end
    if r.distinct then return false end
    return step.hasLease(r.holder)
  end

  -- standsBehind says whether u stands behind r in the queue.
  local function standsBehind(u, r)
    if u.holder == r.holder or step.placeOf(r) >= step.placeOf(u) then return false end
    for _, claim in ipairs(r.claims) do
      if step.conflicts(u, claim) then return true end
    end
    return false
  end

  -- A waiter waits for a holder if a lease of that holder blocks it, or if a holder whose lease blocks it, or who has an
  -- earlier waiter that conflicts with it, has a waiter that waits for that holder. newWalk follows this relation, depth
  -- first, until it meets a lease that is the goal. What it has seen without meeting it need not be seen again; so each
  -- waiter is looked at once, however many start from it. The asker, if given, counts as a waiter, in the store or not yet,
  -- so that asking again does not change the answer. It looks at no more than most waiters, if given.
  local function newWalk(goal, asker, most)
    local left = most or math.huge
    local holders, waiters = {}, {} -- visited; true: it leads to the goal
    local swept = {} -- by claim: of which waiters that conflict with it the holders have been visited
    local blocking = {} -- what leases block, by whose they are not and claims
    local over = {} -- all leases over a claim, if they are few
    local trail = {} -- visited since the last start: pairs of a table and what is in it
    local walk = { order = {} }

    local function visit(seen, name)
      seen[name] = false
      trail[#trail + 1], trail[#trail + 2] = seen, name
    end

    local follow

    -- blockedBy returns the leases that block u, which has one claim, from those over it; false if these are many.
    local FEW = 8
    local function blockedBy(u)
      local claim = u.claims[1]
      local name = claim.letter .. claim.path
      if over[name] == nil then
        local all = step.leasesOver(claim, nil, FEW) or {}
        over[name] = #all < FEW and step.live(all)
      end
      local its = over[name] and {}
      for _, e in ipairs(its and over[name] or {}) do
        if not step.mine(e, u) and not step.hasEnded(e) then its[#its + 1] = e end
      end
      return its
    end

    local function from(u)
      local known = waiters[u.id]
      if known ~= nil or left == 0 then return known end
      left = left - 1
      visit(waiters, u.id)
      local met = follow(u)
      waiters[u.id] = met
      return met
    end

    function walk.fromHolder(holder)
      local known = holders[holder]
      if known ~= nil or left == 0 then return known end
      visit(holders, holder)
      walk.order[#walk.order + 1] = holder
      local met, listed = false, false
      local its = step.liveWaitersOf(holder, most and left)
      for i = #its, 1, -1 do -- what is ahead of the last is ahead of most
        met = from(its[i])
        if met then break end
        listed = listed or (asker and its[i].id == asker.id)
      end
      if not met and asker and not listed and asker.holder == holder then met = from(asker) end
      holders[holder] = met or false
      return met
    end

    -- ahead follows the holders of the waiters before u that conflict with its claim.
    local function ahead(u, claim)
      local name = claim.letter .. claim.path
      local s = swept[name] or { but = {} } -- before: up to which place; but: the first of each holder that was left out
      swept[name] = s
      local own, following = step.placeOf(u), {}
      for _, v in ipairs(s.but) do
        if v.holder ~= u.holder and v.place < own then following[#following + 1] = v.holder end
      end
      if not s.before or s.before < own then
        local from = s.before
        s.before = own
        local between = step.between(claim, from, own)
        if not most then step.recordsOf(between) end -- reads together what is needed one by one
        for _, v in ipairs(between) do
          if v.holder ~= u.holder then
            following[#following + 1] = v.holder
          elseif not s.but[v.holder] then
            s.but[v.holder] = true
            s.but[#s.but + 1] = v
          end
        end
      end
      for _, holder in ipairs(following) do
        if walk.fromHolder(holder) then return true end
      end
      return false
    end

    function follow(u)
      local alike = (u.distinct and 'd' or 'n') .. u.identity
      local leases = blocking[alike] or (#u.claims == 1 and blockedBy(u)) or step.blockingLeases(u)
      blocking[alike] = leases
      for _, e in ipairs(leases) do
        if goal(e) then return true end
      end
      for _, e in ipairs(leases) do
        if walk.fromHolder(e.holder) then return true end
      end
      for _, claim in ipairs(u.claims) do
        if ahead(u, claim) then return true end
      end
      return (asker and standsBehind(u, asker) and walk.fromHolder(asker.holder)) or false
    end

    -- meets says whether u waits for somebody with a lease that is the goal.
    function walk.meets(u)
      trail = {}
      local met = from(u)
      if met then
        -- What was left in the midst of is not known to lead nowhere.
        for i = 1, #trail, 2 do
          local seen, name = trail[i], trail[i + 1]
          if not seen[name] then seen[name] = nil end
        end
        swept = {}
      end
      return met
    end

    return walk
  end

  local MOST_WALKED = 64 -- waiters that are looked at to find whom to wake

  -- reachable returns the holders that this one waits for, through however many others, itself included: as many as it
  -- finds with a bounded look.
  function step.reachable(holder)
    local walk = newWalk(function() return false end, nil, MOST_WALKED)
    walk.fromHolder(holder)
    return walk.order
  end

  -- excepted returns the waiters that need not stand behind one of this holder, and behind whom nothing else keeps them:
  -- its own, if own says so, and those whose holder it waits for. None that a lease is in the way of.
  function step.excepted(holder, own)
    local found, seen, owners, left = {}, {}, {}, MOST_WALKED
    local function owns(u)
      if u.distinct or u.replaceID ~= '' then return step.owns(u) end
      if owners[u.holder] == nil then owners[u.holder] = step.owns(u) end
      return owners[u.holder]
    end
    for _, h in ipairs(step.reachable(holder)) do
      if left <= 0 then break end
      local waiters = step.liveWaitersOf(h, left)
      left = left - #waiters
      for _, u in ipairs(waiters) do
        if not seen[u.id] and ((own and h == holder) or owns(u)) and not step.leaseBlocked(u) then
          seen[u.id] = true
          found[#found + 1] = u
        end
      end
    end
    return found
  end

  -- holdsAll says whether the holder of r has a lease that is in the way of all others who conflict with this claim.
  local function holdsAll(r, claim)
    if r.distinct then return false end
    local function has(path, letters)
      local at = 'h' .. r.holder .. '\0' .. path .. '\0'
      for letter in string.gmatch(letters, '.') do
        local first = call('ZRANGEBYLEX', keys.index, '[' .. at .. letter, '(' .. at .. letter .. '\255', 'LIMIT', '0', '1')[1]
        if first and not step.over(step.read(string.sub(first, #at + 2))) then return true end
      end
      return false
    end
    local trees = claim.shared and 'tu' or 't'
    if has(claim.path, claim.tree and trees or (claim.shared and 'eftu' or 'et')) then return true end
    local found = false
    if state.trees > 0 then
      step.eachAncestor(claim.path, function(ancestor) found = found or has(ancestor, trees) end)
    end
    return found
  end

  -- newException answers for r which earlier waiters it need not stand behind: those that wait for its holder, or for the
  -- lease that it gives up. Most requests never ask, as nobody is earlier, or nobody can wait for a holder that has nothing.
  function step.newException(r)
    local exception, isOwner, walk = {}, nil, nil

    local function owner()
      if isOwner == nil then isOwner = step.owns(r) end
      return isOwner
    end

    -- has says whether r need not stand behind u.
    function exception.has(u)
      if not owner() then return false end
      walk = walk or newWalk(function(e) return step.mine(e, r) end, r)
      return walk.meets(u)
    end

    exception.owner = owner

    -- hasAll says whether r need not stand behind anybody who conflicts with its claim.
    function exception.hasAll(claim) return owner() and holdsAll(r, claim) end

    return exception
  end
end
