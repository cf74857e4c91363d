-- What wrk found, as one line of JSON. Times are in microseconds.
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"duration":%d,"bytes":%d,"errors":%d,"p50":%.1f,"p99":%.1f}\n',
    summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end

-- With BENCH_EACH=PREFIX every request is for another URL, PREFIX/N/1k. There
-- is one thread, so N does not repeat.
local prefix = os.getenv("BENCH_EACH")
if prefix then
  local n, tail = 0, nil
  function request()
    tail = tail or "/1k HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n\r\n"
    n = n + 1
    return string.format("GET %s/%012d%s", prefix, n, tail)
  end
end

-- With BENCH_ZIPF="PREFIX COUNT SEED PAUSE" it is for one of so many URLs, by
-- Zipf's law with exponent 1: of ten of them five are 1 KiB, three 4, two 16.
-- Each connection rests for PAUSE milliseconds between two requests.
local skewed = os.getenv("BENCH_ZIPF")
if skewed then
  local prefix, count, seed, pause = skewed:match("^(%S+) (%d+) (%d+) (%d+)$")
  if tonumber(pause) > 0 then
    function delay() return tonumber(pause) end
  end
  local sums, sum = {}, 0
  for i = 1, tonumber(count) do
    sum = sum + 1 / i
    sums[i] = sum
  end
  local sizes, tail = {"1k", "4k", "1k", "16k", "1k", "4k", "1k", "16k", "1k", "4k"}, nil
  math.randomseed(tonumber(seed))
  function request()
    tail = tail or " HTTP/1.1\r\nHost: " .. wrk.headers["Host"] .. "\r\n\r\n"
    local at, low, high = math.random() * sum, 1, #sums
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] < at then low = middle + 1 else high = middle end
    end
    return string.format("GET %s/%012d/%s%s", prefix, low, sizes[low % 10 + 1], tail)
  end
end
