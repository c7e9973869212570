package main

import (
	"runtime"
	"time"
)

// keeper has a finalizer.
type keeper struct {
	head *node
	name [3]uint64
}

var (
	kept      [4]*keeper
	lastTaken *keeper
	entered   = make(chan bool, 1)
)

// blockFinalizers makes the goroutine that runs finalizers wait for good, so that those to come stay
// in the queue.
func blockFinalizers() {
	leaveFinalizer()
	for i := 0; i < 100 && len(entered) == 0; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func leaveFinalizer() {
	runtime.SetFinalizer(&keeper{}, func(k *keeper) {
		entered <- true
		<-forever
		sink = k.name[0]
	})
}

func heldByFinalizers() {
	declare("finalizer's closure", "finalizer", func(h *node) {
		kept[0] = new(keeper)
		runtime.SetFinalizer(kept[0], func(*keeper) { sink = h.sum })
	})
	if !standing() {
		return
	}
	declare("queued finalizer's object", "queuedfinalizer", func(h *node) {
		runtime.SetFinalizer(&keeper{head: h}, (*keeper).finish)
	})
	declare("queued finalizer's closure", "queuedfinalizer", func(h *node) {
		runtime.SetFinalizer(&keeper{}, func(*keeper) { sink = h.sum })
	})
	// Dead, and no collection has found out: what it points to is alive by its finalizer.
	declare("dead object with a finalizer", "finalizer", func(h *node) {
		kept[1] = &keeper{head: h}
		runtime.SetFinalizer(kept[1], (*keeper).finish)
		atLast = append(atLast, func() { kept[1] = nil })
	})
}

func (k *keeper) finish() { sink = k.head.sum }
