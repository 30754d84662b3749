-- Asks for keys of a list in random order and reports the whole run as one line of JSON.
--
--   wrk … -s random_keys.lua http://127.0.0.1:PORT -- KEYS_FILE
--
-- KEYS_FILE holds one path a line. Every thread draws from its own random sequence.

local n_threads = 0

function setup(thread)
  n_threads = n_threads + 1
  thread:set("seed", 7919 * n_threads)
end

function init(args)
  math.randomseed(seed)
  requests = {}
  for path in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("GET", path)
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"seconds": %.6f, "requests": %d, "bytes": %d, "p50_ms": %.4f, "p99_ms": %.4f, "failed": %d}\n',
    summary.duration / 1e6, summary.requests, summary.bytes,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
