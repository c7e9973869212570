// Program everything holds one of each thing that a heap dump can say, and then stands still:
// nothing in it runs, no timer is near, no socket is open, the collector is off.
//
// Its environment: EVERYTHING_PROFILE=1 samples every allocation. EVERYTHING_PAIR=PATH is where it
// writes a dump when it gets an order, to end then with a core.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

// hold keeps what must stay reachable.
var hold []interface{}

// forever is never closed and nothing is sent on it.
var forever = make(chan struct{})

func init() {
	if os.Getenv("EVERYTHING_PROFILE") == "1" {
		runtime.MemProfileRate = 1
	}
	// The main goroutine keeps the first thread, so that the one that dumps runs on another:
	// m0 lies in bss, and a running m scribbles in itself (pcvalueCache, cheaprand).
	runtime.LockOSThread()
}

func main() {
	allowTracers()
	buildMaps()
	buildTypes()
	buildItabs()
	buildSizes()
	buildValues()
	startWaiters()
	startFrames()
	startPanics()
	buildExtras()
	buildFinalizers()
	profileOnce()
	settle()
	go func() {
		if path := os.Getenv("EVERYTHING_PAIR"); path != "" {
			leavePair(path)
		}
		obey(startRunnable)
	}()
	<-forever
}

// settle waits until all that was started has blocked, and empties what can be emptied.
func settle() {
	for last, same := -1, 0; same < 5; {
		time.Sleep(20 * time.Millisecond)
		n := started()
		if n == last {
			same++
		} else {
			last, same = n, 0
		}
	}
	runtime.GC()
	runtime.GC()
	debug.SetGCPercent(-1)
	time.Sleep(20 * time.Millisecond)
}

// started counts the goroutines that exist.
func started() int { return runtime.NumGoroutine() }

// profileOnce links runtime.MemProfile, without which the runtime keeps no profile at all.
func profileOnce() {
	records := make([]runtime.MemProfileRecord, 8)
	n, _ := runtime.MemProfile(records, true)
	hold = append(hold, n)
}

// startRunnable leaves goroutines runnable when the world stops: some that never ran (if no
// processor was idle to take them), some that were preempted in a loop without a call.
func startRunnable() {
	for i := 0; i < 3; i++ {
		go spin(i)
	}
	time.Sleep(5 * time.Millisecond)
	for i := 0; i < 10; i++ {
		go neverRan(i, "argument", []int{i})
	}
}

var sink int

//go:noinline
func spin(seed int) {
	p := &seed
	for {
		*p = *p*1103515245 + 12345
	}
}

//go:noinline
func neverRan(i int, s string, v []int) {
	sink = i + len(s) + len(v)
	<-forever
}
