// A program that is never run: it links what of the runtime goheap reads, so that the layouts of its
// structs are in its DWARF. It imports next to nothing, since it is built for every machine.

package main

import (
	"runtime"
	"sync"
)

var (
	// uses are what later versions add (go124.go).
	uses []func()
	sink any
)

type object struct{ next *object }

func main() {
	if runtime.NumGoroutine() >= 0 {
		return
	}
	records := make([]runtime.MemProfileRecord, 1)
	runtime.MemProfile(records, true)
	o := new(object)
	runtime.SetFinalizer(o, func(*object) {})
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	panics()
	channels()
	maps(map[string]int{})
	maps(map[*object]any{o: o})
	synchronised()
	for _, use := range uses {
		use()
	}
}

func panics() {
	defer func() { sink = recover() }()
	for i := 0; i < runtime.NumCPU(); i++ {
		i := i
		defer func() { sink = i }()
	}
	panic(sink)
}

func channels() {
	a, b := make(chan any), make(chan *object, 2)
	go func() { a <- sink }()
	select {
	case sink = <-a:
	case b <- new(object):
	}
	close(a)
}

func maps[K comparable, V any](m map[K]V) {
	for k, v := range m {
		delete(m, k)
		m[k] = v
		sink = v
	}
}

func synchronised() {
	var m sync.Map
	m.Store(1, sink)
	m.LoadOrStore(2, sink)
	m.Delete(1)
	m.Range(func(k, v any) bool {
		sink = v
		return true
	})
	sink = &m
	pool := sync.Pool{New: func() any { return new(object) }}
	pool.Put(pool.Get())
	sink = &pool
	var lock sync.Mutex
	lock.Lock()
	sink = &lock
}
