-- The history. An event is a field, of kind SP at SP recorded NUL actor NUL reason NUL id, and its value, the record as it
-- then was; id and record are empty if it is about none. An entry has one or more, its ID is <number of the first>-0: so
-- what happened in one batch can be one entry. Kinds: q queued, g granted, n renewed, b relabelled, r released, e expired, l lapsed,
-- w withdrawn, v revoked, p replaced, t transferred, c config.

-- append writes an event: its kind, when it took effect, who and why, and the record as it is now, if it is about one.
function step.append(kind, at, r, actor, note)
  if not history or (kind == 'n' and not renewals) then return end
  local seq = state.seq + 1
  local about = kind .. ' ' .. at .. ' ' .. nowText .. '\0' .. actor .. '\0' .. note .. '\0' .. (r and r.id or '')
  call('XADD', HISTORY, step.text(seq) .. '-0', about, r and r.text or '')
  state.seq = seq
end

local function firstSeq(entry) return match(entry[1], '^%d+') + 0 end

-- lastSeq returns the number of an entry's last event.
function step.lastSeq(entry) return firstSeq(entry) + #entry[2] / 2 - 1 end

-- eachEntry calls visit with the entries of the history from the one that has this event on, the number of the first
-- event of each, and that of its last, until it returns false.
function step.eachEntry(seq, visit)
  local found = call('XREVRANGE', HISTORY, step.text(seq) .. '-0', '-', 'COUNT', 1)[1]
  local start, some = found and found[1] or '-', 2
  repeat
    local entries = call('XRANGE', HISTORY, start, '+', 'COUNT', some)
    local last
    for _, entry in ipairs(entries) do
      last = step.lastSeq(entry)
      if visit(entry[2], firstSeq(entry), last) == false then return end
    end
    start = last and step.text(last + 1) .. '-0'
    local full = #entries == some
    some = min(2 * some, 32)
  until not full
end

-- oldest returns the number of the oldest kept event, as text, or none.
function step.oldest(none)
  local first = call('XRANGE', HISTORY, '-', '+', 'COUNT', 1)[1]
  return first and match(first[1], '^%d+') or none
end

-- trim removes events, oldest first: those recorded at or before this moment (-1: none), and those beyond the newest that
-- are to be kept. It removes what was written together together, if all of it may go, and stops after limit events. It
-- returns how many.
function step.trim(before, most, limit)
  local n, kept = 0, false
  step.eachEntry(1, function(events, first, last)
    if match(events[1], '^%a %-?%d+ (%d+)') + 0 > before and state.seq - last < most then return false end
    n, kept = n + last - first + 1, last + 1
    return n < limit and not step.spent()
  end)
  if n > 0 then
    call('XTRIM', HISTORY, 'MINID', '=', step.text(kept) .. '-0')
    state.wrote = true
  end
  return n
end
