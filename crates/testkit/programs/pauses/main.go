// Program pauses has a big heap of small objects, works on it, and measures from inside how long it
// stood still. Its arguments are the size of the heap in MB (1e6 bytes), how many threads it has
// beside those of the runtime, how many MB a second it allocates, and how many old objects a second
// it writes to.
//
// A thread that the Go runtime knows nothing of, and that has real-time priority where that is
// allowed, sleeps for 50 microseconds, reads CLOCK_MONOTONIC, and so on: what lies 200 microseconds or
// more apart is a gap. So it measures when the kernel does not let threads of this process run, and
// neither the queue for a processor nor the runtime's own stops. These show in the steps of the work.
//
// It says `watch FIFO` or `watch NORMAL`, then `ready`, and takes these orders:
//
//	now        says `now NS`, by CLOCK_MONOTONIC
//	gaps NS    says `gaps WAIT BEGIN:END...`: all gaps longer than 200 microseconds that end after NS,
//	           and before them the longest step of the work (of some 1 ms) that ends after it
//	dump PATH  WriteHeapDump into that file, then says `took NS`
//	tell       says `told LIVE INUSE COLLECTIONS`: bytes that survived the last
//	           collection, bytes of spans in use, collections so far
//	exit       ends
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	allowTracers()
	size, threads, allocation, writes := number(1, 256)*1000000, number(2, 30), number(3, 100)*1000000, number(4, 5000)
	debug.SetGCPercent(-1)
	build(size)
	debug.SetGCPercent(100)
	runtime.GC()
	addThreads(threads)
	say("watch " + watch())
	go work(allocation, writes)
	time.Sleep(100 * time.Millisecond)
	say("ready")
	for {
		order := command()
		switch {
		case order == "now":
			say("now " + strconv.FormatInt(now(), 10))
		case strings.HasPrefix(order, "gaps "):
			since, err := strconv.ParseInt(order[len("gaps "):], 10, 64)
			if err != nil {
				say("error " + err.Error())
				continue
			}
			say("gaps " + told(since))
		case strings.HasPrefix(order, "dump "):
			dump(order[len("dump "):])
		case order == "tell":
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			say(fmt.Sprintf("told %d %d %d", stats.NextGC/2, stats.HeapInuse, stats.NumGC))
		case order == "exit":
			os.Exit(0)
		default:
			say("error unknown command " + order)
		}
	}
}

func number(argument, otherwise int) int {
	if len(os.Args) > argument {
		if n, err := strconv.Atoi(os.Args[argument]); err == nil {
			return n
		}
		say("error a number: " + os.Args[argument])
		os.Exit(1)
	}
	return otherwise
}

func dump(path string) {
	f, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, 0600)
	if err != nil {
		say("error " + err.Error())
		return
	}
	start := now()
	debug.WriteHeapDump(uintptr(f))
	took := now() - start
	syscall.Close(f)
	say("took " + strconv.FormatInt(took, 10))
}

// addThreads starts goroutines that have a thread each: a third of them wait in read(2), a third for
// a channel, and a third sleep in nanosleep(2) over and over.
func addThreads(n int) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		say("error " + err.Error())
		os.Exit(1)
	}
	never := make(chan int)
	for i := 0; i < n; i++ {
		go func(i int) {
			runtime.LockOSThread()
			switch i % 3 {
			case 0:
				var b [1]byte
				for {
					syscall.Read(ends[0], b[:])
				}
			case 1:
				<-never
			case 2:
				for {
					hundredth := syscall.NsecToTimespec(10000000)
					syscall.Nanosleep(&hundredth, nil)
				}
			}
		}(i)
	}
}
