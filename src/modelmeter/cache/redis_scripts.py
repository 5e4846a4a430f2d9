"""
What the Redis store asks of the server, each in one step there.

Times are the server's own, so no node's clock makes an answer younger. All keys of a tenant bear
one hash tag, so that in a cluster they lie together.
"""

__all__ = ["CLAIM", "FORGET", "GET", "PUT", "RELEASE", "REMARK", "USAGE"]

_PRELUDE = """
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function drop(index, sizes, name)
  local size = redis.call('HGET', sizes, name)
  if size then
    redis.call('HINCRBY', sizes, 'total', -size)
    redis.call('HDEL', sizes, name)
  end
  return redis.call('ZREM', index, name)
end
local function prune(index, sizes, now, most)
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', index, '-inf', now, 'LIMIT', 0, most)) do
    drop(index, sizes, name)
  end
end
"""

GET = (
    _PRELUDE
    + """
-- keys: answer, remark, index, sizes; argument: name
local answer = redis.call('GET', KEYS[1])
if answer then return {answer, redis.call('PTTL', KEYS[1])} end
local remark = redis.call('GET', KEYS[2])
local ends = remark and string.match(remark, '^stored ?(%d*)$')
if remark and not ends then return {false, remark} end
-- Remark and index may have made room as well; either of them tells what was there.
ends = tonumber(ends) or redis.call('ZSCORE', KEYS[3], ARGV[1])
if not ends then return {false, remark and 'expired' or 'first_seen'} end
drop(KEYS[3], KEYS[4], ARGV[1])
local left = math.floor(ends - now_ms())
if left <= 0 then return {false, 'expired'} end
redis.call('SET', KEYS[2], 'evicted', 'PX', math.max(left, redis.call('PTTL', KEYS[2])))
return {false, 'evicted', 1}
"""
)

PUT = (
    _PRELUDE
    + """
-- keys: answer, remark, index, sizes; arguments: name, answer, lifetime, size, memory of it
local now = now_ms()
prune(KEYS[3], KEYS[4], now, 100)
drop(KEYS[3], KEYS[4], ARGV[1])
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
local ends = string.format('%.0f', now + ARGV[3])
redis.call('SET', KEYS[2], 'stored ' .. ends, 'PX', ARGV[5])
redis.call('ZADD', KEYS[3], ends, ARGV[1])
redis.call('HSET', KEYS[4], ARGV[1], ARGV[4])
redis.call('HINCRBY', KEYS[4], 'total', ARGV[4])
for _, key in ipairs({KEYS[3], KEYS[4]}) do
  if redis.call('PTTL', key) < tonumber(ARGV[5]) then redis.call('PEXPIRE', key, ARGV[5]) end
end
return 1
"""
)

REMARK = """
-- keys: answer, remark; arguments: remark, memory of it
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
end
return 1
"""

FORGET = (
    _PRELUDE
    + """
-- keys: index, sizes, then answer and remark of each name; arguments: the names
local gone = 0
for place, name in ipairs(ARGV) do
  gone = gone + redis.call('UNLINK', KEYS[2 * place + 1])
  redis.call('UNLINK', KEYS[2 * place + 2])
  drop(KEYS[1], KEYS[2], name)
end
return gone
"""
)

USAGE = (
    _PRELUDE
    + """
-- keys: index, sizes
prune(KEYS[1], KEYS[2], now_ms(), 1000)
return {redis.call('ZCARD', KEYS[1]), tonumber(redis.call('HGET', KEYS[2], 'total') or 0)}
"""
)

CLAIM = """
-- keys: claim; arguments: holder, lease
local holder = redis.call('GET', KEYS[1])
if holder == 'alone' then return 'alone' end
if holder and holder ~= ARGV[1] then return 'wait' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 'lead'
"""

RELEASE = """
-- keys: claim; arguments: holder, 'alone' or '', how long that stands
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == 'alone' then
  redis.call('SET', KEYS[1], 'alone', 'PX', ARGV[3])
else
  redis.call('DEL', KEYS[1])
end
return 1
"""
