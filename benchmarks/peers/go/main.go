// SPDX-License-Identifier: MIT

// Gobench runs one subject of the benchmark suite in Go and prints rows in the
// Go benchmark format. The README one directory up defines every row.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

var (
	procs = flag.Int("procs", 1, "GOMAXPROCS")
	count = flag.Int("count", 1, "how many rows to print")
	ops   = flag.Int("n", 0, "operations a row (0: the subject's own figure)")
	port  = flag.Int("port", 7000, "port of the echo and http subjects")
	hogs  = flag.Int("hogs", 0, "goroutines that compute for ever beside the echo and http subjects")
)

// A subject prints its rows; n is the number of operations each row measures.
type subject struct {
	name string
	n    int
	run  func(n int)
}

var subjects = []subject{
	{"yield", 5_000_000, func(n int) { repeat("Yield", n, func() { yield(2, n) }) }},
	{"yield1000", 5_000_000, func(n int) { repeat("Yield1000", n, func() { yield(1000, n) }) }},
	{"spawn_batch", 1_000_000, spawnBatch},
	{"spawn_million", 1_000_000, spawnMillion},
	{"pingpong", 1_000_000, func(n int) { repeat("PingPong", n, func() { pingPong(n) }) }},
	{"chan128", 8_000_000, func(n int) { repeat("Chan128", n, func() { channel(n, 1) }) }},
	{"chan8x8", 8_000_000, func(n int) { repeat("Chan8x8", n, func() { channel(n, 8) }) }},
	{"mutex8", 40_000_000, func(n int) { repeat("Mutex8", n, func() { mutex(n, 8) }) }},
	{"mutex", 40_000_000, func(n int) { repeat("Mutex", n, func() { mutexAlone(n) }) }},
	{"rwmutex_read8", 20_000_000, func(n int) { repeat("RWMutexRead8", n, func() { rwmutexRead8(n) }) }},
	{"waitgroup", 20_000_000, func(n int) { repeat("WaitGroup", n, func() { groupAlone(n) }) }},
	{"waitgroup8", 20_000_000, func(n int) { repeat("WaitGroup8", n, func() { group8(n) }) }},
	{"select_ready2", 5_000_000, func(n int) { repeat("SelectReady2", n, func() { selectReady(n, 2, 2, 0) }) }},
	{"select_ready8", 5_000_000, func(n int) { repeat("SelectReady8", n, func() { selectReady(n, 8, 8, 0) }) }},
	{"select_one2", 5_000_000, func(n int) { repeat("SelectOne2", n, func() { selectReady(n, 2, 1, 1) }) }},
	{"select_one8", 5_000_000, func(n int) { repeat("SelectOne8", n, func() { selectReady(n, 8, 1, 1) }) }},
	{"select_blocked2", 2_000_000, func(n int) { repeat("SelectBlocked2", n, func() { selectBlocked(n, 2) }) }},
	{"select_blocked8", 1_000_000, func(n int) { repeat("SelectBlocked8", n, func() { selectBlocked(n, 8) }) }},
	{"context_tree", 1_000_000, func(n int) { repeat("ContextTree", n, func() { contextTree(n) }) }},
	{"context_cancel", 1_000_000, contextCancelRow},
	{"timer_new", 3_000_000, func(n int) { repeat("TimerNew", n, func() { timerNew(n) }) }},
	{"timer_func", 3_000_000, func(n int) { repeat("TimerFunc", n, func() { timerFunc(n) }) }},
	{"timer_reset", 3_000_000, timerResetRow},
	{"defer_none", 100_000_000, func(n int) { deferred("DeferNone", n, 1, calls) }},
	{"defer", 50_000_000, func(n int) { deferred("Defer", n, 1, defers) }},
	{"defer3", 20_000_000, func(n int) { deferred("Defer3", n, 3, defersThree) }},
	{"panic", 3_000_000, func(n int) { deferred("PanicRecover", n, 1, panics) }},
	{"panic10", 3_000_000, func(n int) { deferred("PanicRecover10", n, 1, panicsDeep) }},
	{"sleep100k", 100_000, sleepers},
	{"park_million", 1_000_000, parkMillion},
	{"skynet", 1_000_000, skynetRow},
	{"sieve", 2000, sieveRow},
	{"preempt_latency", 2000, latencyRow},
	{"ready_latency", 2000, func(n int) { readyRow("ReadyLatency", n, 4) }},
	{"ready_latency_quiet", 2000, func(n int) { readyRow("ReadyLatencyQuiet", n, 0) }},
	{"echo", 0, func(int) { serveEcho() }},
	{"http", 0, func(int) { serveHTTP() }},
}

func main() {
	flag.Usage = usage
	flag.Parse()
	if flag.NArg() != 1 || *procs < 1 || *count < 1 || *ops < 0 {
		usage()
		os.Exit(2)
	}
	runtime.GOMAXPROCS(*procs)
	for _, s := range subjects {
		if s.name != flag.Arg(0) {
			continue
		}
		n := s.n
		if *ops != 0 {
			n = *ops
		}
		header()
		s.run(n)
		return
	}
	fmt.Fprintf(os.Stderr, "gobench: no subject %q\n", flag.Arg(0))
	usage()
	os.Exit(2)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: gobench [-procs N] [-count N] [-n OPS] [-port PORT] SUBJECT")
	flag.PrintDefaults()
	fmt.Fprint(os.Stderr, "subjects:")
	for _, s := range subjects {
		fmt.Fprint(os.Stderr, " ", s.name)
	}
	fmt.Fprintln(os.Stderr)
}

func header() {
	fmt.Printf("goos: %s\ngoarch: %s\npkg: peers/%s\ncpu: %s\n",
		runtime.GOOS, runtime.GOARCH, runtime.Version(), cpuModel())
}

func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// A span is what passed between two readings of both clocks.
type span struct{ wall, cpu time.Duration }

func measure(work func()) span {
	wall, cpu := time.Now(), cpuTime()
	work()
	return span{time.Since(wall), cpuTime() - cpu}
}

// cpuTime is the CPU time of all threads of the process, in nanoseconds;
// getrusage gives the same sum but cuts it to microseconds.
func cpuTime() time.Duration {
	const clockProcessCPU = 2
	var t syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, clockProcessCPU, uintptr(unsafe.Pointer(&t)), 0)
	return time.Duration(t.Nano())
}

// row prints one line. The headline is CPU time per operation on one P, where it
// does not suffer from a stolen core, and wall time on more than one.
func row(name string, n int, s span, extra ...string) {
	headline := s.cpu
	if *procs > 1 {
		headline = s.wall
	}
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(n) }
	fmt.Printf("Benchmark%s-%d\t%d\t%.2f ns/op\t%.2f wall-ns/op\t%.2f cpu-ns/op",
		name, *procs, n, per(headline), per(s.wall), per(s.cpu))
	for _, column := range extra {
		fmt.Print("\t", column)
	}
	fmt.Println()
}

// wholeRow is for subjects whose operation is the entire program.
func wholeRow(name string, s span) {
	ms := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }
	row(name, 1, s, fmt.Sprintf("%.2f wall-ms\t%.2f cpu-ms", ms(s.wall), ms(s.cpu)))
}

func repeat(name string, n int, work func()) {
	for i := 0; i < *count; i++ {
		row(name, n, measure(work))
	}
}

// check ends the program when a subject computed something wrong.
func check(ok bool, what string) {
	if !ok {
		fmt.Fprintln(os.Stderr, "gobench:", what)
		os.Exit(1)
	}
}
