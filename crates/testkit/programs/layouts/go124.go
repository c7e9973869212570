//go:build go1.24

package main

import (
	"runtime"
	"sync"
)

func init() {
	uses = append(uses, func() {
		runtime.AddCleanup(new(object), func(int) {}, 1)
		var m sync.Map
		sink, _ = m.Swap(1, sink)
		m.CompareAndSwap(1, sink, sink)
		m.CompareAndDelete(1, sink)
		sink, _ = m.LoadAndDelete(1)
		m.Clear()
	})
}
