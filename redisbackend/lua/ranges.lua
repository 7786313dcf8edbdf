-- Ranges of the ZSETs in lexical order.

-- scan calls visit with the members of a range, in order, until it returns false, or the operation is spent: then it
-- returns false too. After a page from which visit took nothing (it returns nil), advance, if given, says where to go on.
function step.scan(key, from, to, visit, advance)
  local some = '8'
  while true do
    local members = call('ZRANGEBYLEX', key, from, to, 'LIMIT', '0', some)
    local took = false
    for _, member in ipairs(members) do
      local go = visit(member)
      if go == false then return true end
      took = took or go
    end
    state.work = state.work + #members / 4
    if #members < some + 0 then return true end
    if step.spent() then return false end
    from = '(' .. members[#members]
    if advance and not took then
      from = advance(members[#members])
      if not from then return true end
    end
    some = '128'
  end
end

-- add adds members, each behind a '0', to a ZSET; remove removes members: in portions that fit Lua's stack.
function step.add(key, pairs)
  for from = 1, #pairs, 2000 do
    call('ZADD', key, unpack(pairs, from, min(from + 1999, #pairs)))
  end
  state.work, state.wrote = state.work + #pairs / 4, true
end

function step.remove(key, members)
  for from = 1, #members, 2000 do
    call('ZREM', key, unpack(members, from, min(from + 1999, #members)))
  end
  state.work, state.wrote = state.work + #members / 2, true
end

-- parentOf returns the path above this one, nil for the root.
function step.parentOf(path)
  if path == '' then return nil end
  return match(path, '^(.*)/') or ''
end

-- covers says whether a claim reaches a path.
function step.covers(claim, path)
  local own = claim.path
  if own == path then return true end
  return claim.tree and (own == '' or sub(path, 1, #own + 1) == own .. '/')
end

-- overlap says whether two claims exclude each other.
function step.overlap(a, b)
  return not (a.shared and b.shared) and (step.covers(a, b.path) or step.covers(b, a.path))
end

-- conflicts says whether some claim of r and this one exclude each other.
function step.conflicts(r, claim)
  for _, c in ipairs(step.claims(r)) do
    if step.overlap(c, claim) then return true end
  end
  return false
end

-- clash says whether some claims of two records exclude each other.
function step.clash(a, b)
  for _, claim in ipairs(step.claims(b)) do
    if step.conflicts(a, claim) then return true end
  end
  return false
end

-- treesOver returns the paths of tree claims that a ZSET has strictly above this path: those that are not there are
-- passed over without a look at each. Which is the nearest is kept for the operation.
function step.treesOver(key, path)
  local nearest, found, above = op.above[key] or {}, {}, step.parentOf(path)
  op.above[key] = nearest
  while above do
    if nearest[above] == nil then nearest[above] = step.treeOver(key, above) end
    local tree = nearest[above]
    if not tree then break end
    found[#found + 1] = tree
    above = step.parentOf(tree)
  end
  return found
end
