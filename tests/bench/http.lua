-- For wrk: prints its figures in one line, which wrk.c reads. The argument says which.
--   times   how long all answers took
--   size    of an answer's body
--   parted  how long answers took by their status; every thread has one connection
--   paused  the same, but who is answered 429 asks again 10 ms later, not at once
local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } moment; int clock_gettime(int clock, moment *now);")
local now = ffi.new("moment")
local threads = {}

local function now_us()
    ffi.C.clock_gettime(1, now) -- CLOCK_MONOTONIC
    return tonumber(now.s) * 1e6 + tonumber(now.ns) / 1e3
end

function setup(thread)
    threads[#threads + 1] = thread
end

function init(args)
    kind, size, served, refused, others = args[1], 0, {}, {}, 0
    if kind == "size" then
        function response(status, headers, body) size = #body end
    elseif kind ~= "times" then
        local text, begin, pause_ms = wrk.format(), 0, 0
        function request()
            begin = now_us()
            return text
        end
        if kind == "paused" then
            function delay() return pause_ms end
        end
        function response(status)
            pause_ms = status == 429 and 10 or 0
            local times = status == 200 and served or status == 429 and refused
            if times then times[#times + 1] = now_us() - begin else others = others + 1 end
        end
    end
end

local function all(name)
    local values = {}
    for _, thread in ipairs(threads) do
        for _, value in pairs(thread:get(name)) do values[#values + 1] = value end
    end
    table.sort(values)
    return values
end

-- The least value that so large a part of them is not above.
local function percentile(values, part)
    return values[math.max(1, math.ceil(part * #values))] or 0
end

function done(summary, latency)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.timeout
    local kind = threads[1]:get("kind")
    if kind == "size" then
        print("figures", failed + errors.status, threads[1]:get("size"))
    elseif kind == "times" then
        print("figures", failed + errors.status, latency:percentile(50), latency:percentile(99),
              summary.requests * 1e6 / summary.duration)
    else
        local served, refused = all("served"), all("refused")
        for _, thread in ipairs(threads) do failed = failed + thread:get("others") end
        print("figures", failed, percentile(served, 0.5), percentile(served, 0.99), #served * 1e6 / summary.duration,
              percentile(refused, 0.5), percentile(refused, 0.99), #refused * 1e6 / summary.duration)
    end
end
