-- Sends each request of a file once: a line with its length, then so many bytes.
-- wrk -t1 -c16 -d4 -s replay.lua http://127.0.0.1:8000 -- requests.bin
local file
local ended = false
counts = {}
ran_out = 0

function init(args)
  file = assert(io.open(args[1], "rb"))
end

function request()
  local length = file:read("*l")
  if length == nil then
    if not ended then
      ended = true
      ran_out = 1
      wrk.thread:stop()
    end
    return "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
  end
  return file:read(tonumber(length))
end

function response(status)
  counts[status] = (counts[status] or 0) + 1
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

function done(summary, latency)
  io.write("\nSTATUSES")
  for status, number in pairs(threads[1]:get("counts")) do
    io.write(" ", status, ":", number)
  end
  io.write(string.format("\nTIMES %d %d %d %d\n", summary.duration, latency:percentile(50), latency:percentile(99),
    threads[1]:get("ran_out")))
end
