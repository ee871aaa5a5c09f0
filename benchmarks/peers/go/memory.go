// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
)

// status reads a figure of /proc/self/status, in bytes.
func status(key string) int64 {
	file, err := os.Open("/proc/self/status")
	check(err == nil, "cannot read /proc/self/status")
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == key+":" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib * 1024
		}
	}
	check(false, "no "+key+" in /proc/self/status")
	return 0
}

// parkMillion blocks n goroutines on one channel and asks what they take. The clock
// stops when the last one has started; with one P each has parked by then but that one.
func parkMillion(n int) {
	runtime.GC()
	rss, tables := status("VmRSS"), status("VmPTE")
	stop := make(chan struct{})
	var started atomic.Int64
	s := measure(func() {
		for i := 0; i < n; i++ {
			go func() {
				started.Add(1)
				<-stop
			}()
		}
		for started.Load() != int64(n) {
			runtime.Gosched()
		}
	})
	each := func(b int64) float64 { return float64(b) / float64(n) }
	rss, tables = status("VmRSS")-rss, status("VmPTE")-tables
	row("ParkMillion", n, s, fmt.Sprintf("%.1f rss-B/op\t%.1f pte-B/op\t%.1f mem-B/op",
		each(rss), each(tables), each(rss+tables)))
	close(stop)
}
