// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"sync"
	"time"
)

func makeChans(cases, capacity int) []chan int64 {
	c := make([]chan int64, cases)
	for i := range c {
		c[i] = make(chan int64, capacity)
	}
	return c
}

// receive2 and receive8 select from channels and say which one it was.
func receive2(c []chan int64) (int64, int) {
	select {
	case v := <-c[0]:
		return v, 0
	case v := <-c[1]:
		return v, 1
	}
}

func receive8(c []chan int64) (int64, int) {
	select {
	case v := <-c[0]:
		return v, 0
	case v := <-c[1]:
		return v, 1
	case v := <-c[2]:
		return v, 2
	case v := <-c[3]:
		return v, 3
	case v := <-c[4]:
		return v, 4
	case v := <-c[5]:
		return v, 5
	case v := <-c[6]:
		return v, 6
	case v := <-c[7]:
		return v, 7
	}
}

// selectReady takes an element and sends it to the channel that is step further; so many channels are full.
func selectReady(n, cases, full, step int) {
	c := makeChans(cases, 1)
	for i := 0; i < full; i++ {
		c[i] <- 0
	}
	if cases == 2 {
		for i := 0; i < n; i++ {
			v, at := receive2(c)
			c[(at+step)%2] <- v + 1
		}
	} else {
		for i := 0; i < n; i++ {
			v, at := receive8(c)
			c[(at+step)%8] <- v + 1
		}
	}
	sum := int64(0)
	for i := range c {
		select {
		case v := <-c[i]:
			sum += v
		default:
		}
	}
	check(sum == int64(n), "a select lost an element")
}

// selectBlocked has two goroutines select in turn from channels in which there is nothing, and send to one of the other's.
func selectBlocked(n, cases int) {
	a, b := makeChans(cases, 0), makeChans(cases, 0)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		for i := 0; i < n/2; i++ {
			var v int64
			if cases == 2 {
				v, _ = receive2(a)
			} else {
				v, _ = receive8(a)
			}
			b[i%cases] <- v + 1
		}
		wg.Done()
	}()
	v := int64(0)
	for i := 0; i < n/2; i++ {
		a[i%cases] <- v + 1
		if cases == 2 {
			v, _ = receive2(b)
		} else {
			v, _ = receive8(b)
		}
	}
	wg.Wait()
	check(v == int64(n/2*2), "a select lost an element")
}

var (
	aMutex   sync.Mutex
	aRWMutex sync.RWMutex
	aGroup   sync.WaitGroup
	aCounter int
)

func mutexAlone(n int) {
	aCounter = 0
	for i := 0; i < n; i++ {
		aMutex.Lock()
		aCounter++
		aMutex.Unlock()
	}
	check(aCounter == n, "the mutex lost count")
}

// eight has eight goroutines call work(n / 8).
func eight(n int, work func(rounds int)) {
	var wg sync.WaitGroup
	wg.Add(8)
	for i := 0; i < 8; i++ {
		go func() {
			work(n / 8)
			wg.Done()
		}()
	}
	wg.Wait()
}

func rwmutexRead8(n int) {
	aRWMutex.Lock()
	aCounter = 1
	aRWMutex.Unlock()
	eight(n, func(rounds int) {
		sum := 0
		for i := 0; i < rounds; i++ {
			aRWMutex.RLock()
			sum += aCounter
			aRWMutex.RUnlock()
		}
		check(sum == rounds, "a reader read something else")
	})
}

func groupAlone(n int) {
	for i := 0; i < n; i++ {
		aGroup.Add(1)
		aGroup.Done()
		aGroup.Wait()
	}
}

func group8(n int) {
	eight(n, func(rounds int) {
		for i := 0; i < rounds; i++ {
			aGroup.Add(1)
			aGroup.Done()
		}
	})
	aGroup.Wait()
}

const (
	treeSize = 10_000
	children = 10
)

var (
	tree    [treeSize]context.Context
	cancels [treeSize]context.CancelFunc
)

func plant() {
	tree[0], cancels[0] = context.WithCancel(context.Background())
	for i := 1; i < treeSize; i++ {
		tree[i], cancels[i] = context.WithCancel(tree[(i-1)/children])
	}
}

func checkAndFell() {
	for i := range tree {
		check(tree[i].Err() != nil, "a context is not cancelled")
		tree[i], cancels[i] = nil, nil
	}
}

func contextTree(n int) {
	for k := 0; k < n/treeSize; k++ {
		plant()
		cancels[0]()
		checkAndFell()
	}
}

func contextCancelRow(n int) {
	for i := 0; i < *count; i++ {
		var sum span
		for k := 0; k < n/treeSize; k++ {
			plant()
			s := measure(cancels[0])
			sum.wall += s.wall
			sum.cpu += s.cpu
			checkAndFell()
		}
		row("ContextCancel", n, sum)
	}
}

func never() { check(false, "a timer fired") }

func timerNew(n int) {
	for i := 0; i < n; i++ {
		check(time.NewTimer(time.Hour).Stop(), "a timer was not active")
	}
}

func timerFunc(n int) {
	for i := 0; i < n; i++ {
		check(time.AfterFunc(time.Hour, never).Stop(), "a timer was not active")
	}
}

// timerResetRow starts and stops one timer beside 10,000 that wait.
func timerResetRow(n int) {
	var others [10_000]*time.Timer
	for i := range others {
		others[i] = time.AfterFunc(time.Hour+time.Duration(i)*time.Millisecond, never)
	}
	repeat("TimerReset", n, func() {
		t := time.AfterFunc(time.Hour, never)
		t.Stop()
		for i := 0; i < n; i++ {
			t.Reset(time.Hour / 2)
			check(t.Stop(), "a timer was not active")
		}
	})
	for _, t := range others {
		t.Stop()
	}
}
