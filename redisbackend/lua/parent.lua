-- What a request names besides its claims: the lease that it replaces, and the one that it stands under.

-- named returns the active lease that a Ref names, or the reply that says how it ended (and the lease, if it is known).
local function named(id, holder, its)
  local old = step.find(id)
  if not old then return nil, step.gone('not_found') end
  if old.holder ~= holder or old.token ~= its then return nil, step.gone('not_holder') end
  if old.status ~= 'a' then return old, step.endOf(old) end
  return old
end

-- replaced returns the lease that r would replace, if any.
function step.replaced(r)
  if r.replaceID == '' then return nil end
  return named(r.replaceID, r.replaceHolder, r.replaceToken)
end

-- within says whether a claim lies in one of another record's.
local function within(claim, parent)
  for _, c in ipairs(step.claims(parent)) do
    if step.covers(c, claim.path) and (c.tree or not claim.tree) and (claim.shared or not c.shared) then return true end
  end
  return false
end

local function bad(problem, detail) return nil, { 'bad_parent', problem, detail } end

-- parent returns the lease that r stands under, if any, as replaced does: the one that it names, or that of the lease which
-- it would replace. On the first ask it fixes the chain: the parent and the parent's chain.
function step.parent(r, old, first)
  if r.chain == '' and r.parentID == '' and (not old or old.chain == '') then return nil end
  local parent, problem
  if r.parentID ~= '' then
    parent, problem = named(r.parentID, r.parentHolder, r.parentToken)
  else
    parent, problem = step.activeParent(r.chain ~= '' and r or old)
  end
  if problem or not first then return parent, problem end
  if #step.chain(parent) >= MAX_CHAIN then return bad('chain', parent.id) end
  r.chain, r.ancestors = #parent.id .. ':' .. parent.id .. parent.chain, nil
  if r.replaceID ~= '' and step.inChain(r, r.replaceID) then return bad('replace', '') end
  for _, claim in ipairs(step.claims(r)) do
    if not within(claim, parent) then return bad('claims', claim.path) end
  end
  return parent
end

-- activeParent returns the lease that a record stands under, if that is active, or the reply that says how it ended (and the
-- lease, if it is known).
function step.activeParent(r)
  local parent = step.find(step.chain(r)[1])
  if not parent then return nil, step.gone('not_found') end
  if parent.status ~= 'a' then return parent, step.endOf(parent) end
  return parent
end

-- underActive says whether the parent of a waiter is active. If it is not, the waiter fails.
function step.underActive(r)
  local parent, problem = step.activeParent(r)
  if problem and r.status == 'p' and not step.endedEnough() then step.fail(r, parent, problem) end
  return problem == nil and r.status == 'p'
end

-- lasting returns the deadline of what is to last until some moment: no longer than its parent.
function step.lasting(moment, parent)
  return parent and step.padded(min(moment, parent.deadline + 0)) or step.padded(moment)
end
