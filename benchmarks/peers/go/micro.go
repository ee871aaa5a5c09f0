// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// yield has the goroutines hand the P round; an operation is one yield.
func yield(goroutines, n int) {
	var wg sync.WaitGroup
	wg.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go func() {
			for k := 0; k < n/goroutines; k++ {
				runtime.Gosched()
			}
			wg.Done()
		}()
	}
	wg.Wait()
}

const batch = 1000

// spawnJoin starts n goroutines that do nothing but report, and waits for them.
func spawnJoin(n int) {
	var wg sync.WaitGroup
	wg.Add(n)
	for i := 0; i < n; i++ {
		go wg.Done()
	}
	wg.Wait()
}

func spawnBatch(n int) {
	for i := 0; i < 10; i++ {
		spawnJoin(batch)
	}
	repeat("SpawnBatch", n, func() {
		for i := 0; i < n/batch; i++ {
			spawnJoin(batch)
		}
	})
}

func spawnMillion(n int) {
	row("SpawnMillionCold", n, measure(func() { spawnJoin(n) }))
	repeat("SpawnMillionAgain", n, func() { spawnJoin(n) })
}

// pingPong sends a value there and back over two unbuffered channels.
func pingPong(n int) {
	there, back := make(chan int64), make(chan int64)
	go func() {
		for v := range there {
			back <- v + 1
		}
		close(back)
	}()
	v := int64(0)
	for i := 0; i < n; i++ {
		there <- v
		v = <-back
	}
	close(there)
	check(v == int64(n), "ping-pong lost count")
}

// channel moves n numbers from pairs producers to pairs consumers.
func channel(n, pairs int) {
	c := make(chan int64, 128)
	var producers, consumers sync.WaitGroup
	sums := make([]int64, pairs)
	producers.Add(pairs)
	consumers.Add(pairs)
	for i := 0; i < pairs; i++ {
		go func() {
			for k := 0; k < n/pairs; k++ {
				c <- int64(k)
			}
			producers.Done()
		}()
		go func(sum *int64) {
			s := int64(0)
			for v := range c {
				s += v
			}
			*sum = s
			consumers.Done()
		}(&sums[i])
	}
	producers.Wait()
	close(c)
	consumers.Wait()
	each, total := int64(n/pairs), int64(0)
	for _, s := range sums {
		total += s
	}
	check(total == int64(pairs)*each*(each-1)/2, "the channel lost a value")
}

// mutex has the goroutines take turns at one counter without yielding in between.
func mutex(n, goroutines int) {
	var wg sync.WaitGroup
	var lock sync.Mutex
	counter := 0
	wg.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		go func() {
			for k := 0; k < n/goroutines; k++ {
				lock.Lock()
				counter++
				lock.Unlock()
			}
			wg.Done()
		}()
	}
	wg.Wait()
	check(counter == n/goroutines*goroutines, "the mutex let two in")
}

// sleepers has goroutine i sleep 1 + i mod 100 milliseconds, all at once.
func sleepers(n int) {
	for r := 0; r < *count; r++ {
		wholeRow("Sleep100k", measure(func() {
			var wg sync.WaitGroup
			wg.Add(n)
			for i := 0; i < n; i++ {
				go func(d time.Duration) {
					time.Sleep(d)
					wg.Done()
				}(time.Duration(1+i%100) * time.Millisecond)
			}
			wg.Wait()
		}))
	}
}

func skynetNode(up chan<- int64, first, size int64) {
	if size == 1 {
		up <- first
		return
	}
	down := make(chan int64)
	sum := int64(0)
	for i := int64(0); i < 10; i++ {
		go skynetNode(down, first+i*(size/10), size/10)
	}
	for i := 0; i < 10; i++ {
		sum += <-down
	}
	up <- sum
}

func skynetRow(n int) {
	size := int64(n)
	for r := 0; r < *count; r++ {
		sum := int64(0)
		wholeRow("Skynet", measure(func() {
			up := make(chan int64)
			go skynetNode(up, 0, size)
			sum = <-up
		}))
		check(sum == size*(size-1)/2, "skynet got the wrong sum")
	}
}

// sieve returns the nth prime; its goroutines stay blocked, as in the classic program.
func sieve(n int) int64 {
	c := make(chan int64)
	go func(out chan<- int64) {
		for i := int64(2); ; i++ {
			out <- i
		}
	}(c)
	prime := int64(0)
	for i := 0; i < n; i++ {
		prime = <-c
		if i == n-1 {
			break
		}
		next := make(chan int64)
		go func(in <-chan int64, out chan<- int64, prime int64) {
			for {
				if v := <-in; v%prime != 0 {
					out <- v
				}
			}
		}(c, next, prime)
		c = next
	}
	return prime
}

// sieveRow prints one row however many are asked for: a second one would run among
// the leftovers of the first, at half its speed.
func sieveRow(n int) {
	prime := int64(0)
	wholeRow("Sieve", measure(func() { prime = sieve(n) }))
	check(n != 2000 || prime == 17389, "the sieve got a wrong prime")
}

// latencyRow measures how late a sleeper goes on beside goroutines that compute.
func latencyRow(n int) {
	late := make([]time.Duration, n)
	stop := new(atomic.Bool)
	var wg sync.WaitGroup
	for i := 0; i < 4; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := uint64(0); k%1000 != 0 || !stop.Load(); k++ {
			}
		}()
	}
	rng := uint32(1)
	m := measure(func() {
		for i := range late {
			rng = rng*1664525 + 1013904223
			due := time.Now().Add(500*time.Microsecond + time.Duration(rng%2000000))
			time.Sleep(time.Until(due))
			late[i] = time.Since(due)
		}
	})
	stop.Store(true)
	wg.Wait()
	sort.Slice(late, func(a, b int) bool { return late[a] < late[b] })
	us := func(at int) float64 { return float64(late[at]) / 1e3 }
	row("PreemptLatency", n, m, fmt.Sprintf("%.1f p50-us\t%.1f p99-us\t%.1f p999-us\t%.1f max-us", us(n/2), us(n*99/100), us(n*999/1000), us(n-1)))
}

const (
	readyWorkers = 16
	readyWork    = 20 * time.Microsecond
)

// readyRow measures from the wake-up of a goroutine to its first instruction: one wakes sixteen, which compute for 20 us each, beside hogs.
func readyRow(name string, rounds, hogs int) {
	took := make([]time.Duration, rounds*readyWorkers)
	var at atomic.Int64
	stop := new(atomic.Bool)
	var wg sync.WaitGroup
	var wake [readyWorkers]chan time.Time
	for i := range wake {
		c := make(chan time.Time, 1)
		wake[i] = c
		wg.Add(1)
		go func() {
			defer wg.Done()
			for sent := range c {
				now := time.Now()
				took[at.Add(1)-1] = now.Sub(sent)
				for time.Since(now) < readyWork {
				}
			}
		}()
	}
	for i := 0; i < hogs; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
			}
		}()
	}
	rng := uint32(1)
	m := measure(func() {
		for r := 0; r < rounds; r++ {
			rng = rng*1664525 + 1013904223
			time.Sleep(500*time.Microsecond + time.Duration(rng%1000000))
			for _, c := range wake {
				c <- time.Now()
			}
		}
		for _, c := range wake {
			close(c)
		}
		stop.Store(true)
		wg.Wait()
	})
	check(int(at.Load()) == len(took), "a wake-up is missing")
	sort.Slice(took, func(a, b int) bool { return took[a] < took[b] })
	n := len(took)
	us := func(at int) float64 { return float64(took[at]) / 1e3 }
	row(name, n, m, fmt.Sprintf("%.1f p50-us\t%.1f p99-us\t%.1f p999-us\t%.1f max-us", us(n/2), us(n*99/100), us(n*999/1000), us(n-1)))
	histogram(name, took)
}

// histogram prints sorted durations by powers of two of a microsecond.
func histogram(name string, sorted []time.Duration) {
	i := 0
	for b := time.Microsecond; i < len(sorted); b *= 2 {
		first := i
		for i < len(sorted) && sorted[i] < b {
			i++
		}
		percent := 100 * float64(i-first) / float64(len(sorted))
		if i > first {
			fmt.Printf("# %s %8d us %8d %7.3f %% %s\n", name, b.Microseconds(), i-first, percent, strings.Repeat("*", int(percent/2+0.5)))
		}
	}
}

//go:noinline
func increment(c *int) { *c++ }

//go:noinline
func calls(c *int) { increment(c) }

//go:noinline
func defers(c *int) { defer increment(c) }

//go:noinline
func defersThree(c *int) {
	defer increment(c)
	defer increment(c)
	defer increment(c)
}

//go:noinline
func recovers(c *int) {
	if recover() != nil {
		*c++
	}
}

//go:noinline
func panics(c *int) {
	defer recovers(c)
	panic("bench")
}

//go:noinline
func panicsBelow(depth int) {
	if depth == 0 {
		panic("bench")
	}
	panicsBelow(depth - 1)
}

//go:noinline
func panicsDeep(c *int) {
	defer recovers(c)
	panicsBelow(10)
}

// deferred calls f n times; each makes per calls of increment, or recovers as often.
func deferred(name string, n, per int, f func(*int)) {
	repeat(name, n, func() {
		c := 0
		for i := 0; i < n; i++ {
			f(&c)
		}
		check(c == per*n, "a call is missing")
	})
}
