#!/bin/sh
# SPDX-License-Identifier: MIT
# man.sh: the manual is complete and clean.
#
# 1. Every function that a header exports, and GORO_GO, has a page, or a file of one line, ".so man3/noun.3", that leads to one; that
#    page names it in NAME and shows it in SYNOPSIS.
# 2. Every page is listed in man/local.mk, and has the sections that a reader looks for. A page of section 3 says of each of its functions,
#    or of all together, whether it parks and from where it may be called.
# 3. References to pages of ours lead somewhere.
# 4. mandoc and man, where they are installed, have no warnings.
set -eu
cd "${top_srcdir:-$(dirname "$0")/../..}/man"
status=0

bad() {
	echo "man/$1: $2"
	status=1
}

functions=$(sed -nE 's/^GORO_API .*[ *](goro_[a-z0-9_]+)\(.*/\1/p' ../include/goro/*.h | LC_ALL=C sort -u)
[ "$(echo "$functions" | wc -l)" -gt 40 ] || { echo "finds no functions in the headers"; exit 1; }
for f in $functions GORO_GO; do
	if [ ! -f "$f.3" ]; then
		bad "$f.3" "missing"
		continue
	fi
	page=$(sed -nE 's/^\.so man3\/(.*)$/\1/p' "$f.3")
	[ -n "$page" ] || page=$f.3
	if [ ! -f "$page" ]; then
		bad "$f.3" "leads to $page, which does not exist"
		continue
	fi
	grep -qE "^\.Nm $f( ,)?\$" "$page" || bad "$page" "does not name $f"
	grep -qE "^\.F[no] $f( |\$)" "$page" || bad "$page" "does not show the prototype of $f"
done

for f in *.3 *.7; do
	grep -qE "%D%/$f\$" local.mk || bad "$f" "not in man/local.mk"
	! grep -q '^\.so ' "$f" || continue
	sections='NAME DESCRIPTION SYNOPSIS EXAMPLES'
	case $f in
	goro_*.7) sections='NAME DESCRIPTION' ;;
	*.3)
		grep -q '^\.Em Parks ' "$f" || bad "$f" "does not say what parks"
		grep -q '^\.Em From ' "$f" || bad "$f" "does not say from where it may be called"
		sections="$sections RETURN.VALUES SEE.ALSO"
		;;
	esac
	for s in $sections; do
		grep -qE "^\.Sh $s\$" "$f" || bad "$f" "no section $s"
	done
	for r in $(sed -nE 's/^\.Xr (goro[a-z_]*) ([37]).*/\1.\2/p' "$f" | LC_ALL=C sort -u); do
		[ -f "$r" ] || bad "$f" "refers to $r, which does not exist"
	done
done

pages=$(grep -L '^\.so ' *.3 *.7)
if command -v mandoc >/dev/null 2>&1; then
	# What mandoc calls style (lines over 80 bytes, pages that it has no index of) is not asked for.
	mandoc -T lint -W warning $pages || status=1
fi
# The man of Debian's man-db. MAN_KEEP_STDERR: it hides what groff says when its output is no terminal.
if man --help 2>/dev/null | grep -q -e --warnings; then
	for f in $pages; do
		said=$(LC_ALL=C.UTF-8 MANWIDTH=100 MAN_KEEP_STDERR=1 man --warnings -E UTF-8 -l "./$f" 2>&1 >/dev/null) || true
		[ -z "$said" ] || bad "$f" "man --warnings: $said"
	done
fi
exit $status
