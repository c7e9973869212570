package main

import (
	"runtime"
	"sync"
	"syscall"
	"time"
)

// rest is where movers let others run: not at all when the load is flat-out.
func rest() {
	if load == "light" {
		time.Sleep(300 * time.Microsecond)
	}
}

// begun is done when each goroutine runs whose list is told to be held by its frame: before that a
// closure holds it.
var begun sync.WaitGroup

// running starts a goroutine that calls begun.Done.
func running(f func(*node)) func(*node) {
	return func(h *node) {
		begun.Add(1)
		go f(h)
	}
}

// startMovers gives lists to goroutines that run, and hand them on from holder to holder.
func startMovers() {
	declare("moving: goroutine not run yet", "", func(h *node) { go relay(h) })
	declare("moving: between two cells", "", func(h *node) { go shuttle(&cell{h}, new(cell)) })
	declare("moving: channel hand-off", "", func(h *node) {
		there, back := make(chan *node), make(chan *node)
		go pass(there, back)
		go pass(back, there)
		there <- h
	})
	declare("moving: channel queue", "", func(h *node) {
		queue := make(chan *node, 3)
		queue <- h
		go pass(queue, queue)
	})
	declare("moving: stack that grows", "frame main.", running(growing))
	declare("moving: stack object, stack grows", "", func(h *node) { go growingObject(h) })
	declare("moving: between allocations", "frame main.", running(allocating))
	declare("moving: map that grows", "", func(h *node) { go growingMap(h) })
	declare("moving: slice that grows", "", func(h *node) { go growingSlice(h) })
	declare("moving: timer", "", rearm)
	declare("moving: finalizer", "", func(h *node) { runtime.SetFinalizer(&keeper{head: h}, revive) })
	declare("moving: finalizer's closure", "", renew)
	declare("moving: clock", "frame main.", running(clock))
	declare("moving: system calls", "frame main.", running(entering))
	declare("moving: panics", "", func(h *node) { go throwing(h) })
	declare("moving: defers", "", func(h *node) { go deferring(h) })
	declare("moving: registers", "", func(h *node) { go walking(h) })
}

//go:noinline
func relay(h *node) {
	rest()
	runtime.Gosched()
	go relay(h)
}

type cell struct{ p *node }

//go:noinline
func shuttle(a, b *cell) {
	for i := 0; ; i++ {
		h := a.p
		a.p = nil
		b.p = h
		a, b = b, a
		if i%1000 == 0 {
			rest()
		}
	}
}

//go:noinline
func pass(from, to chan *node) {
	for {
		to <- <-from
		rest()
	}
}

//go:noinline
func growing(h *node) {
	begun.Done()
	for i := 0; ; i++ {
		dig(i % 200)
		rest()
		if i < 0 {
			sink = h.sum
		}
	}
}

//go:noinline
func dig(n int) {
	var pad [256]byte
	pad[n%256] = byte(n)
	if n > 0 {
		dig(n - 1)
	}
	sink += uint64(pad[n%256])
}

//go:noinline
func growingObject(h *node) {
	for i := 0; ; i++ {
		var b box
		fillBox(&b, h)
		h = nil
		digBox(&b, i%200)
		h = b.head
		rest()
	}
}

//go:noinline
func digBox(b *box, n int) {
	var pad [256]byte
	if n > 0 {
		pad[n%256] = byte(n)
		digBox(b, n-1)
	}
	sink += uint64(pad[n%256]) + b.head.sum
}

//go:noinline
func allocating(h *node) {
	begun.Done()
	var ring [10]interface{}
	for i := 1; i > 0; i++ {
		ring[i%10] = make([]*uint64, i%70)
		if i%50 == 0 {
			rest()
		}
	}
	sink = h.sum
}

//go:noinline
func growingMap(h *node) {
	for {
		m := map[int]*node{-1: h}
		h = nil
		for i := 0; i < 500; i++ {
			m[i] = nil
		}
		h = m[-1]
		delete(m, -1)
		rest()
	}
}

//go:noinline
func growingSlice(h *node) {
	for {
		s := []*node{h}
		h = nil
		for i := 0; i < 500; i++ {
			s = append(s, nil)
		}
		h = s[0]
		rest()
	}
}

//go:noinline
func rearm(h *node) {
	time.AfterFunc(time.Duration(h.tag%3)*100*time.Microsecond, func() { rest(); rearm(h) })
}

func revive(k *keeper) { runtime.SetFinalizer(k, revive) }

//go:noinline
func renew(h *node) {
	runtime.SetFinalizer(&keeper{}, func(*keeper) { renew(h) })
}

//go:noinline
func clock(h *node) {
	begun.Done()
	for i := 1; i > 0; i++ {
		sink += uint64(time.Now().Nanosecond())
		if i%1000 == 0 {
			rest()
		}
	}
	sink = h.sum
}

//go:noinline
func entering(h *node) {
	begun.Done()
	var b [8]byte
	for i := 1; i > 0; i++ {
		syscall.Read(-1, b[:])
		if i%100 == 0 {
			rest()
		}
	}
	sink = h.sum
}

//go:noinline
func throwing(h *node) {
	for {
		r := recovering(h)
		h = nil
		rest()
		h = r.(*node)
	}
}

//go:noinline
func deferring(h *node) {
	for {
		var b box
		takeLater(&b, h)
		h = b.head
		rest()
	}
}

//go:noinline
func takeLater(b *box, h *node) {
	for i := 0; i < 3; i++ {
		defer fillBox(b, h)
	}
	defer func(h *node) { b.head = h }(h)
	h = nil
	runtime.Gosched()
}

// walking hands the head through registers and results, through calls that are too small for a
// frame, with a stack check, and with none.
//
//go:noinline
func walking(h *node) {
	for i := 0; ; i++ {
		h = second(i, h, nil)
		h = leaf(h)
		if i%1000 == 0 {
			rest()
		}
	}
}

//go:noinline
func second(i int, a, b *node) *node {
	if i&1 == 0 {
		a, b = leaf(a), b
	}
	if a == nil {
		return b
	}
	return a
}

//go:noinline
//go:nosplit
func leaf(h *node) *node { return h }
