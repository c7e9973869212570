// Program churn allocates and collects flat out, with garbage of every size and finalizers, for
// dumps that meet caches not flushed and spans not swept.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

var hold []interface{}

func init() { runtime.LockOSThread() }

type node struct {
	left, right *node
	value       [5]int
}

type noted struct {
	name string
	data []byte
}

// rest is how long each goroutine sleeps after some turns. It is the first argument (`churn 5ms`);
// without one they work flat out.
var rest time.Duration

func main() {
	allowTracers()
	if len(os.Args) > 1 {
		var err error
		if rest, err = time.ParseDuration(os.Args[1]); err != nil {
			panic(err)
		}
	}
	for i := 0; i < 4000; i++ {
		hold = append(hold, tree(6), make([]byte, 100+i/2))
	}
	stop := make(chan struct{})
	for i := 0; i < 3; i++ {
		go churn(i, stop)
	}
	time.Sleep(200 * time.Millisecond)
	go obey(func() {
		close(stop)
		untilUnswept()
		fillCaches()
	})
	<-make(chan struct{})
}

// untilUnswept comes back right behind a collection, when most spans are not swept yet. The
// background sweeper gives way whenever no processor is idle, so some goroutines keep them all busy.
func untilUnswept() {
	runtime.GOMAXPROCS(2)
	for i := 0; i < 4; i++ {
		go spin(i)
	}
	// ReadGCStats stops nothing and does not come by readmemstats_m, where the breakpoint lies.
	var before, now debug.GCStats
	debug.ReadGCStats(&before)
	for i := 0; i < 1000000; i++ {
		debug.ReadGCStats(&now)
		if now.NumGC != before.NumGC {
			return
		}
		garbage = make([]byte, 2000)
	}
}

var garbage []byte
var pointers []*int

// fillCaches makes objects that the processor's cache knows of and no counter yet, tiny ones among
// them, so that the flush before the statistics has something to count.
func fillCaches() {
	for i := 0; i < 20; i++ {
		for size := 3; size < 1000; size *= 2 {
			garbage = make([]byte, size)
			pointers = make([]*int, size/8+1)
		}
	}
}

//go:noinline
func spin(seed int) {
	p := &seed
	for {
		*p = *p*1103515245 + 12345
	}
}

//go:noinline
func tree(depth int) *node {
	if depth == 0 {
		return nil
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1)}
}

// weaken makes a weak pointer, in the versions that have them.
var weaken func(*noted) interface{}

func churn(seed int, stop chan struct{}) {
	handles := make([]interface{}, 2000)
	ring := make([]interface{}, 500)
	x := uint32(seed + 1)
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		if rest > 0 && i%100 == 99 {
			time.Sleep(rest)
		}
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		size := int(x % 3000)
		switch i % 8 {
		case 0:
			ring[i%len(ring)] = make([]byte, size)
		case 1:
			ring[i%len(ring)] = make([]*int, size/8+1)
		case 2:
			ring[i%len(ring)] = tree(int(x%5) + 1)
		case 3:
			n := &noted{name: string(rune('a' + x%26)), data: make([]byte, size/10)}
			runtime.SetFinalizer(n, func(n *noted) { n.data = nil })
			ring[i%len(ring)] = n
			if weaken != nil {
				// The handle outlives what it leads to: the sweep that finds that dead clears it.
				handles[i%len(handles)] = weaken(n)
			}
		case 4:
			ring[i%len(ring)] = map[int]string{size: "x"}
		case 5:
			tree(4)
		case 6:
			b := byte(x)
			ring[i%len(ring)] = &b
		case 7:
			if x%100 == 0 {
				ring[i%len(ring)] = make([]*node, 8000+size)
			}
		}
	}
}
