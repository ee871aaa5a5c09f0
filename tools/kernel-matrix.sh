#!/bin/bash
# SPDX-License-Identifier: MIT
# kernel-matrix.sh [OPTION...] [KERNEL...]: boots Debian kernels in qemu-system, each with an initramfs of goro's test programs, and runs
# those there: what lib/probe.c finds, the fallbacks, and preemption with the signals of a real kernel, on x86-64 and aarch64.
# Prints what failed, a table, and closes with the line "N passed, N failed"; ends with 0 if nothing failed.
#
#   --list            names the kernels, and ends
#   --short           the programs of `short` below; without it all of tests/unit, api, preempt, regress and stress
#   --dir DIR         where packages, builds and logs lie and are found again; $GORO_KERNELS_DIR, else kernel-matrix below the current directory
#   --cpus 'N...'     a boot with each of these numbers of processors: '1 2' unless set, '2' with --short
#   --programs 'P...' these programs, by names like tests/api/check_net
#
# Without KERNEL every one, with --short those of `short_kernels`. Needs what `build-aux/packages kernels` installs; installs nothing itself.
# The kernels come from the sources that apt is configured with on this machine, and the backports that lie beside them, through lists
# of packages of our own in DIR: neither the system's lists nor its architectures are changed, and it needs no root.
#
# How it works. For each architecture goro is built with --disable-shared in DIR/build-ARCH; programs, the libraries that they need,
# busybox and tests/driver are the initramfs, tools/kernel-init is its init, and /conf, a second archive behind the first, tells it what
# to run. Where /dev/kvm is there the machine's own architecture runs under KVM, all else under TCG, which is ten to thirty times slower
# than a processor and has its own idea of time: so limits are stretched (CK_TIMEOUT_MULTIPLIER).
# Each kernel has a list of features that it must and, with a minus sign, must not have by kernel-notes: a probe that says no where the
# kernel can would make all tests pass on the fallback, and nobody would know. What was seen is in kernel-notes/kernel-matrix.md.
set -euo pipefail

src=$(cd "$(dirname "$0")/.." && pwd)
dir=${GORO_KERNELS_DIR:-$PWD/kernel-matrix}

# ----------------------------------------------------------------------------------------------------
# The kernels: name, Debian architecture, package, the version that it begins with, and what the probes must say.
# ----------------------------------------------------------------------------------------------------
since_61='io-uring io-uring-coop-taskrun io-uring-poll-first io-uring-msg-ring epoll-pwait2 membarrier'
not_61='-io-uring-send-msg-ring -io-uring-abs-timer -guard-install -process-madvise'
since_612='io-uring-abs-timer'
not_612='-io-uring-send-msg-ring -guard-install -process-madvise'
kernels=(
	"amd64-6.1 amd64 linux-image-cloud-amd64 6.1. $since_61 $not_61"
	"amd64-6.12 amd64 linux-image-cloud-amd64 6.12. $since_61 $since_612 $not_612"
	"arm64-6.1 arm64 linux-image-cloud-arm64 6.1. $since_61 $not_61"
	"arm64-6.12 arm64 linux-image-cloud-arm64 6.12. $since_61 $since_612 $not_612"
)
short_kernels='amd64-6.1 arm64-6.12'
short='tests/unit/check_probe tests/unit/check_ring tests/api/check_net tests/preempt/check_basic tests/preempt/check_retake
	tests/preempt/check_signals tests/stress/stress_preempt'

# Not here: fuzz_http has nothing to do with the kernel.
left_out='tests/httpd/fuzz_http'

total_passed=0
total_failed=0
table=()

fail() {
	echo "FAIL: $*"
	total_failed=$((total_failed + 1))
}

usage() {
	sed -n '3,/^#$/p' "$0" >&2
	exit 2
}

# ----------------------------------------------------------------------------------------------------
# Packages
# ----------------------------------------------------------------------------------------------------
# apt with lists of its own: of the main archive, its updates, and backports, for both architectures.
apt_options() {
	local a=$dir/apt
	apt=(-o "APT::Architectures::=amd64" -o "APT::Architectures::=arm64" -o "Dir::State=$a/state" -o "Dir::Cache=$a/cache"
		-o "Dir::State::status=/var/lib/dpkg/status" -o "Dir::Etc::SourceList=$a/sources.list" -o "Dir::Etc::SourceParts=$a/none"
		-o "APT::Sandbox::User=$(id -un)" -o "Acquire::Languages=none")
}

# Where the system's apt has the release from, there its backports are too.
sources() {
	local release uri suite
	release=$(. /etc/os-release && echo "$VERSION_CODENAME")
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		while read -r uri suite component; do
			[ "$component" = main ] || continue
			case $suite in
			"$release") printf '%s %s\n%s %s-backports\n' "$uri" "$suite" "$uri" "$suite" ;;
			"$release"-*) echo "$uri $suite" ;;
			esac
		done | sort -u | sed 's/^/deb /; s/$/ main/'
}

lists() {
	[ -z "${have_lists:-}" ] || return 0
	mkdir -p "$dir"/apt/{state/lists/partial,cache/archives/partial,none}
	sources >"$dir/apt/sources.list"
	apt-get "${apt[@]}" update -q >"$dir/apt/log" 2>&1 || { cat "$dir/apt/log"; return 1; }
	have_lists=yes
}

# unpack DEST PACKAGE[=VERSION]: downloads a package and unpacks it below DEST.
unpack() {
	local tmp=$1.tmp
	rm -rf "$tmp"
	mkdir -p "$tmp/debs"
	lists &&
		(cd "$tmp/debs" && apt-get "${apt[@]}" download -q "$2") >>"$dir/apt/log" 2>&1 &&
		dpkg-deb -x "$tmp"/debs/*.deb "$tmp" && rm -r "$tmp/debs" && rm -rf "$1" && mv "$tmp" "$1"
}

# get_kernel NAME ARCH PACKAGE VERSION: the kernel's image will be DIR/NAME/boot/vmlinuz-*. The package of that name only depends on the one
# with the image.
get_kernel() {
	local version image
	[ ! -d "$dir/$1" ] || return 0
	lists || return 1
	version=$(apt-cache "${apt[@]}" madison "$3:$2" | awk -v v="$4" -F ' *[|] *' 'index($2, v) == 1 { print $2; exit }')
	[ -n "$version" ] || { echo "no $3 of version $4 in the lists"; return 1; }
	image=$(apt-cache "${apt[@]}" show "$3:$2=$version" | sed -n 's/^Depends: \([^ ,]*\).*/\1/p')
	unpack "$dir/$1" "$image:$2=$version"
}

# ----------------------------------------------------------------------------------------------------
# Programs
# ----------------------------------------------------------------------------------------------------
# target ARCH: sets host (configure's arguments), tool (the prefix of binutils and gcc) and roots (where libraries are).
target() {
	local sys=$dir/libs-$1 lib=$dir/libs-$1/usr/lib/aarch64-linux-gnu
	configure=(--disable-shared --disable-benchmarks)
	tool=
	roots=()
	[ "$1" != "$(dpkg --print-architecture)" ] || return 0
	[ "$1" = arm64 ] || { echo "$1 can only be built on $1"; return 1; }
	"$src/build-aux/packages" arm64 "$sys" >>"$dir/apt/log" 2>&1 || { echo "no arm64 libraries"; return 1; }
	tool=aarch64-linux-gnu-
	roots=("$lib" "$sys/lib/aarch64-linux-gnu")
	configure+=(--host=aarch64-linux-gnu PKG_CONFIG=pkg-config "PKG_CONFIG_LIBDIR=$lib/pkgconfig" "PKG_CONFIG_SYSROOT_DIR=$sys"
		"CPPFLAGS=-isystem $sys/usr/include" "LDFLAGS=-L$lib -Wl,-rpath-link,$lib")
}

# build ARCH: sets programs, those that are to run, and helpers, and builds them.
build() {
	local b=$dir/build-$1 log=$dir/build-$1.log
	target "$1" || return 1
	mkdir -p "$b"
	[ -f "$b/Makefile" ] || (cd "$b" && "$src/configure" "${configure[@]}") >"$log" 2>&1 || { tail -n 20 "$log"; return 1; }
	# By itself first: where it is older than its sources, what remaking it prints would be taken for names of programs.
	make -C "$b" Makefile >>"$log" 2>&1 || { tail -n 20 "$log"; return 1; }
	programs=${chosen:-$(make -s --no-print-directory -C "$b" --eval='km-print: ; @echo $(t_programs) $(t_stress)' km-print)}
	once=$(make -s --no-print-directory -C "$b" --eval='km-print: ; @echo $(t_once)' km-print)
	programs=$(printf '%s\n' $programs | grep -vxF "$left_out" || true)
	programs=$(echo $programs)
	helpers='tests/have_uring tests/features'
	[[ "$programs" != *tests/httpd/* ]] || helpers="$helpers examples/httpd/httpd"
	make -C "$b" -j"$(nproc)" $programs $helpers >>"$log" 2>&1 || { tail -n 20 "$log"; return 1; }
}

# Where the library of this name is, for the architecture of target().
find_library() {
	local d
	for d in ${roots[@]+"${roots[@]}"}; do
		[ ! -e "$d/$1" ] || { echo "$d/$1"; return; }
	done
	d=$("${tool}gcc" -print-file-name="$1")
	[ "$d" != "$1" ] || { echo "no library $1" >&2; return 1; }
	echo "$d"
}

# libraries ROOT PROGRAM...: copies what these need, and what that needs, to ROOT/lib, and their loader to where they name it.
libraries() {
	local root=$1 so file loader
	shift
	loader=$("${tool}readelf" -l "$1" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
	if [ -n "$loader" ]; then
		mkdir -p "$root${loader%/*}"
		cp -L "$(find_library "${loader##*/}")" "$root$loader"
	fi
	# The C library loads the last one by itself, for pthread_exit() and backtrace().
	for so in $("${tool}readelf" -d "$@" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u) libgcc_s.so.1; do
		[[ ! -e $root/lib/$so && $so != ld-linux* ]] || continue
		file=$(find_library "$so") || return 1
		cp -L "$file" "$root/lib/$so"
		libraries "$root" "$root/lib/$so" || return 1
	done
}

archive() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet)
}

# initramfs ARCH: builds the programs and makes DIR/initramfs-ARCH of them.
initramfs() {
	local root=$dir/root-$1 b=$dir/build-$1 p busybox=/bin/busybox
	build "$1" || return 1
	rm -rf "$root"
	mkdir -p "$root"/{bin,lib,dev,etc,t/tests}
	if [ -n "$tool" ]; then
		busybox=$dir/busybox-$1/bin/busybox
		[ -e "$busybox" ] || unpack "$dir/busybox-$1" "busybox-static:$1" || { echo "no busybox for $1"; return 1; }
	fi
	cp "$busybox" "$root/bin/"
	cp "$src/tools/kernel-init" "$root/init"
	cp "$src/tests/driver" "$root/t/tests/"
	echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"
	for p in $programs $helpers; do
		mkdir -p "$root/t/${p%/*}"
		# With their line tables the programs would be ten times as large; names of functions are enough for a dump.
		"${tool}strip" --strip-debug -o "$root/t/$p" "$b/$p"
	done
	libraries "$root" $(find "$root/t" -type f -perm /100 ! -name driver) || return 1
	archive "$root" >"$dir/initramfs-$1"
}

# ----------------------------------------------------------------------------------------------------
# Machines
# ----------------------------------------------------------------------------------------------------
# machine ARCH: sets qemu, the command, console, and slow, how much slower than a processor it is.
#
# On aarch64 time is made of instructions (-icount, a nanosecond each), and an idle machine waits for nothing. So to the guest it is a steady
# processor of a thousand million instructions a second, however busy the host is or for how long qemu was stopped. The price: the processors take turns on
# one thread of the host. Debian's 6.1 for x86-64 does not come up that way, so they have the host's clock, by which on a busy host now and then a
# kernel finds no timer at boot, or deadlines pass while nobody runs.
machine() {
	local accel
	case $1 in
	# Authentication of pointers by the architecture's own cipher takes an emulator longer than all the rest.
	arm64) accel=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -cpu 'max,pauth-impdef=on') slow=4 ;;
	*) accel=(-accel tcg -cpu max) slow=10 ;;
	esac
	if [ "$1" = "$(dpkg --print-architecture)" ] && [ -w /dev/kvm ]; then
		slow=2
		accel=(-accel kvm -cpu host)
	fi
	case $1 in
	amd64) qemu=(qemu-system-x86_64) console=ttyS0 ;;
	arm64) qemu=(qemu-system-aarch64 -machine virt) console=ttyAMA0 ;;
	esac
	qemu+=("${accel[@]}" -m 2048 -display none -monitor none -no-reboot -nic none)
}

# conf EXPECT: what /init reads.
conf() {
	echo "PROGRAMS='$programs'"
	echo "EXPECT='$1'"
	# Nothing is shortened: slices are multiplied, too, and with less to do in them nobody would be preempted.
	echo "CK_TIMEOUT_MULTIPLIER=$slow GORO_TEST_DIVISOR=1 GORO_STRESS_SECONDS=$((3 * slow / 2)) T_NO_GDB=1"
	echo "T_PROGRAM_TIMEOUT=1800 T_ONCE='$once'"
}

# boot NAME ARCH CPUS EXPECT: one machine from power to power; adds what it counted.
boot() {
	local log=$dir/logs/$1-$3cpu.log begin=$SECONDS counts p f s rc=0
	machine "$2"
	local tmp=$dir/run-$1-$3
	mkdir -p "$tmp" "$dir/logs"
	conf "$4" >"$tmp/conf"
	{ cat "$dir/initramfs-$2" && archive "$tmp"; } >"$tmp.initrd"
	timeout -k 10 "$boot_limit" "${qemu[@]}" -smp "$3" -kernel "$dir/$1"/boot/vmlinuz-* -initrd "$tmp.initrd" \
		-append "console=$console quiet panic=-1 random.trust_cpu=on" -serial "file:$log" </dev/null || rc=$?
	tr -d '\r' <"$log" >"$log.t" && mv "$log.t" "$log"
	rm -r "$tmp" "$tmp.initrd"
	# Each check, not the line that sums its program up.
	grep -a '^FAIL: ' "$log" | grep -v ' skipped, [0-9]* s$' | sed "s/^FAIL: /FAIL: $1, $3 processors: /" || true
	counts=$(sed -n 's/^guest: \([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log")
	if [ -z "$counts" ]; then
		fail "$1, $3 processors: did not come to its end (status $rc); the console, $log, closes with:"
		tail -n 15 "$log"
		# What it had counted until then.
		counts=$(awk '/^(PASS|FAIL|SKIP): .* passed, .* failed/ { for (i = 2; i <= NF; i++) { if ($i ~ /^passed/) p += $(i - 1)
			if ($i ~ /^failed/) f += $(i - 1); if ($i ~ /^skipped/) s += $(i - 1) } } END { print p + 0, f + 0, s + 0 }' "$log")
	fi
	read -r p f s <<<"$counts"
	total_passed=$((total_passed + p))
	total_failed=$((total_failed + f))
	table+=("$(printf '%-12s %d cpu %6d passed %4d failed %4d skipped %6d s  %s' "$1" "$3" "$p" "$f" "$s" $((SECONDS - begin)) \
		"$(sed -n 's/^kernel: \([^ ]*\).* \(Debian [^ ]*\) .*/\1 \2/p' "$log")")")
	echo "${table[-1]}"
}

# ----------------------------------------------------------------------------------------------------
chosen=
cpus=
names=
boot_limit=14400
is_short=
while [ $# -gt 0 ]; do
	case $1 in
	--list) printf '%s\n' "${kernels[@]%% *}"; exit 0 ;;
	--short) is_short=yes ;;
	--dir) dir=${2:?}; shift ;;
	--cpus) cpus=${2:?}; shift ;;
	--programs) chosen=${2:?}; shift ;;
	-*) usage ;;
	*) printf '%s\n' "${kernels[@]%% *}" | grep -qxF -- "$1" || { echo "$0: no kernel $1; see --list" >&2; exit 2; }
		names="$names $1" ;;
	esac
	shift
done
if [ -n "$is_short" ]; then
	chosen=${chosen:-$short} cpus=${cpus:-2} names=${names:-$short_kernels} boot_limit=900
fi
mkdir -p "$dir/apt"
dir=$(cd "$dir" && pwd)
apt_options
if [ ! -x "$src/configure" ] || [ "$src/configure.ac" -nt "$src/configure" ]; then
	"$src/autogen.sh" >"$dir/autogen.log" 2>&1 || { cat "$dir/autogen.log"; exit 1; }
fi

made=
for k in "${kernels[@]}"; do
	read -r name arch package version expect <<<"$k"
	[ -z "$names" ] || [[ " $names " = *" $name "* ]] || continue
	get_kernel "$name" "$arch" "$package" "$version" || { fail "$name: no kernel (see $dir/apt/log)"; continue; }
	if [[ " $made " != *" $arch "* ]]; then
		initramfs "$arch" || { fail "$name: no initramfs"; continue; }
		made="$made $arch"
	fi
	for n in ${cpus:-1 2}; do
		boot "$name" "$arch" "$n" "$expect"
	done
done

echo
printf '%s\n' ${table[@]+"${table[@]}"}
echo "$total_passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ]
