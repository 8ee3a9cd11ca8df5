-- Phones that boot: each request asks for a random MAC of a file. Arguments: the file, seconds, "close" or "keep".
-- After those seconds a connection that has got its answer sends nothing more, so that when wrk ends every request
-- that was sent has been answered, and the counts must agree to the last one.
local ffi = require("ffi")
ffi.cdef [[ struct bench_time { long seconds; long nanoseconds; }; int clock_gettime(int clock, struct bench_time *t); ]]
local time = ffi.new("struct bench_time")

local function now()
    ffi.C.clock_gettime(1, time)
    return tonumber(time.seconds) + tonumber(time.nanoseconds) / 1e9
end

local macs, phones, seconds, tail, deadline
local calls = 0

function init(args)
    local file = assert(io.open(args[1], "rb"))
    macs = file:read("*a")
    file:close()
    phones = #macs / 12
    seconds = tonumber(args[2])
    tail = " HTTP/1.1\r\nHost: redirect.example.net\r\nUser-Agent: AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1\r\n"
    if args[3] == "close" then tail = tail .. "Connection: close\r\n" end
    tail = tail .. "\r\n"
    math.randomseed(math.floor(now() * 1e6) % 2147483647)
end

function request()
    calls = calls + 1
    if calls == 2 then deadline = now() + seconds end -- the first call is wrk's own trial
    if deadline and now() > deadline then return "" end
    local place = 12 * math.random(0, phones - 1)
    return "GET /" .. macs:sub(place + 1, place + 12) .. tail
end

function done(summary, latency)
    local e = summary.errors
    print(string.format(
        '{"answers": %d, "refused": %d, "broken": %d, "p50": %.3f, "p90": %.3f, "p99": %.3f, "slowest": %.3f}',
        summary.requests, e.status, e.connect + e.read + e.write + e.timeout,
        latency:percentile(50) / 1000, latency:percentile(90) / 1000, latency:percentile(99) / 1000, latency.max / 1000))
end
