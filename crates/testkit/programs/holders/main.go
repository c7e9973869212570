// Program holders has lists of nodes, each held by one kind of holder alone, and says for each where
// its head is, disguised. Beside them it is loaded as its environment says:
//
//	HOLDERS_LOAD=none      stands still; some holders exist only here
//	HOLDERS_LOAD=still     the same without what dies at the last minute, and with more that lives
//	HOLDERS_LOAD=light     lists that move from holder to holder, now and then, and some garbage
//	HOLDERS_LOAD=flat-out  the same without a pause, on all processors
//
// What it says about a list, on a line behind "holder ": kind, tag (in each node), nodes, head (its
// address XOR the mask), held (false: by nothing, so it must not be reachable), root (how the root
// that leads to it is called, if that is certain).
package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"
	"unsafe"
)

// mask disguises addresses in what is printed.
const mask = 0x5a5a5a5a5a5a5a5a

// magic is in each node.
const magic = 0x6c6f6f6b206d65

// length is how many nodes a list has, unless it is of large ones.
const length = 50

// node is one node of a list.
type node struct {
	next  *node
	magic uint64
	tag   uint64
	index uint64
	sum   uint64
}

// bigNode is over 512 bytes: such objects have a type header from go1.22 on.
type bigNode struct {
	node
	pad [75]uint64
}

// hugeNode has a span of its own.
type hugeNode struct {
	node
	pad [5000]uint64
}

func newNode() *node     { return new(node) }
func newBigNode() *node  { return &new(bigNode).node }
func newHugeNode() *node { return &new(hugeNode).node }

// build makes a list of n nodes with a tag.
//
//go:noinline
func build(tag uint64, n int, make func() *node) *node {
	var head *node
	for i := n - 1; i >= 0; i-- {
		p := make()
		p.next = head
		seal(p, tag, uint64(i))
		head = p
	}
	return head
}

func seal(p *node, tag, index uint64) {
	p.magic, p.tag, p.index = magic, tag, index
	p.sum = magic ^ tag*1000003 ^ index*7919
}

// load is what the environment wants.
var load = os.Getenv("HOLDERS_LOAD")

func standing() bool { return load != "light" && load != "flat-out" }

// tags counts the lists.
var tags uint64

// forever is never closed and nothing is sent on it.
var forever = make(chan struct{})

// sink takes what must be used.
var sink uint64

// declare makes a list, says what it is, and gives it to its holder. Nothing of it stays here.
//
//go:noinline
func declare(kind, root string, hold func(*node)) {
	declareOf(kind, root, length, newNode, hold)
}

//go:noinline
func declareOf(kind, root string, n int, make func() *node, hold func(*node)) {
	tags++
	head := build(tags, n, make)
	tell(kind, root, tags, n, disguised(head), true)
	hold(head)
}

//go:noinline
func disguised(head *node) uint64 { return uint64(uintptr(unsafe.Pointer(head))) ^ mask }

func tell(kind, root string, tag uint64, n int, head uint64, held bool) {
	say(`holder {"kind":"` + kind + `","root":"` + root +
		`","tag":` + strconv.FormatUint(tag, 10) +
		`,"nodes":` + strconv.Itoa(n) +
		`,"head":"` + strconv.FormatUint(head, 16) +
		`","held":` + strconv.FormatBool(held) + `}`)
}

func init() {
	// As in the other programs: the one that dumps runs on another thread than the first.
	runtime.LockOSThread()
}

// extras are what only some versions or builds have; their files add to it.
var extras []func()

func main() {
	allowTracers()
	if runtime.GOMAXPROCS(0) < 4 {
		runtime.GOMAXPROCS(4)
	}
	if standing() {
		blockFinalizers()
	}
	heldInPlace()
	heldByGoroutines()
	heldByFinalizers()
	for _, f := range extras {
		f()
	}
	heldByNothing()
	if standing() {
		stand()
	} else {
		startMovers()
		startLoad()
	}
	begun.Wait()
	go func() { obey(lastMinute) }()
	<-forever
}

// heldByNothing leaves a list that is not held at all.
//
//go:noinline
func heldByNothing() {
	tags++
	head := build(tags, length, newNode)
	tell("nothing", "", tags, length, disguised(head), false)
}

// dropped has a list that was held until now.
var dropped *node

// justDropped lets go of a list that no collection has found out about.
func justDropped() {
	tags++
	dropped = build(tags, length, newNode)
	tell("nothing since a moment", "", tags, length, disguised(dropped), false)
	dropped = nil
}

// stand collects all that nobody holds, and lets the collector rest.
func stand() {
	if load == "still" {
		live = append(live, grow(17))
	}
	for i := 0; i < 5; i++ {
		time.Sleep(20 * time.Millisecond)
		runtime.GC()
	}
	debug.SetGCPercent(-1)
	// The scavenger sleeps by a timer while it works: were it due in the stopped world, where nothing
	// takes it, the runtime's monitor would not rest (runtime/proc.go: sysmon, timeSleepUntil).
	time.Sleep(200 * time.Millisecond)
}

// lastMinute makes what the next collection would change: lists that nothing holds any more, and
// holders that would lose theirs.
func lastMinute() {
	if standing() && load != "still" {
		justDropped()
		leaveDeadFrame()
		for _, f := range dyingAtLast {
			f()
		}
	}
	for _, f := range atLast {
		f()
	}
}

var atLast, dyingAtLast []func()
