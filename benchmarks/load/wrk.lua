-- SPDX-License-Identifier: MIT
--
-- wrk -s wrk.lua URL -- DEPTH
--
-- Sends DEPTH requests in one write (1: plain keep-alive) and prints one line of key=value
-- pairs. Replacing wrk.format keeps the request static, so that wrk does not
-- call Lua per request, which costs it more than the request itself.

function init(args)
	local depth = tonumber(args[1]) or 1
	local all = string.rep(wrk.format(), depth)
	wrk.format = function() return all end
end

function done(summary, latency, requests)
	local failed = summary.errors
	io.write(string.format(
		"requests=%d seconds=%.3f rps=%.0f p50=%.1f p99=%.1f p999=%.1f max=%.1f errors=%d\n",
		summary.requests, summary.duration / 1e6, summary.requests / summary.duration * 1e6,
		latency:percentile(50), latency:percentile(99), latency:percentile(99.9), latency.max,
		failed.connect + failed.read + failed.write + failed.status + failed.timeout))
end
