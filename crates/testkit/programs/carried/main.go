// Program carried is a library for C (-buildmode=c-shared): the host calls Grow, which makes a list of
// small objects that a variable holds, and leaves a goroutine waiting.
package main

import "C"

import "runtime"

type link struct {
	next *link
	a, b uint64
}

var (
	chain   *link
	waiting = make(chan int)
)

//export Grow
func Grow(n C.long) {
	allowTracers()
	for i := C.long(0); i < n; i++ {
		chain = &link{next: chain, a: uint64(i)}
	}
	go func() { <-waiting }()
	runtime.GC()
}

func main() {}
