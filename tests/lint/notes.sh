#!/bin/sh
# SPDX-License-Identifier: MIT
# notes.sh: every kernel feature that lib/probe.h lists has its kernel-note, and every note has the seven headings and
# a line in the index. The table is in lib/probe.h, ROW(ID, "feature", function, "note") for kernel-notes/note.md.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}"
status=0

notes=$(sed -nE 's/^[[:space:]]*ROW\(.*"([a-z0-9-]+)"\).*/\1.md/p' lib/probe.h | LC_ALL=C sort -u)
if [ -z "$notes" ]; then
	echo "lib/probe.h has no ROW that names a kernel-note"
	status=1
fi
for n in $notes; do
	if [ ! -f "kernel-notes/$n" ]; then
		echo "lib/probe.h names kernel-notes/$n, which does not exist"
		status=1
	fi
done

for f in kernel-notes/*.md; do
	for heading in 'What we use it for' 'Since' 'Probe' 'Fallback' 'Traps' 'Verified' 'Open questions'; do
		if ! grep -qE "^#+ +$heading" "$f"; then
			echo "$f: no heading \"$heading\""
			status=1
		fi
	done
	if ! grep -qF "$(basename "$f")" kernel-notes/README; then
		echo "$f: not in kernel-notes/README"
		status=1
	fi
done
exit $status
