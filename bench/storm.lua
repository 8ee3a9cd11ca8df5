-- Phones that boot: each request is a random MAC's of a file. Arguments: the file, seconds, "close" or "keep", and what
-- is asked in turn: path, User-Agent, path, User-Agent, ..., with the MAC at %s.
-- After those seconds a connection that has got its answer sends nothing more, so that when wrk ends every request
-- that was sent has been answered, and the counts must agree to the last one.
local ffi = require("ffi")
ffi.cdef [[ struct bench_time { long seconds; long nanoseconds; }; int clock_gettime(int clock, struct bench_time *t); ]]
local time = ffi.new("struct bench_time")

local function now()
    ffi.C.clock_gettime(1, time)
    return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

local macs, phones, seconds, tail, deadline, shapes
local calls = 0

function init(args)
    local file = assert(io.open(args[1], "rb"))
    macs = file:read("*a")
    file:close()
    phones = #macs / 12
    seconds = tonumber(args[2])
    tail = " HTTP/1.1\r\nHost: redirect.example.net\r\n"
    if args[3] == "close" then tail = tail .. "Connection: close\r\n" end
    shapes = {}
    for place = 4, #args, 2 do
        -- The MAC is put in by position: a pattern for each request would make the generator the bottleneck.
        local text, parts = "GET " .. args[place] .. tail .. "User-Agent: " .. args[place + 1] .. "\r\n\r\n", {}
        for part in (text .. "%s"):gmatch("(.-)%%s") do parts[#parts + 1] = part end
        shapes[#shapes + 1] = parts
    end
    math.randomseed(math.floor(now() * 1e6) % 2147483647)
end

function request()
    calls = calls + 1
    if calls == 2 then deadline = now() + seconds end -- the first call is wrk's own trial
    if deadline and now() > deadline then return "" end
    local place = 12 * math.random(0, phones - 1)
    return table.concat(shapes[calls % #shapes + 1], macs:sub(place + 1, place + 12))
end

function done(summary, latency)
    local e = summary.errors
    print(string.format(
        '{"answers": %d, "refused": %d, "broken": %d, "p50": %.3f, "p95": %.3f, "p99": %.3f, "slowest": %.3f}',
        summary.requests, e.status, e.connect + e.read + e.write + e.timeout,
        latency:percentile(50) / 1000, latency:percentile(95) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
