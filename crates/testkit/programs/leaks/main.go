// Program leaks has goroutines that wait for all that a goroutine can wait for, for ever or not, and
// lets Go's own goroutine leak profile say which of them do (go1.27; go1.26 with
// GOEXPERIMENT=goroutineleakprofile):
//
//	profile  say "leaked" and the numbers of those goroutines
//	exit     end
package main

import (
	"bytes"
	"os"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

type node struct {
	c    chan int
	next *node
}

var (
	known   = make(chan int)
	byName  = map[string]*node{}
	gate    sync.Mutex
	doors   sync.RWMutex
	signal  = sync.NewCond(new(sync.Mutex))
	after   *time.Timer
	sink    int
	nothing chan int
)

//go:noinline
func receive(c chan int) { sink = <-c }

//go:noinline
func send(c chan int) { c <- 1 }

//go:noinline
func either(a, b chan int) {
	select {
	case n := <-a:
		sink = n
	case b <- 1:
	}
}

//go:noinline
func holds(c, other chan int) {
	sink = <-c
	other <- 1
}

//go:noinline
func deferred(c, other chan int) {
	defer func() { other <- 1 }()
	sink = <-c
}

//go:noinline
func sleeps(c chan int) {
	time.Sleep(1000 * time.Hour)
	c <- 1
}

//go:noinline
func lock(m sync.Locker) { m.Lock() }

//go:noinline
func wait(g *sync.WaitGroup) { g.Wait() }

//go:noinline
func cond(c *sync.Cond) {
	c.L.Lock()
	c.Wait()
	c.L.Unlock()
}

//go:noinline
func never() { select {} }

type guarded struct {
	name string
	sync.Mutex
	cond sync.Cond
}

func start() {
	for i := 0; i < 3; i++ {
		go receive(make(chan int))
		go send(make(chan int))
		go receive(known)
		go either(make(chan int), make(chan int))
		go either(make(chan int), known)
		go receive(nothing)
		go send(nothing)
		go never()

		// Held by one that sleeps, and by one that waits for ever.
		a, b := make(chan int), make(chan int)
		go receive(a)
		go sleeps(a)
		go receive(b)
		go holds(make(chan int), b)
		// A chain that begins at a variable.
		c, d := make(chan int), make(chan int)
		byName[string(rune('a'+i))] = &node{c: c}
		go holds(c, d)
		go receive(d)
		// A ring.
		e, f := make(chan int), make(chan int)
		go holds(e, f)
		go holds(f, e)
		// What a deferred call leads to.
		g := make(chan int)
		go deferred(make(chan int), g)
		go receive(g)
		// What a timer leads to, and what a value in a channel leads to.
		h := make(chan int)
		time.AfterFunc(1000*time.Hour, func() { h <- 1 })
		go receive(h)
		k := make(chan int)
		go receive(k)
		n := &node{next: &node{c: k}}
		buffer := make(chan *node, 4)
		buffer <- n
		go func() {
			buffer <- n
			select {}
		}()

		own := new(guarded)
		own.Lock()
		own.cond.L = own
		go lock(own)
		go lock(own)
		rw := new(sync.RWMutex)
		rw.Lock()
		go lock(rw)
		go lock(rw.RLocker())
		go lock(&gate)
		go lock(&doors)
		go lock(doors.RLocker())
		group := new(sync.WaitGroup)
		group.Add(1)
		go wait(group)
		alone := sync.NewCond(new(sync.Mutex))
		go cond(alone)
		go cond(alone)
		go cond(signal)
		shared := &guarded{name: "shared"}
		shared.Lock()
		go lock(shared)
		go func() {
			time.Sleep(1000 * time.Hour)
			shared.Unlock()
		}()
	}
	time.Sleep(50 * time.Millisecond)
}

// leaked are the numbers of the goroutines that Go's own profile finds.
func leaked() string {
	profile := pprof.Lookup("goroutineleak")
	if profile == nil {
		return "error this version has no goroutine-leak profile"
	}
	var text bytes.Buffer
	if err := profile.WriteTo(&text, 2); err != nil {
		return "error " + err.Error()
	}
	all := "leaked"
	for _, line := range strings.Split(text.String(), "\n") {
		// goroutine 18 [chan receive (leaked)]:
		if strings.HasPrefix(line, "goroutine ") && strings.Contains(line, "(leaked)") {
			all += " " + strings.Fields(line)[1]
		}
	}
	return all
}

func main() {
	allowTracers()
	debug.SetGCPercent(-1)
	gate.Lock()
	doors.Lock()
	start()
	say("ready")
	for {
		switch line := command(); line {
		case "profile":
			say(leaked())
		case "exit":
			os.Exit(0)
		default:
			say("error unknown command " + line)
		}
	}
}
