// Program contexts keeps goroutines at everything that moves a stack pointer, flat out, each at the
// end of a chain of callers of known depth, for captures at any instruction.
//
// Its arguments name what to run; without any, all of it.
package main

import (
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"
	"time"
)

// depth is how often chain stands in the stack below a leaf: the tests know it.
const depth = 7

// leaves are what can be run; files with build constraints add theirs.
var leaves = map[string]func(){
	"clock":    leafClock,
	"allocate": leafAllocate,
	"grow":     leafGrow,
	"channel":  leafChannel,
	"system":   leafSystem,
	"raw":      leafRaw,
	"spin":     leafSpin,
	"move":     leafMove,
	"timer":    leafTimer,
	"yield":    leafYield,
	"panic":    leafPanic,
	"locked":   leafLocked,
	"spawn":    leafSpawn,
	"collect":  leafCollect,
	"register": leafRegister,
}

func main() {
	allowTracers()
	runtime.GOMAXPROCS(4)
	debug.SetGCPercent(50)
	names := os.Args[1:]
	if len(names) == 0 {
		for name := range leaves {
			names = append(names, name)
		}
	}
	for _, name := range names {
		if name == "profile" {
			profile()
			continue
		}
		for i := 0; i < 2; i++ {
			go run(leaves[name], name == "locked")
		}
	}
	say("ready")
	obey(func() {})
}

func profile() {
	runtime.SetCPUProfileRate(1000)
	_ = pprof.StartCPUProfile(io.Discard)
}

//go:noinline
func run(leaf func(), locked bool) {
	if locked {
		runtime.LockOSThread()
	}
	for {
		chain(depth, leaf)
	}
}

//go:noinline
func chain(n int, leaf func()) {
	if n == 1 {
		leaf()
		return
	}
	chain(n-1, leaf)
	kept++
}

var kept int

//go:noinline
func leafClock() {
	for i := 0; i < 1000; i++ {
		if time.Now().IsZero() || time.Since(start) < 0 {
			panic("clock")
		}
	}
}

var start = time.Now()

type node struct {
	next  *node
	value [5]int
}

//go:noinline
func leafAllocate() {
	var list *node
	for i := 0; i < 2000; i++ {
		list = &node{next: list}
		if i%50 == 0 {
			list = nil
		}
	}
	runtime.KeepAlive(list)
}

//go:noinline
func leafGrow() {
	c := make(chan int)
	go func() {
		c <- deep(500)
	}()
	<-c
}

//go:noinline
func deep(n int) int {
	var room [20]int
	if n == 0 {
		return 0
	}
	room[n%20] = n
	return deep(n-1) + room[n%20]
}

//go:noinline
func leafChannel() {
	ping, pong := make(chan *node), make(chan *node)
	go func() {
		for n := range ping {
			pong <- n
		}
		close(pong)
	}()
	for i := 0; i < 200; i++ {
		ping <- &node{}
		<-pong
	}
	close(ping)
	<-pong
}

//go:noinline
func leafSystem() {
	var pipe [2]int
	if syscall.Pipe(pipe[:]) != nil {
		return
	}
	var b [100]byte
	for i := 0; i < 100; i++ {
		_, _ = syscall.Write(pipe[1], b[:])
		_, _ = syscall.Read(pipe[0], b[:])
	}
	_ = syscall.Close(pipe[0])
	_ = syscall.Close(pipe[1])
}

//go:noinline
func leafRaw() {
	for i := 0; i < 100; i++ {
		syscall.Getpid()
	}
}

//go:noinline
func leafSpin() {
	x := uint32(1)
	for i := 0; i < 1000000; i++ {
		x = x*1103515245 + 12345
	}
	kept += int(x)
}

//go:noinline
func leafMove() {
	var list [100]*node
	slice := list[:]
	for i := 0; i < 200; i++ {
		copy(slice[1:], slice)
		slice[0] = slice[99]
		if slice[0] == nil {
			slice[0] = &node{}
		}
	}
}

//go:noinline
func leafTimer() {
	done := make(chan struct{}, 1)
	for i := 0; i < 20; i++ {
		held := &node{}
		time.AfterFunc(time.Microsecond, func() {
			held.value[0]++
			done <- struct{}{}
		})
		<-done
	}
}

//go:noinline
func leafYield() {
	for i := 0; i < 100; i++ {
		runtime.Gosched()
	}
}

//go:noinline
func leafPanic() {
	for i := 0; i < 20; i++ {
		recovered(i)
	}
}

//go:noinline
func recovered(i int) {
	defer func() { _ = recover() }()
	if i%2 == 0 {
		var p *node
		kept += p.value[1]
	}
	panic("again")
}

//go:noinline
func leafLocked() {
	for i := 0; i < 20; i++ {
		time.Sleep(time.Microsecond)
		syscall.Getpid()
	}
}

//go:noinline
func leafSpawn() {
	done := make(chan struct{})
	for i := 0; i < 50; i++ {
		go func() { done <- struct{}{} }()
	}
	for i := 0; i < 50; i++ {
		<-done
	}
}

//go:noinline
func leafCollect() {
	runtime.GC()
	time.Sleep(10 * time.Millisecond)
}

// register is the object that leafRegister holds: its first word tells it.
type register struct {
	mark  uint64
	count uint64
	room  [200]byte
}

const mark = 0x6f6e6c7920696e20

//go:noinline
func leafRegister() {
	kept += int(whirl(newRegister()))
}

//go:noinline
func newRegister() *register { return &register{mark: mark} }

// whirl has its argument in a register alone.
//
//go:noinline
func whirl(r *register) uint64 {
	for i := 0; i < 500000; i++ {
		r.count += r.count>>3 + 1
	}
	return r.count
}
