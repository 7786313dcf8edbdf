-- What is in the way of a request: rules (a) and (b) of the lease package.

general[#general + 1] = function(step, keys, state, call, text)
  local MOST_BLOCKERS = 16 -- that a reply lists

  -- mine says whether the lease e never blocks r: it is of the same holder, or the one that r gives up.
  local function mine(e, r) return e.id == r.replaceID or (e.holder == r.holder and not r.distinct) end

  local function skipOf(r)
    if r.distinct then return nil end
    return r.holder
  end

  -- blockingLeases returns active leases that conflict with r, by claim and arrival, at most step.mostCounted for each
  -- claim and one that may be mine.
  function step.blockingLeases(r)
    local found, seen = {}, {}
    for _, claim in ipairs(r.claims) do
      repeat
        local all = step.leasesOver(claim, skipOf(r), step.mostCounted + 1) or {}
        local alive = step.live(all)
        for _, e in ipairs(alive) do
          if not mine(e, r) and e.id ~= r.id and not seen[e.id] then
            seen[e.id] = true
            found[#found + 1] = e
          end
        end
        -- A page of nothing but ended ones says nothing about the rest.
      until #all <= step.mostCounted or #alive > 0 or step.ends >= step.mostEnds
    end
    return found
  end

  -- eachEarlier calls visit with the waiters before r that conflict with it, by claim and place, those of its own holder
  -- left out unless r is distinct, until visit returns false.
  function step.eachEarlier(r, visit)
    if state.waiting == 0 then return end
    local place, seen = step.placeOf(r), {}
    for _, claim in ipairs(r.claims) do
      local after = nil
      repeat
        local all = step.waitersOver(claim, skipOf(r), after, place, step.readAhead)
        local more = #all == step.readAhead
        if more then after = all[step.readAhead].place end
        for _, u in ipairs(step.live(all)) do
          if u.id ~= r.id and not seen[u.id] then
            seen[u.id] = true
            if visit(u) == false then return end
          end
        end
        if step.ends >= step.mostEnds then return end
      until not more
    end
  end

  function step.hasLease(holder)
    while true do
      local all = step.leasesOf(holder, step.mostEnds)
      if #all == 0 then return false end
      for _, e in ipairs(all) do
        if not step.over(e) then return true end
      end
      step.live(all) -- records their ends, so the next look finds others
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
  -- earlier waiter that conflicts with it, has a waiter that waits for that holder. walk follows this relation from a
  -- waiter, depth first, until it meets a lease that is the goal, and says whether it did. The asker, if given, counts as
  -- a waiter, in the store or not yet, so that asking again does not change the answer.
  local function newWalk(goal, asker)
    local walk = { holders = {}, waiters = {}, order = {} }

    local function fromHolder(holder)
      if walk.holders[holder] then return false end
      walk.holders[holder] = true
      walk.order[#walk.order + 1] = holder
      local known = false
      for _, u in ipairs(step.liveWaitersOf(holder)) do
        if walk.from(u) then return true end
        known = known or (asker and u.id == asker.id)
      end
      return not known and asker ~= nil and asker.holder == holder and walk.from(asker)
    end

    function walk.from(u)
      if walk.waiters[u.id] then return false end
      walk.waiters[u.id] = true
      local leases = step.blockingLeases(u)
      for _, e in ipairs(leases) do
        if goal(e) then return true end
      end
      for _, e in ipairs(leases) do
        if fromHolder(e.holder) then return true end
      end
      local met = false
      step.eachEarlier(u, function(v)
        if v.holder == u.holder then return true end
        met = fromHolder(v.holder)
        return not met
      end)
      if met or not asker or not standsBehind(u, asker) then return met end
      return fromHolder(asker.holder)
    end

    walk.fromHolder = fromHolder
    return walk
  end

  -- waitsFor says whether the waiter u waits for r's holder, or for the lease that r gives up: then r need not stand
  -- behind it.
  local function waitsFor(u, r)
    return newWalk(function(e) return mine(e, r) end, r).from(u)
  end

  -- reachable returns the holders that this one waits for, through however many others, itself included.
  function step.reachable(holder)
    local walk = newWalk(function() return false end)
    walk.fromHolder(holder)
    return walk.order
  end

  local function addBlocker(block, r)
    block.count = block.count + 1
    block.latest = math.max(block.latest, tonumber(r.deadline))
    if r.status == 'p' then block.waiters = block.waiters + 1 end
    if #block.list < 2 * MOST_BLOCKERS then
      block.list[#block.list + 1] = r.id
      block.list[#block.list + 1] = r.text
    end
  end

  -- blockersOf returns what keeps r from being granted: list (ids and records of the first ones), count, waiters (how
  -- many of them wait), latest (deadline among them), and again: too many had ended to step over all of them. It
  -- records the ends that it comes across.
  function step.blockersOf(r)
    local block = { list = {}, count = 0, waiters = 0, latest = 0 }
    for _, e in ipairs(step.blockingLeases(r)) do
      addBlocker(block, e)
    end
    if state.waiting > 0 and block.count < step.mostCounted then
      local isOwner, found = nil, {}
      step.eachEarlier(r, function(u)
        if isOwner == nil then isOwner = step.owns(r) end
        if isOwner and waitsFor(u, r) then return true end
        found[#found + 1] = u
        return block.count + #found < step.mostCounted
      end)
      if #r.claims > 1 then table.sort(found, step.byPlace) end
      for _, u in ipairs(found) do
        addBlocker(block, u)
      end
    end
    block.again = block.count == 0 and step.ends >= step.mostEnds
    return block
  end

  function step.grantable(r) return step.blockersOf(r).count == 0 end

  -- cycleOf returns the holders that wait for each other because r waits, r's first; nil if its wait can end. It
  -- follows leases only: the order in the queue never makes a deadlock, since rule (b) gives way. Distinct requests take
  -- no part.
  local MOST_SEARCHED = 64 -- holders
  function step.cycleOf(r)
    local visited, count = { [r.holder] = true }, 1
    local function search(u)
      local leases = step.blockingLeases(u)
      for _, e in ipairs(leases) do
        if u ~= r and e.holder == r.holder then return { u.holder } end
      end
      for _, e in ipairs(leases) do
        if count < MOST_SEARCHED and not visited[e.holder] then
          visited[e.holder] = true
          count = count + 1
          for _, v in ipairs(step.liveWaitersOf(e.holder)) do
            local rest = not v.distinct and search(v)
            if rest then
              table.insert(rest, 1, u.holder)
              return rest
            end
          end
        end
      end
      return nil
    end
    return search(r)
  end
end
