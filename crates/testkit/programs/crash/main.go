// Program crash does what the runtime's own WriteHeapDump dies of: 64 goroutines are in and out of
// read(2) all the time (go1.26 and later), or, with the argument `leaked`, a goroutine-leak profile
// has marked goroutines as leaked (go1.27 and later). It dumps its heap only when it is told to.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

const readers = 64

// reads counts those that came back: how a test sees that the program goes on.
var reads uint64

// leak makes goroutines that a profile finds to be leaked, and takes that profile, in the versions
// that can. It says how many there are.
var leak func() (int, error)

func main() {
	allowTracers()
	if len(os.Args) > 1 && os.Args[1] == "leaked" {
		if leak == nil {
			say("error this version has no goroutine-leak profile")
			return
		}
		// The next collection would take the mark away again.
		debug.SetGCPercent(-1)
		n, err := leak()
		if err != nil {
			say("error " + err.Error())
			return
		}
		say("leaked " + strconv.Itoa(n))
	} else {
		ring()
	}
	forever := make(chan struct{})
	go orders()
	<-forever
}

// ring lets bytes go round through 64 pipes, each read by a goroutine of its own in a system call
// that blocks its thread, as the poller knows nothing of these pipes. So many threads are on their
// way out of read(2) at any moment, in a stopped world too, and wait for a processor there.
func ring() {
	var ends [readers][2]int
	for i := range ends {
		if err := syscall.Pipe2(ends[i][:], syscall.O_CLOEXEC); err != nil {
			say("error pipe: " + err.Error())
			os.Exit(1)
		}
	}
	for i := range ends {
		go pass(ends[i][0], ends[(i+1)%readers][1])
	}
	for i := 0; i < readers; i += 4 {
		if _, err := syscall.Write(ends[i][1], []byte{byte(i)}); err != nil {
			say("error write: " + err.Error())
			os.Exit(1)
		}
	}
}

// pass reads bytes from one pipe and writes them to another. Both calls return EINTR at worst.
func pass(from, to int) {
	var b [1]byte
	for {
		n, err := syscall.Read(from, b[:])
		for err == nil && n == 1 {
			if _, err = syscall.Write(to, b[:]); err != syscall.EINTR {
				break
			}
			err = nil
		}
		if err != nil && err != syscall.EINTR {
			say("error pass: " + err.Error())
			os.Exit(1)
		}
		atomic.AddUint64(&reads, 1)
	}
}

// orders takes them until stdin ends:
//
//	answer  say how many reads came back, and how many goroutines there are
//	dump N  WriteHeapDump into /dev/null so often, then say so
func orders() {
	say("ready")
	null, err := syscall.Open("/dev/null", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		say("error /dev/null: " + err.Error())
		os.Exit(1)
	}
	for {
		line := command()
		switch {
		case line == "answer":
			say("answer " + strconv.FormatUint(atomic.LoadUint64(&reads), 10) + " " + strconv.Itoa(runtime.NumGoroutine()))
		case strings.HasPrefix(line, "dump "):
			n, _ := strconv.Atoi(line[len("dump "):])
			for i := 0; i < n; i++ {
				debug.WriteHeapDump(uintptr(null))
			}
			say("dumped " + strconv.Itoa(n))
		default:
			say("error unknown command " + line)
		}
	}
}
