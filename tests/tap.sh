# SPDX-License-Identifier: MIT
# tap.sh: sourced by scripts that are many tests: each gets its line in libcheck's TAP file, which tests/driver reads.
tap=${CK_TAP_LOG_FILE_NAME:-/dev/null}
: >"$tap"
n=0
status=0

# report ok|"not ok" NAME MESSAGE [FILE]: a failure is printed as well, and what is in FILE.
report() {
	n=$((n + 1))
	echo "$1 $n - $2: $3" >>"$tap"
	[ "$1" = ok ] && return
	status=1
	echo "$1 - $2: $3"
	[ -z "${4:-}" ] || cat "$4"
}

# finish LEAST WHAT: the end of the script; fewer than LEAST are a failure.
finish() {
	echo "$n $2"
	[ $n -ge "$1" ] || { echo "found only $n"; status=1; }
	exit $status
}
