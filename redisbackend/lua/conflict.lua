-- What is in the way of a request: rules (a) and (b) of the lease package.

general[#general + 1] = function(step, keys, state, call, text)
  local MOST_BLOCKERS = 16 -- that a reply lists

  local function skipOf(r)
    if r.distinct then return nil end
    return r.holder
  end

  -- leasesBefore returns active leases that conflict with r, by claim and arrival, at most limit for each claim and one
  -- that may be mine; with 1 it stops at the first.
  local function leasesBefore(r, limit)
    local found, seen = {}, {}
    for _, claim in ipairs(r.claims) do
      repeat
        local all = step.leasesOver(claim, skipOf(r), limit + 1) or {}
        local alive = step.live(all)
        for _, e in ipairs(alive) do
          if not step.mine(e, r) and e.id ~= r.id and not seen[e.id] then
            seen[e.id] = true
            found[#found + 1] = e
          end
        end
        -- A page of nothing but ended ones says nothing about the rest.
      until #all <= limit or #alive > 0 or step.ends >= step.mostEnds
      if limit == 1 and found[1] then return found end
    end
    return found
  end

  -- blockingLeases returns active leases that conflict with r, by claim and arrival.
  function step.blockingLeases(r) return leasesBefore(r, step.mostCounted) end

  -- leaseBlocked says whether a lease is in the way of r: rule (a).
  function step.leaseBlocked(r) return leasesBefore(r, 1)[1] ~= nil end

  -- eachEarlier calls visit with the waiters before r that conflict with it, by claim and place, those of its own holder
  -- left out unless r is distinct, and those of claims where the exception excepts them all, until visit returns false.
  -- They are records only if that matters to visit (full), else their id, place and holder.
  local function eachEarlier(r, exception, full, visit)
    if state.waiting == 0 then return end
    local place, seen = step.placeOf(r), {}
    for _, claim in ipairs(r.claims) do
      local after, more = nil, true
      while more do
        local all = step.inLineOver(claim, skipOf(r), after, place, step.readAhead)
        more = #all == step.readAhead
        if more then after = all[step.readAhead].place end
        all = step.stillInLine(all)
        if all[1] and exception.hasAll(claim) then break end
        if full() then all = step.recordsOf(all) end
        for _, u in ipairs(all) do
          if u.id ~= r.id and not seen[u.id] then
            seen[u.id] = true
            if visit(u) == false then return end
          end
        end
        if step.ends >= step.mostEnds then return end
      end
    end
  end

  -- blockersOf returns what keeps r from being granted: list (ids and records of the first ones), count, waiters (how
  -- many of them wait), latest (deadline among them), and again: too many had ended to look at the rest. It
  -- records the ends that it comes across.
  function step.blockersOf(r)
    local block = { list = {}, count = 0, waiters = 0, latest = 0 }
    local listed = {}
    local function add(blocker, deadline)
      block.count = block.count + 1
      block.latest = math.max(block.latest, deadline)
      if #listed < MOST_BLOCKERS then listed[#listed + 1] = blocker end
    end
    for _, e in ipairs(step.blockingLeases(r)) do
      add(e, tonumber(e.deadline))
    end
    if state.waiting > 0 and block.count < step.mostCounted then
      local exception, found = step.newException(r), {}
      eachEarlier(r, exception, exception.owner, function(u)
        if exception.has(u) then return true end
        found[#found + 1] = u
        return block.count + #found < step.mostCounted
      end)
      if #r.claims > 1 then table.sort(found, step.byPlace) end
      for _, u in ipairs(found) do
        block.waiters = block.waiters + 1
        add(u, tonumber(call('ZSCORE', keys.lapses, u.id)))
      end
    end
    for i, u in ipairs(step.recordsOf(listed)) do
      block.list[2 * i - 1], block.list[2 * i] = u.id, u.text
    end
    block.again = step.ends >= step.mostEnds
    return block
  end

  -- grantable says whether r, a waiter, can be granted now: it looks no further than the first that is in the way.
  function step.grantable(r)
    if step.leaseBlocked(r) then return false end
    local exception, free = step.newException(r), true
    eachEarlier(r, exception, exception.owner, function(u)
      free = exception.has(u)
      return free
    end)
    return free
  end

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
