package main

import (
	"sync"
	"syscall"
	"time"
	"unsafe"
)

var (
	open      = make(chan *item)
	gate      sync.Mutex
	held      holder
	waitGroup sync.WaitGroup
	sink      int
)

type holder struct{ done chan struct{} }

// started are goroutines of one function, each with an item of its own.
//
//go:noinline
func started(function string, count int, leaked bool, run func(*item)) {
	for i := 0; i < count; i++ {
		it := newItem(i)
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", only: "goroutine " + function})
		go run(it)
	}
	tellGoroutines(function, count, leaked)
}

func startGoroutines() {
	held.done = make(chan struct{})
	gate.Lock()
	waitGroup.Add(1)
	started("main.leakRecv", 7, true, leakRecv)
	started("main.leakSend", 5, true, leakSend)
	started("main.leakSelect", 3, true, leakSelect)
	started("main.leakNil", 2, true, leakNil)
	started("main.leakForever", 2, true, leakForever)
	started("main.leakMutex", 2, true, leakMutex)
	started("main.leakGroup", 2, true, leakGroup)
	started("main.waitGlobal", 4, false, waitGlobal)
	started("main.waitHeld", 3, false, waitHeld)
	started("main.waitSleep", 3, false, waitSleep)
	started("main.waitTimer", 2, false, waitTimer)
	started("main.waitMutex", 2, false, waitMutex)
	started("main.waitGroups", 2, false, waitGroups)
	started("main.waitCall", 2, false, waitCall)
	started("main.offerGlobal", 3, false, offerGlobal)
	started("main.onStack", 4, false, onStack)

	// Two that wait for one another, each with the other's channel, and one that a sleeper could wake.
	for i := 0; i < 2; i++ {
		a, b := make(chan *item), make(chan *item)
		x, y, z := newItem(1), newItem(2), newItem(3)
		tell(unsafe.Pointer(x), fact{typ: "main.item", shape: "value", only: "goroutine main.leakPair"})
		tell(unsafe.Pointer(y), fact{typ: "main.item", shape: "value", only: "goroutine main.leakPair"})
		tell(unsafe.Pointer(z), fact{typ: "main.item", shape: "value", only: "goroutine main.waitAwake"})
		go leakPair(a, b, x)
		go leakPair(b, a, y)
		c := make(chan *item)
		go waitAwake(c, z)
		go sleepWith(c)
	}
	tellGoroutines("main.leakPair", 4, true)
	tellGoroutines("main.waitAwake", 2, false)
	tellGoroutines("main.sleepWith", 2, false)
	time.Sleep(20 * time.Millisecond)
}

//go:noinline
func use(it *item) { sink += it.ID }

//go:noinline
func leakRecv(it *item) {
	c := make(chan *item)
	use(<-c)
	use(it)
}

//go:noinline
func leakSend(it *item) {
	c := make(chan *item)
	c <- it
	use(it)
}

//go:noinline
func leakSelect(it *item) {
	a, b := make(chan *item), make(chan int, 2)
	select {
	case a <- it:
	case n := <-b:
		sink = n
	}
	use(it)
}

//go:noinline
func leakNil(it *item) {
	var c chan *item
	use(<-c)
	use(it)
}

//go:noinline
func leakForever(it *item) {
	defer use(it)
	select {}
}

//go:noinline
func leakMutex(it *item) {
	m := new(sync.Mutex)
	m.Lock()
	m.Lock()
	use(it)
}

//go:noinline
func leakGroup(it *item) {
	g := new(sync.WaitGroup)
	g.Add(1)
	g.Wait()
	use(it)
}

//go:noinline
func leakPair(from, to chan *item, it *item) {
	to <- <-from
	use(it)
}

//go:noinline
func waitAwake(c chan *item, it *item) {
	use(<-c)
	use(it)
}

//go:noinline
func sleepWith(c chan *item) {
	time.Sleep(1000 * time.Hour)
	c <- nil
}

//go:noinline
func waitGlobal(it *item) {
	<-open
	use(it)
}

//go:noinline
func waitHeld(it *item) {
	<-held.done
	use(it)
}

//go:noinline
func waitSleep(it *item) {
	time.Sleep(1000 * time.Hour)
	use(it)
}

//go:noinline
func waitTimer(it *item) {
	<-time.After(1000 * time.Hour)
	use(it)
}

//go:noinline
func waitMutex(it *item) {
	gate.Lock()
	use(it)
}

//go:noinline
func waitGroups(it *item) {
	waitGroup.Wait()
	use(it)
}

//go:noinline
func waitCall(it *item) {
	var ends [2]int
	if syscall.Pipe(ends[:]) != nil {
		return
	}
	var b [1]byte
	syscall.Read(ends[0], b[:])
	use(it)
}

// offerGlobal waits for one that takes from a channel that nobody takes from.
var offers = make(chan *item)

//go:noinline
func offerGlobal(it *item) {
	offers <- it
	use(it)
}

// onStack has a list in a variable, and a table.
//
//go:noinline
func onStack(local *item) {
	var table [20]*item
	local.Next = newItem(1)
	fillTable(&table)
	tell(unsafe.Pointer(local.Next), fact{typ: "main.item", shape: "value", only: "goroutine main.onStack"})
	tell(unsafe.Pointer(table[3]), fact{typ: "main.item", shape: "value", only: "goroutine main.onStack"})
	<-forever
	use(local)
	use(table[sink%20])
}

//go:noinline
func fillTable(t *[20]*item) { t[3] = newItem(2) }
