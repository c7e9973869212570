//go:build withcgo

package main

/*
#include <stdlib.h>
#include <unistd.h>

static void block(void) { for (;;) pause(); }
static int small(int n) { return n + 1; }
static void **room(void) { return malloc(sizeof(void *)); }
*/
import "C"

import (
	"runtime"
	"unsafe"
)

func init() {
	extras = append(extras, func() {
		declare("cgo call", "frame main.", running(inC))
		if standing() {
			dyingAtLast = append(dyingAtLast, inCMemory)
		} else {
			inCMemory()
			declare("moving: cgo calls", "frame main.", running(callingC))
		}
	})
}

//go:noinline
func inC(h *node) {
	begun.Done()
	C.block()
	sink = h.sum
}

//go:noinline
func callingC(h *node) {
	begun.Done()
	for i := 1; i > 0; i++ {
		C.small(C.int(i & 1))
		if i%100 == 0 {
			rest()
		}
	}
	sink = h.sum
}

// inCMemory leaves the address of a list in C's memory, where the collector does not look: nothing
// holds it. It goes there as a number, for cgo's checks forbid it as a pointer.
//
//go:noinline
func inCMemory() {
	tags++
	head := build(tags, length, newNode)
	tell("C memory", "", tags, length, disguised(head), false)
	*(*uintptr)(unsafe.Pointer(C.room())) = uintptr(unsafe.Pointer(head))
	runtime.KeepAlive(head)
}
