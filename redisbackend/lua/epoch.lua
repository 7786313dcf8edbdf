-- The epoch names one life of the namespace: "<ms> <i or a> <random>", made when the namespace is new (i), and when
-- an operator acknowledges that the store went back in time (a). A process remembers the epoch and the highest token
-- that it saw. A store whose token is lower, or whose epoch is another one, was restored, wiped, or is a replica that
-- had not kept up: it grants nothing to that process, unless the epoch is a newer one made by an acknowledgement.

-- regressed returns the reply to a process that knows this epoch and token, or nil if the store may grant.
local function regressed(known, seen)
  if known == epoch then
    if seen <= counters.token then return nil end
  elseif epoch then
    local made = match(epoch, '^(%d+) a ')
    if made and tonumber(made) > tonumber(match(known, '^%d+')) then return nil end
  end
  return { 'regressed', epoch or '', text(counters.token) }
end

local function begin(kind, random)
  epoch = format('%.0f ', now) .. kind .. ' ' .. random
  call('HSET', STATE, 'epoch', epoch)
  wrote = true
end

local function known() return { epoch, text(counters.token), configText } end

-- Arguments: a random text, the configuration of a new namespace. Replies with the epoch, the newest token and the
-- configuration.
operation('open', function(a)
  if not epoch then
    begin('i', a[1])
    if not config then
      readConfig(a[2])
      call('HSET', STATE, 'config', configText)
    end
  end
  return known()
end)

-- Arguments: as open's.
operation('acknowledge', function(a)
  counters.token = math.max(counters.token, now * 1024)
  begin('a', a[1])
  if not config then
    readConfig(a[2])
    call('HSET', STATE, 'config', configText)
  end
  return known()
end)
