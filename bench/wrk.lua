-- What wrk posts: calls, each with an id of its own. Arguments after `--`: prefix, events a request, leads, seed, key.

local YEAR_S = 365 * 24 * 3600
local OUTCOMES = {"no_answer", "busy", "voicemail", "invalid_number", "gatekeeper", "conversation"}
local EVENT = '{"id": "%s-%d", "source": "bench", "type": "call", "occurred_at": "%s", "lead_id": "lead-%06d", '
   .. '"rep": "rep-%d", "direction": "outbound", "outcome": "%s", "duration_s": %d}'

local prefix, batch, leads, made, now

function init(args)
   prefix, batch, leads = args[1], tonumber(args[2]), tonumber(args[3])
   math.randomseed(tonumber(args[4]))
   made, now = 0, os.time()
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
   wrk.headers["Authorization"] = "Bearer " .. args[5]
end

local function event()
   made = made + 1
   local moment = os.date("!%Y-%m-%dT%H:%M:%SZ", now - math.random(YEAR_S))
   local lead, rep = math.random(leads) - 1, math.random(20)
   return string.format(EVENT, prefix, made, moment, lead, rep, OUTCOMES[math.random(6)], math.random(600))
end

function request()
   if batch == 1 then
      return wrk.format(nil, nil, nil, event())
   end
   local events = {}
   for n = 1, batch do
      events[n] = event()
   end
   return wrk.format(nil, nil, nil, "[" .. table.concat(events, ",") .. "]")
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}\n',
      summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
      errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
