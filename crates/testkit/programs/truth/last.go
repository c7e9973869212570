package main

import (
	"runtime"
	"sync"
	"unsafe"
)

// keeper has a finalizer.
type keeper struct {
	head *item
	name [3]uint64
}

type pooled struct {
	fill [6]uint64
	ref  *item
}

type litter struct {
	next *litter
	n    [2]int
}

var (
	finalized []*keeper
	dying     []*keeper
	pool      sync.Pool
)

func fillFinalizers() {
	finalized = make([]*keeper, 10)
	dying = make([]*keeper, 10)
	tellBacking(unsafe.Pointer(&finalized[0]), "*main.keeper", 10, 10, "main.finalized", "main.finalized")
	for i := range finalized {
		k := &keeper{head: newItem(i)}
		runtime.SetFinalizer(k, (*keeper).finish)
		finalized[i] = k
		tell(unsafe.Pointer(k), fact{typ: "main.keeper", shape: "value", paths: []string{at("main.finalized", i)}})
		tell(unsafe.Pointer(k.head), fact{typ: "main.item", shape: "value"})
		dying[i] = &keeper{head: newItem(i)}
		runtime.SetFinalizer(dying[i], (*keeper).finish)
	}
}

func (k *keeper) finish() { sink = k.head.ID }

// fillLast makes what the next collection would take away: garbage, what a pool keeps, and what only
// finalizers keep.
//
//go:noinline
func fillLast() {
	litterAbout()
	for i := 0; i < 20; i++ {
		p := &pooled{ref: newItem(i)}
		tell(unsafe.Pointer(p), fact{typ: "main.pooled", shape: "pooled", begins: "main.pool", only: "main.pool"})
		tell(unsafe.Pointer(p.ref), fact{typ: "main.item", shape: "pooled", begins: "main.pool", only: "main.pool"})
		pool.Put(p)
	}
	tellWaste("pool", "main.pool", 20, 20*64)
	for i := range dying {
		tell(unsafe.Pointer(dying[i]), fact{typ: "main.keeper", shape: "value", only: "finalizer", loose: true})
		tell(unsafe.Pointer(dying[i].head), fact{typ: "main.item", shape: "value", only: "finalizer"})
		dying[i] = nil
	}
	tellWaste("finalizer", "main.keeper", len(dying), 0)
	hideAway()
	wipe(50)
}

//go:noinline
func litterAbout() {
	var list *litter
	for i := 0; i < 1000; i++ {
		list = &litter{next: list}
		tell(unsafe.Pointer(list), fact{typ: "main.litter", shape: "value", loose: true})
	}
}

// hideAway leaves an item's address in a number: nothing holds it.
//
//go:noinline
func hideAway() {
	it := newItem(12)
	number = uintptr(unsafe.Pointer(it))
	tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "raw", loose: true})
}

// wipe goes over what the stack has left of all that.
//
//go:noinline
func wipe(depth int) int {
	var room [64]uint64
	if depth == 0 {
		return int(room[sink%64])
	}
	return wipe(depth-1) + int(room[(sink+1)%64])
}
