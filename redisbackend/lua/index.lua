-- Where to find records, all in one ZSET in lexical order, so that one command writes all that a lease needs:
--
--   p path NUL letter id              a claim of an active lease, by path
--   h holder NUL path NUL letter id   the same, by holder
--   d deadline id                     an active lease, by deadline (14 digits)
--   a arrival id                      a record of any status, by arrival (14 digits)
--
-- So what is at a path, what is below it ("path/" to "path0") and what a holder has are ranges. Ancestors are looked
-- up only while there are tree claims at all.

local function padded(number) return sub('00000000000000', 1, 14 - #number) .. number end

function step.deadlineMember(r) return 'd' .. padded(r.deadline) .. r.id end

function step.arrivalMember(r) return 'a' .. padded(r.arrival) .. r.id end

-- leaseMembers returns the members of an active lease and the number of its tree claims. They are scored: each
-- stands after a 0, as ZADD wants it, if zero is given.
local function leaseMembers(r, zero)
  local members, trees = {}, 0
  local n = 0
  local function put(member)
    if zero then
      n = n + 1
      members[n] = zero
    end
    n = n + 1
    members[n] = member
  end
  put(step.deadlineMember(r))
  for letter, path in string.gmatch(r.claimsText, '(%a)([^%z]*)%z') do
    local rest = path .. '\0' .. letter .. r.id
    put('p' .. rest)
    put('h' .. r.holder .. '\0' .. rest)
    if letter == 't' or letter == 'u' then trees = trees + 1 end
  end
  return members, trees
end

-- addLease puts an active lease into the index. first says that it had not arrived before.
function step.addLease(r, first)
  local members, trees = leaseMembers(r, '0')
  if first then
    members[#members + 1] = '0'
    members[#members + 1] = step.arrivalMember(r)
  end
  call('ZADD', INDEX, unpack(members)) -- 1026 at most
  counters.trees = counters.trees + trees
end

function step.removeLease(r)
  local members, trees = leaseMembers(r)
  call('ZREM', INDEX, unpack(members))
  step.wrote = true
  counters.trees = counters.trees - trees
end

-- leasesOver returns records recorded as active with a claim that conflicts with this one, by arrival, at most
-- limit, without those of the holder skip, if given; false if there is none, at the least cost.
function step.leasesOver(claim, skip, limit)
  local path = claim.path
  local at = '(p' .. path
  local first = call('ZRANGEBYLEX', INDEX, at .. '\0', at .. '\1', 'LIMIT', '0', '1')
  if not first[1] and not claim.tree and (counters.trees == 0 or path == '') then return false end
  return step.collectLeases(claim, skip, limit, first[1])
end
