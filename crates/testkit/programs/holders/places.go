package main

import (
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// Globals without an initial value lie in bss, others in data.
var (
	global        *node
	globalData    = struct{ p, q *node }{q: &placeholder}
	globalBig     *node
	globalHuge    *node
	globalPointer unsafe.Pointer
	globalTail    *uint64
	globalSlice   []*node
	globalMap     map[int]*node
	globalKeys    map[*node]int
	globalFunc    func() uint64
	globalMethod  func() uint64
	globalFace    interface{}
	globalSyncMap sync.Map
	globalAtomic  atomic.Pointer[node]
	globalValue   atomic.Value
	globalBuffer  = make(chan *node, 4)
	globalPool    sync.Pool
	waiting       *node
	placeholder   node
	array         *[length]node
)

func (n *node) check() uint64 { return n.sum }

// heldInPlace gives lists to what stays where it is.
func heldInPlace() {
	declare("global", "segment", func(h *node) { global = h })
	declare("global with a value", "segment", func(h *node) { globalData.p = h })
	declareOf("global, large nodes", "segment", 20, newBigNode, func(h *node) { globalBig = h })
	declareOf("global, huge nodes", "segment", 5, newHugeNode, func(h *node) { globalHuge = h })
	declare("unsafe.Pointer", "segment", func(h *node) { globalPointer = unsafe.Pointer(h) })
	declare("slice", "segment", func(h *node) { globalSlice = append(make([]*node, 5, 20), h) })
	declare("map value", "segment", func(h *node) {
		globalMap = make(map[int]*node)
		for i := 0; i < 100; i++ {
			globalMap[i] = nil
		}
		globalMap[77] = h
	})
	declare("map key", "segment", func(h *node) {
		globalKeys = make(map[*node]int)
		for i := 0; i < 20; i++ {
			globalKeys[new(node)] = i
		}
		globalKeys[h] = 1
	})
	declare("closure", "segment", func(h *node) { globalFunc = func() uint64 { return h.sum } })
	declare("method value", "segment", func(h *node) { globalMethod = h.check })
	declare("interface", "segment", func(h *node) { globalFace = h })
	declare("sync.Map", "segment", func(h *node) { globalSyncMap.Store("key", h) })
	declare("atomic.Pointer", "segment", func(h *node) { globalAtomic.Store(h) })
	declare("atomic.Value", "segment", func(h *node) { globalValue.Store(h) })
	declare("channel buffer", "segment", func(h *node) { globalBuffer <- h })
	declare("timer", "", func(h *node) { time.AfterFunc(1000*time.Hour, func() { sink = h.sum }) })
	declare("stopped timer", "segment", func(h *node) {
		globalTimer = time.AfterFunc(1000*time.Hour, func() { sink = h.sum })
		globalTimer.Stop()
	})
	inArray()
	if standing() {
		declare("sync.Pool", "", func(h *node) {
			waiting = h
			atLast = append(atLast, func() { globalPool.Put(waiting); waiting = nil })
		})
	}
}

var globalTimer *time.Timer

// inArray makes a list of an array's elements, held by a pointer into the last one.
//
//go:noinline
func inArray() {
	tags++
	a := new([length]node)
	for i := range a {
		seal(&a[i], tags, uint64(i))
		if i+1 < len(a) {
			a[i].next = &a[i+1]
		}
	}
	globalTail = &a[len(a)-1].sum
	tell("pointer into a tail", "segment", tags, length, disguised(&a[0]), true)
}
