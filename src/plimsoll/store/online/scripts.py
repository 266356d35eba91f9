"""What Redis runs as one step (Lua). A mark of ``\\0`` stands for none: the view was never written."""

from __future__ import annotations

MOVED = "\1"
"""In place of the mark that a writer knows: it writes whatever the mark is."""

WRITE = """
-- KEYS: about the view, its rows, the names of views. ARGV: how (newer, set, load), view, before, after, entity, value …
local how, view, before, after = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local function seen(field, value)
    local at = struct.unpack('<i8', value)
    local newest = redis.call('HGET', KEYS[1], field)
    if not newest or tonumber(newest) < at then redis.call('HSET', KEYS[1], field, string.format('%.0f', at)) end
end
local function newer(rows, entity, value)
    local held = redis.call('HGET', rows, entity)
    if held and struct.unpack('<i8', held) > struct.unpack('<i8', value) then return 0 end
    redis.call('HSET', rows, entity, value)
    return 1
end
local function write(rows, field)
    local count = 0
    for i = 5, #ARGV, 2 do
        if ARGV[i + 1] ~= '' then seen(field, ARGV[i + 1]) end
        if ARGV[i + 1] == '' then redis.call('HDEL', rows, ARGV[i])
        elseif how == 'set' then redis.call('HSET', rows, ARGV[i], ARGV[i + 1]) count = count + 1
        else count = count + newer(rows, ARGV[i], ARGV[i + 1]) end
    end
    return count
end
if how == 'load' then return write(KEYS[2], 'loading_newest') end
local mark = redis.call('HGET', KEYS[1], 'mark') or '\\0'
if before ~= '\\1' and mark ~= before then return mark end
redis.call('HSET', KEYS[1], 'mark', after)
redis.call('SADD', KEYS[3], view)
local loading = redis.call('HGET', KEYS[1], 'loading')
if loading then
    redis.call('HSET', KEYS[1], 'touched', 1)
    write(loading, 'loading_newest')
end
return write(KEYS[2], 'newest')
"""

TURN_OVER = """
-- KEYS: about the view, its rows, the names of views. ARGV: view, mark
local loading = redis.call('HGET', KEYS[1], 'loading')
local touched = redis.call('HGET', KEYS[1], 'touched') == '1'
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[2] .. 'old') end
if redis.call('EXISTS', loading) == 1 then redis.call('RENAME', loading, KEYS[2]) end
redis.call('HSET', KEYS[1], 'mark', touched and '' or ARGV[2])
local newest = redis.call('HGET', KEYS[1], 'loading_newest')
redis.call('HDEL', KEYS[1], 'loading', 'touched', 'loading_newest', 'newest')
if newest then redis.call('HSET', KEYS[1], 'newest', newest) end
redis.call('SADD', KEYS[3], ARGV[1])
return 1
"""
