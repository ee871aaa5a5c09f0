#!/bin/sh
# SPDX-License-Identifier: MIT
# real_clients.sh: examples/httpd against curl and wrk, on each backend. HTTPD names the server.
set -eu

httpd=${HTTPD:-examples/httpd/httpd}
for tool in curl wrk; do
	command -v "$tool" >/dev/null || { echo "$tool is missing"; exit 77; }
done
[ -x "$httpd" ] || { echo "$httpd is not built"; exit 77; }

dir=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true; rm -rf "$dir"' EXIT
die() { echo "$backend: $*"; exit 1; }

# expect STATUS BODY curl-arguments: BODY is a pattern of case.
expect() {
	want=$1 pattern=$2
	shift 2
	got=$(curl -sS --max-time 20 -o "$dir/body" -w '%{http_code}' "$@" 2>"$dir/err") || die "curl $*: $(cat "$dir/err")"
	[ "$got" = "$want" ] || die "curl $*: $got, not $want: $(cat "$dir/body")"
	body=$(cat "$dir/body")
	# shellcheck disable=SC2254
	case $body in
	$pattern) ;;
	*) die "curl $*: \"$body\" is not $pattern" ;;
	esac
}

with_curl() {
	expect 200 'hello, world' "$url/"
	expect 200 'hello, world' --http1.0 "$url/"
	expect 200 '*Content-Length: 13*' -I "$url/"
	expect 201 '{"id":1,"name":"gopher"}' -d '{"name":"gopher"}' "$url/items"
	expect 200 '{"id":1,"name":"gopher"}' "$url/items/1"
	expect 200 '{"id":1,"n":2}' -X PUT -d '{"n":2}' "$url/items/1"
	expect 200 '{"items":\[{"id":1,"n":2}\],"next":null}' "$url/items"
	expect 204 '' -X DELETE "$url/items/1"
	expect 404 '*no such item*' "$url/items/1"
	expect 405 '*' -X DELETE "$url/items"
	expect 500 '*failed as asked*' "$url/fail"
	expect 503 '*' "$url/fail?status=503"
	expect 200 '{"slept_ms":20}' "$url/slow?ms=20"
	expect 200 '{"burned_ms":20}' "$url/burn?ms=20"
	expect 200 '*httpd_requests_total{code="200"}*' "$url/metrics"
	# A large body: curl sends Expect: 100-continue. The same in chunks. Then one above the limit.
	{ printf '{"data":"'; head -c 900000 /dev/zero | tr '\0' x; printf '"}'; } >"$dir/large"
	expect 201 '*' -H 'Expect: 100-continue' -d "@$dir/large" "$url/items"
	expect 201 '*' -H 'Transfer-Encoding: chunked' -d "@$dir/large" "$url/items"
	curl -sS "$url/items/2" | wc -c | grep -qx 900019 || die "a large item comes back in another size"
	expect 413 '*' -d "@$dir/large" -d "@$dir/large" "$url/items"
	# Two requests on one connection.
	n=$(curl -sS -o /dev/null -o /dev/null -w '%{num_connects}\n' "$url/" "$url/items" | paste -sd+)
	[ "$n" = 1+0 ] || die "curl needed $n connections"
}

# load NAME arguments: wrk must see answers, no socket error and no status but 2xx.
load() {
	name=$1
	shift
	wrk "$@" >"$dir/wrk" 2>&1 || die "wrk $name: $(cat "$dir/wrk")"
	grep -q 'Requests/sec' "$dir/wrk" || die "wrk $name: $(cat "$dir/wrk")"
	! grep -E 'Socket errors|Non-2xx' "$dir/wrk" || die "wrk $name had errors"
	echo "$backend: wrk $name: $(grep Requests/sec "$dir/wrk")"
}

with_wrk() {
	cat >"$dir/pipeline.lua" <<-'EOF'
	init = function(args)
		local r = {}
		for i = 1, 16 do r[i] = wrk.format("GET", "/") end
		req = table.concat(r)
	end
	request = function() return req end
	EOF
	load plain -t1 -c64 -d1 "$url/"
	load pipelined -t1 -c64 -d1 -s "$dir/pipeline.lua" "$url/"
	expect 201 '*' -X PUT -d '{"name":"gopher"}' "$url/items/1"
	load items -t2 -c100 -d1 "$url/items?limit=1"
}

for backend in ${GORO_BACKEND:-uring epoll}; do
	if [ "$backend" = uring ] && [ -z "${GORO_BACKEND:-}" ] && [ -n "${T_URING:-}" ] && ! "$T_URING" >/dev/null 2>&1; then
		echo "uring: not here"
		continue
	fi
	GORO_BACKEND=$backend "$httpd" --port 0 >"$dir/out" 2>"$dir/log" &
	pid=$!
	i=0
	until grep -q listening "$dir/out"; do
		i=$((i + 1))
		[ $i -lt 200 ] || die "the server does not start: $(cat "$dir/log")"
		sleep 0.1
	done
	url=$(sed -n 's,.*\(http://[^ ]*\)/ .*,\1,p' "$dir/out")
	with_curl
	with_wrk
	after=$(curl -sS "$url/")
	[ "$after" = 'hello, world' ] || die "after the load: $after"
	kill -TERM "$pid"
	wait "$pid" || die "the server ended with status $?: $(cat "$dir/log")"
	pid=
done
