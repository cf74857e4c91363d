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
