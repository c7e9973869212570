//go:build go1.24

package main

import (
	"runtime"
	"weak"
)

func init() {
	extras = append(extras, heldByCleanups)
	cleanUp = func() {
		runtime.AddCleanup(new(keeper), func(n uint64) { sink += n }, 1)
	}
}

var globalWeak weak.Pointer[node]

func heldByCleanups() {
	declare("cleanup's argument", "otherroot", func(h *node) {
		kept[2] = new(keeper)
		runtime.AddCleanup(kept[2], use, h)
	})
	declare("cleanup's closure", "otherroot", func(h *node) {
		kept[3] = new(keeper)
		runtime.AddCleanup(kept[3], func(int) { sink = h.sum }, 1)
	})
	if !standing() {
		weakly()
		declare("moving: cleanup", "", cleanAgain)
		return
	}
	dyingAtLast = append(dyingAtLast, weakly)
	leaveCleanup()
	runtime.GC()
	declare("queued cleanup", "", func(h *node) {
		runtime.AddCleanup(new(keeper), func(h *node) { <-forever; sink = h.sum }, h)
	})
}

// leaveCleanup makes a goroutine that runs cleanups wait for good.
//
//go:noinline
func leaveCleanup() {
	runtime.AddCleanup(new(keeper), func(int) { <-forever }, 1)
}

//go:noinline
func cleanAgain(h *node) {
	runtime.AddCleanup(new(keeper), func(h *node) { rest(); cleanAgain(h) }, h)
}

// weakly makes a list that only a weak pointer leads to: nothing holds it. If all stands still, it is
// made too late for a collection to find that out.
//
//go:noinline
func weakly() {
	tags++
	head := build(tags, length, newNode)
	tell("weak pointer", "", tags, length, disguised(head), false)
	globalWeak = weak.Make(head)
}
