package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// heldByGoroutines gives lists to goroutines that block, each in its own way, and to one that runs
// without a pause.
func heldByGoroutines() {
	declare("stack variable", "frame main.", func(h *node) { go inVariable(h) })
	declare("locked thread", "frame main.", func(h *node) { go inLocked(h) })
	declare("stack object", "frame main.", func(h *node) { go inObject(h) })
	declare("stack object behind another", "frame main.", func(h *node) { go inObjects(h) })
	declare("array on the stack", "frame main.", func(h *node) { go inStackArray(h) })
	declare("goroutine's closure", "", func(h *node) { go func() { <-forever; sink = h.sum }() })
	declare("blocked sender", "frame", func(h *node) { go inSend(h) })
	declare("blocked select", "frame", func(h *node) { go inSelect(h) })
	declare("deferred closure", "", func(h *node) { go inDefer(h) })
	declare("deferred call's argument", "", func(h *node) { go inDeferArgument(h) })
	declare("defer in a loop", "", func(h *node) { go inLoopDefer(h) })
	declare("panic's value", "", func(h *node) { go inPanic(h) })
	declare("recovered panic's result", "frame main.", func(h *node) { go inRecovered(h) })
	declare("function's result", "frame main.", func(h *node) { go inResult(h) })
	declare("system call", "frame main.", func(h *node) { go inSystemCall(h) })
	declare("sleeper", "frame main.", func(h *node) { go inSleep(h) })
	declare("mutex", "frame main.", func(h *node) { go inMutex(h) })
	declare("map on the stack", "", func(h *node) { go inMap(h) })
	declare("register", "", func(h *node) { go inRegister(h) })
	declare("spilled, in no stack map", "", func(h *node) {
		p := new(*node)
		*p = h
		go inSpilled(p)
	})
	declare("deep stack", "frame main.", func(h *node) { go inDeep(h, 300) })
	time.Sleep(10 * time.Millisecond)
}

//go:noinline
func inVariable(h *node) {
	<-forever
	sink = h.sum
}

//go:noinline
func inLocked(h *node) {
	runtime.LockOSThread()
	<-forever
	sink = h.sum
}

type box struct {
	pad  [3]uint64
	head *node
	link *box
}

// inObject's variable is in no stack map while it waits: what it waits in has a pointer to it.
//
//go:noinline
func inObject(h *node) {
	var b box
	fillBox(&b, h)
	waitWith(&b)
}

//go:noinline
func fillBox(b *box, h *node) { b.head = h }

//go:noinline
func waitWith(b *box) {
	<-forever
	sink = b.head.sum
}

// inObjects has a pointer to a variable that has one to another.
//
//go:noinline
func inObjects(h *node) {
	var near, far box
	fillBox(&far, h)
	linkBox(&near, &far)
	waitLinked(&near)
}

//go:noinline
func linkBox(near, far *box) { near.link = far }

//go:noinline
func waitLinked(b *box) {
	<-forever
	sink = b.link.head.sum
}

//go:noinline
func inStackArray(h *node) {
	var a [40]*node
	fillArray(&a, h)
	<-forever
	sink = a[sink%40].sum
}

//go:noinline
func fillArray(a *[40]*node, h *node) { a[33] = h }

//go:noinline
func inSend(h *node) { make(chan *node) <- h }

//go:noinline
func inSelect(h *node) {
	c := make(chan *node)
	select {
	case c <- h:
	case <-forever:
	}
}

//go:noinline
func inDefer(h *node) {
	defer func() { sink = h.sum }()
	<-forever
}

//go:noinline
func inDeferArgument(h *node) {
	defer use(h)
	h = nil
	<-forever
}

//go:noinline
func use(h *node) { sink = h.sum }

//go:noinline
func inLoopDefer(h *node) {
	for i := 0; i < 3; i++ {
		defer use(h)
	}
	h = nil
	<-forever
}

//go:noinline
func inPanic(h *node) {
	defer func() { <-forever }()
	panic(h)
}

//go:noinline
func inRecovered(h *node) {
	r := recovering(h)
	h = nil
	<-forever
	sink = r.(*node).sum
}

//go:noinline
func recovering(h *node) (r interface{}) {
	defer func() { r = recover() }()
	panic(h)
}

//go:noinline
func inResult(h *node) {
	r := named(h)
	<-forever
	sink = r.sum
}

// named has its result changed by a deferred call that blocks for a moment.
//
//go:noinline
func named(h *node) (r *node) {
	defer func() { runtime.Gosched(); r = r.next; r = h }()
	return h
}

//go:noinline
func inSystemCall(h *node) {
	var ends [2]int
	if syscall.Pipe(ends[:]) != nil {
		return
	}
	var b [1]byte
	syscall.Read(ends[0], b[:])
	sink = h.sum
}

//go:noinline
func inSleep(h *node) {
	time.Sleep(1000 * time.Hour)
	sink = h.sum
}

//go:noinline
func inMutex(h *node) {
	var m sync.Mutex
	m.Lock()
	m.Lock()
	sink = h.sum
}

//go:noinline
func inMap(h *node) {
	m := map[string]*node{"a": nil, "b": h}
	h = nil
	<-forever
	sink = m["b"].sum
}

//go:noinline
func inRegister(h *node) { spin(h) }

// stop is never set.
var stop uint32

// spin has the head in a register and nowhere else: its argument comes in one, and no call in the
// loop makes the compiler spill it.
//
//go:noinline
func spin(h *node) uint64 {
	n := uint64(0)
	for atomic.LoadUint32(&stop) == 0 {
		n += n>>3 + 1
	}
	return h.sum + n
}

//go:noinline
func inDeep(h *node, n int) {
	if n == 0 {
		<-forever
		sink = h.sum
		return
	}
	inDeep(h, n-1)
}

// leaveDeadFrame makes a list that only a variable of a dead frame leads to: its function has been
// left by a panic of the processor's, and nothing can come back to it.
func leaveDeadFrame() {
	tags++
	dropped = build(tags, length, newNode)
	tell("dead frame", "", tags, length, disguised(dropped), false)
	there := make(chan bool)
	go aboveDead(there)
	<-there
	time.Sleep(10 * time.Millisecond)
}

//go:noinline
func aboveDead(there chan bool) {
	defer func() {
		there <- true
		<-forever
	}()
	inDeadFrame(nil)
}

//go:noinline
func inDeadFrame(p *uint64) {
	h := takeDropped()
	runtime.Gosched()
	*p = 1
	sink = h.sum
}

//go:noinline
func takeDropped() *node {
	h := dropped
	dropped = nil
	return h
}

// inSpilled has the head in a word of its frame that no stack map tells of: the compiler puts it there
// behind the last call, for want of registers. Only a frame that is scanned as a whole leads to it.
//
//go:noinline
func inSpilled(p **node) uint64 {
	h := *p
	*p = nil
	var a, b, c, d, e, f, g, i, j, k, l, m uint64 = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
	for atomic.LoadUint32(&stop) == 0 {
		a, b, c = a+b*c, b+c^d, c+d*e
		d, e, f = d+e*f, e+f^g, f+g*i
		g, i, j = g+i*j, i+j^k, j+k*l
		k, l, m = k+l*m, l+m^a, m+a*b
	}
	return h.sum + a + b + c + d + e + f + g + i + j + k + l + m
}
