// Program unseen holds what the runtime's own dumper does not write, or writes wrong, and tells where
// it is: a line "fact NAME ADDRESS..." for each before it says that it is ready.
//
//	unseen      cleanups, weak pointers, tiny blocks
//	unseen big  an object of 3 GiB
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"unsafe"
)

// object is too large for the tiny allocator, and has a pointer.
type object struct {
	next *object
	n    [15]uint64
}

var (
	kept  []interface{}
	big   []byte
	sink  uint64
	never = make(chan struct{})

	// build makes what there is to see, before the last collections; drop lets go of some of it
	// behind them.
	build, drop []func()
)

func addr(o *object) uintptr { return uintptr(unsafe.Pointer(o)) }

func tell(what string, addresses ...uintptr) {
	for _, a := range addresses {
		what += " 0x" + strconv.FormatUint(uint64(a), 16)
	}
	say("fact " + what)
}

// elsewhere runs f on a stack of its own, which is gone afterwards.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	<-done
}

func main() {
	allowTracers()
	debug.SetGCPercent(-1)
	if len(os.Args) > 1 && os.Args[1] == "big" {
		big = make([]byte, 3<<30)
		big[0], big[len(big)-1] = 'a', 'z'
		tell("big", uintptr(unsafe.Pointer(&big[0])))
	} else {
		for _, f := range build {
			elsewhere(f)
		}
		runtime.GC()
		runtime.GC()
		for _, f := range drop {
			elsewhere(f)
		}
	}
	forever := make(chan struct{})
	go obey(func() {})
	<-forever
}
