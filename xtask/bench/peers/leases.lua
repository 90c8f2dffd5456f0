-- Comparison material: the bodies that lease-recover posts, from a load generator.
-- Usage: wrk ... -s leases.lua URL -- SPECS_FILE

local requests, next_request = {}, 0

function init(args)
  local headers = { ["Content-Type"] = "application/json" }
  for line in io.lines(args[1]) do
    local key, token = line:match("^(.*):([^:]*)$")
    local body = string.format('{"key":"%s","token":"%s","reason":"manual_recovery"}', key, token)
    requests[#requests + 1] = wrk.format("POST", "/v1/leases/fail", headers, body)
    if #requests == 20000 then break end
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

-- wrk runs this apart from the threads that send, so it knows no arguments: the time that 100,000 take.
function done(summary, latency, ignored)
  local errors = summary.errors
  local bad = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local per_second = (summary.requests - bad) / (summary.duration / 1e6)
  io.write(string.format('{"seconds": %.6f}\n', 100000 / per_second))
end
