"""The transitions of an approval in Redis: each one Lua script, by the server's clock, safe to send twice.

Every script gets the same seven keys (all of one tenant, so of one hash slot) and `id`, `keep_ms` as its
first two arguments:

    KEYS[1]  hash    the task
    KEYS[2]  zset    open tasks of the tenant by deadline (ms): pending, or approved and not used
    KEYS[3]  zset    ended tasks by the time (ms) they are forgotten
    KEYS[4]  zset    all tasks by position, for listings
    KEYS[5]  zset    open tasks of the requester by deadline (ms)
    KEYS[6]  string  the open task of the fingerprint; lapses with it
    KEYS[7]  zset    pending tasks by the time (ms) at which a second group of approvers is asked

They answer `{outcome, HGETALL task, transitions}`. Each transition is also published, on a channel named like
the task's key, for those who wait; where the user may not publish, they learn of it later by looking.

Checks come before writes, and the first write is one that a full
server refuses (HSET), so that running out of memory leaves nothing half done.
"""

from __future__ import annotations

from typing import Final

_COMMON: Final = r"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, keep = ARGV[1], tonumber(ARGV[2])

local transitions = {}
local function happened(kind)
  transitions[#transitions + 1] = kind
  redis.pcall('PUBLISH', KEYS[1], kind)
end

local function answer(outcome) return {outcome, redis.call('HGETALL', KEYS[1]), transitions} end

local function outlive(key, at)  -- PEXPIREAT ... GT needs Redis 7
  if redis.call('PTTL', key) < at - now then redis.call('PEXPIREAT', key, at) end
end

local function wait_until(deadline)
  redis.call('ZADD', KEYS[2], deadline, id)
  redis.call('ZADD', KEYS[5], deadline, id)
  redis.call('SET', KEYS[6], id, 'PXAT', deadline)
  redis.call('PEXPIREAT', KEYS[1], deadline + keep)
  outlive(KEYS[5], deadline)
  for n = 2, 4 do outlive(KEYS[n], deadline + keep) end
end

local function finish(...)
  redis.call('HSET', KEYS[1], 'ended_at', now, ...)
  -- Microseconds tell apart what ends within one millisecond: the oldest is forgotten first.
  redis.call('ZADD', KEYS[3], now + keep + time[2] % 1000 / 1000, id)
  for n = 3, 4 do outlive(KEYS[n], now + keep) end
  redis.call('PEXPIREAT', KEYS[1], now + keep)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[5], id)
  redis.call('ZREM', KEYS[7], id)
  if redis.call('GET', KEYS[6]) == id then redis.call('DEL', KEYS[6]) end
end

local function settle(nonce)  -- the status now: pending, approved, used, ... or false for no such task
  local task = redis.call('HMGET', KEYS[1], 'status', 'deadline', 'consumed_at')
  local status = task[1]
  if status == 'approved' and task[3] then return 'used' end
  if (status == 'pending' or status == 'approved') and tonumber(task[2]) <= now then
    finish('status', 'expired', 'closed_by', nonce or '')
    happened('expired')
    return 'expired'
  end
  return status
end
"""

CREATE: Final = (
    _COMMON
    + r"""
local gone, max_open, max_mine, max_ended = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local fingerprint, requester, body, expires_in, use_within = ARGV[7], ARGV[8], ARGV[9], ARGV[10], ARGV[11]
local function forgettable()  -- what ended long ago, or is more than is kept
  local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 100)
  local surplus = math.min(redis.call('ZCARD', KEYS[3]) - max_ended, 100)
  return surplus > #old and redis.call('ZRANGE', KEYS[3], 0, surplus - 1) or old
end

if redis.call('EXISTS', KEYS[1]) == 1 then  -- sent again: a lost reply
  return {'ok', id, forgettable(), {}, {'requested'}}
end
local holder = redis.call('GET', KEYS[6])
if holder and holder ~= gone then return {'exists', holder, {}, {}, {}} end
local function open_in(key) return redis.call('ZCOUNT', key, '(' .. now, '+inf') end
if open_in(KEYS[5]) >= max_mine then return {'too_many_pending', id, {}, {}, {}} end
if open_in(KEYS[2]) >= max_open then return {'queue_full', id, {}, {}, {}} end

local newest = redis.call('ZREVRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2]
local position = math.max(now, newest and newest + 1 or 0)
local deadline = now + expires_in
redis.call('HSET', KEYS[1], 'status', 'pending', 'fingerprint', fingerprint, 'requester', requester,
  'body', body, 'position', position, 'created_at', now, 'expires_at', deadline, 'deadline', deadline,
  'use_within', use_within, 'requirements', (#ARGV - 11) / 2)
local escalates
for n = 1, (#ARGV - 11) / 2 do
  local required, after = ARGV[10 + 2 * n], tonumber(ARGV[11 + 2 * n])
  redis.call('HSET', KEYS[1], 'required:' .. n, required, 'received:' .. n, 0)
  if after > 0 then
    redis.call('HSET', KEYS[1], 'escalates:' .. n, now + after)
    escalates = math.min(escalates or now + after, now + after)
  end
end
redis.call('ZADD', KEYS[4], position, id)
wait_until(deadline)
if escalates then
  redis.call('ZADD', KEYS[7], escalates, id)
  outlive(KEYS[7], deadline)
end

redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[7], '-inf', now - keep)
local lapsed = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 20)
happened('requested')
-- The caller settles and forgets these: their keys are not declared here.
return {'ok', id, forgettable(), lapsed, transitions}
"""
)

VOTE: Final = (
    _COMMON
    + r"""
local approver, verdict, nonce, body, person = ARGV[3], ARGV[4], ARGV[5], ARGV[6], 'voter:' .. ARGV[7]
local field = 'vote:' .. approver
local cast = redis.call('HGET', KEYS[1], field)
if cast and string.match(cast, '^%d+ (%S+) ') == nonce then  -- sent again: a lost reply
  local ended = redis.call('HMGET', KEYS[1], 'status', 'closed_by')
  transitions = {verdict == 'deny' and 'denied' or 'voted'}
  if verdict ~= 'deny' and ended[1] == 'approved' and ended[2] == nonce then transitions[2] = 'approved' end
  return answer('ok')
end
if settle() ~= 'pending' then return answer('closed') end
if redis.call('HGET', KEYS[1], 'requester') == approver then return answer('self_approval') end
-- One person may have several spellings, and use them at the same moment.
if cast or redis.call('HGET', KEYS[1], person) then return answer('already_voted') end
if verdict == 'deny' then
  finish('status', 'denied', field, now .. ' ' .. nonce .. ' - ' .. body)
  happened('denied')
  return answer('ok')
end

local counted = {}
for n = 8, #ARGV do
  local votes = redis.call('HMGET', KEYS[1], 'received:' .. ARGV[n], 'required:' .. ARGV[n])
  if tonumber(votes[1]) < tonumber(votes[2]) then counted[#counted + 1] = ARGV[n] end
end
if #counted == 0 then return answer('not_eligible') end
redis.call('HSET', KEYS[1], field, now .. ' ' .. nonce .. ' ' .. table.concat(counted, ',') .. ' ' .. body,
  person, 1)
for _, n in ipairs(counted) do redis.call('HINCRBY', KEYS[1], 'received:' .. n, 1) end
happened('voted')

for n = 1, tonumber(redis.call('HGET', KEYS[1], 'requirements')) do
  local votes = redis.call('HMGET', KEYS[1], 'received:' .. n, 'required:' .. n)
  if tonumber(votes[1]) < tonumber(votes[2]) then return answer('ok') end
end
local until_then = now + redis.call('HGET', KEYS[1], 'use_within')
redis.call('HSET', KEYS[1], 'status', 'approved', 'approved_at', now, 'approved_until', until_then,
  'deadline', until_then, 'closed_by', nonce)
wait_until(until_then)
redis.call('ZREM', KEYS[7], id)
happened('approved')
return answer('ok')
"""
)

CLOSE: Final = (
    _COMMON
    + r"""
local step, nonce = ARGV[3], ARGV[4]
local kind = step == 'supersede' and 'superseded' or 'cancelled'
if redis.call('HGET', KEYS[1], 'closed_by') == nonce then  -- sent again: a lost reply
  transitions = {kind}
  return answer('ok')
end
local status = settle()
if status == 'pending' or (step == 'supersede' and status == 'approved') then
  finish('status', 'cancelled', 'superseded', step == 'supersede' and 1 or 0, 'closed_by', nonce)
  happened(kind)
  return answer('ok')
end
return answer('closed')
"""
)

CONSUME: Final = (
    _COMMON
    + r"""
local fingerprint, requester, nonce = ARGV[3], ARGV[4], ARGV[5]
local task = redis.call('HMGET', KEYS[1], 'fingerprint', 'requester', 'nonce')
if not task[1] then return {'missing', {}, {}} end
if task[1] ~= fingerprint or task[2] ~= requester then return {'mismatch', {}, {}} end
if task[3] == nonce then  -- sent again: a lost reply
  redis.call('HSET', KEYS[1], 'nonce', nonce)  -- WAIT on this connection is to cover the first attempt too
  transitions = {'consumed'}
  return answer('ok')
end
if settle() ~= 'approved' then return answer('closed') end
finish('consumed_at', now, 'nonce', nonce)
happened('consumed')
return answer('ok')
"""
)

RELEASE: Final = (
    _COMMON
    + r"""
local nonce = ARGV[3]
if redis.call('HGET', KEYS[1], 'nonce') ~= nonce then return answer('closed') end
redis.call('HDEL', KEYS[1], 'consumed_at', 'nonce', 'ended_at')
redis.call('ZREM', KEYS[3], id)
local task = redis.call('HMGET', KEYS[1], 'fingerprint', 'deadline')
if not redis.call('GET', KEYS[6]) then wait_until(tonumber(task[2])) end
settle()
return answer('ok')
"""
)
"""Undo a consumption that no replica has confirmed, before its handler runs."""

ESCALATE: Final = (
    _COMMON
    + r"""
local nonce = ARGV[3]
if redis.call('HGET', KEYS[1], 'escalated_by') == nonce then  -- sent again: a lost reply
  transitions = {'escalated'}
  return answer('ok')
end
if settle() ~= 'pending' then
  redis.call('ZREM', KEYS[7], id)
  return answer('closed')
end
local later
for n = 1, tonumber(redis.call('HGET', KEYS[1], 'requirements')) do
  local group = redis.call('HMGET', KEYS[1], 'escalates:' .. n, 'escalated:' .. n)
  if group[1] and not group[2] then
    if tonumber(group[1]) <= now then
      redis.call('HSET', KEYS[1], 'escalated:' .. n, now, 'escalated_by', nonce)
      if #transitions == 0 then happened('escalated') end
    else
      later = math.min(later or tonumber(group[1]), tonumber(group[1]))
    end
  end
end
if later then redis.call('ZADD', KEYS[7], later, id) else redis.call('ZREM', KEYS[7], id) end
return answer('ok')
"""
)
"""Open the requirements whose time has come to their second group of approvers."""

DUE: Final = r"""
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due, soonest = {}, false
for n = 1, 2 do  -- open tasks by deadline, pending ones by escalation
  due[n] = redis.call('ZRANGEBYSCORE', KEYS[n], '-inf', now, 'LIMIT', 0, 100)
  local next = redis.call('ZRANGEBYSCORE', KEYS[n], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  if next and (not soonest or tonumber(next) < soonest) then soonest = tonumber(next) end
end
return {due[1], due[2], soonest and math.max(0, soonest - now) or -1}
"""
"""KEYS: open tasks, escalations. Answers what is due of each and in how many ms the next is (-1: never)."""

SETTLE: Final = (
    _COMMON
    + r"""
local nonce = ARGV[3]
if redis.call('HGET', KEYS[1], 'closed_by') == nonce then  -- sent again: a lost reply
  transitions = {'expired'}
  return answer('ok')
end
if not settle(nonce) then  -- long gone; only its id was left
  for n = 2, 5 do redis.call('ZREM', KEYS[n], id) end
  redis.call('ZREM', KEYS[7], id)
end
return answer('ok')
"""
)

CLAIM: Final = r"""
local held = redis.call('GET', KEYS[1])
if held then return held end
local taken = redis.call('HINCRBY', KEYS[2], 'keys', 1)
if taken == 1 then redis.call('PEXPIRE', KEYS[2], ARGV[2]) end
if taken > tonumber(ARGV[3]) then return false end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]
"""
"""KEYS: an idempotency key, how many its requester took; ARGV: digest, its life (ms), the limit.

Answers what the key is taken for, and the task it led to; nothing when there are too many.
"""

LOOK: Final = r"""
local time = redis.call('TIME')
local tasks = {}
for n, key in ipairs(KEYS) do tasks[n] = redis.call('HGETALL', key) end
return {time[1] * 1000 + math.floor(time[2] / 1000), tasks}
"""
