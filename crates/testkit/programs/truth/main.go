// Program truth builds data structures of all kinds, tells what it has built (each object's address
// and type, who holds it and by what path, what is wasted, which goroutines are stuck) and stands
// still. What it tells goes, as lines of JSON, into the file that TRUTH_FILE names in its environment.
//
// With TRUTH_COLLECT in its environment, it collects twice before each dump that it is told to write,
// and tells its runtime.MemStats of then.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"
)

var forever = make(chan struct{})

func init() {
	// As in the other programs: the one that dumps runs on another thread than the first.
	runtime.LockOSThread()
}

// extras are what only some versions have, lasts what they make when all collections are over.
var extras, lasts []func()

func main() {
	allowTracers()
	if runtime.GOMAXPROCS(0) < 4 {
		runtime.GOMAXPROCS(4)
	}
	openTruth()
	fillValues()
	fillRoots()
	fillMaps()
	fillFunctions()
	fillInterfaces()
	fillLibrary()
	fillChannels()
	fillWaste()
	fillFinalizers()
	for _, f := range extras {
		f()
	}
	startGoroutines()
	stand()
	fillLast()
	for _, f := range lasts {
		f()
	}
	closeTruth()
	before := func() {}
	if os.Getenv("TRUTH_COLLECT") != "" {
		before = collectAndCount
	}
	go func() { obey(before) }()
	<-forever
}

// stand collects all that nobody holds, and lets the collector rest.
func stand() {
	for i := 0; i < 5; i++ {
		time.Sleep(20 * time.Millisecond)
		runtime.GC()
	}
	debug.SetGCPercent(-1)
	// The scavenger sleeps by a timer while it works.
	time.Sleep(200 * time.Millisecond)
}

var (
	counts     runtime.MemStats
	countsLine [200]byte
)

// collectAndCount allocates nothing between the last collection and its end, so that what it tells
// is still so when the dump is written.
func collectAndCount() {
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&counts)
	line := append(countsLine[:0], "counts "...)
	line = strconv.AppendUint(line, counts.HeapObjects, 10)
	line = append(line, ' ')
	line = strconv.AppendUint(line, counts.HeapAlloc, 10)
	line = append(line, '\n')
	syscall.Write(2, line)
}
