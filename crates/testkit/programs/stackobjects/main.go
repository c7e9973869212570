// Program stackobjects has goroutines that each hold an object in a way of their own, and tells where
// it is: a line "fact NAME ADDRESS..." for each before it says that it is ready. What the collector
// freed and what it kept it tells as well: "fact kept-NAME", "fact freed-NAME".
//
//	stackobjects       goroutines that wait
//	stackobjects spin  two that compute and never call, on one processor
package main

import (
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"
)

// object is too large for the tiny allocator, and has a pointer.
type object struct {
	next *object
	n    [15]uint64
}

// holder is what lies on a stack and holds an object.
type holder struct {
	pad [2]uint64
	p   *object
}

type outer struct{ in *holder }

var (
	never  = make(chan struct{})
	parked = make(chan struct{})
	sink   uint64
	names  []string
	freed  = map[string]*int32{}
)

func tell(what string, addresses ...uintptr) {
	for _, a := range addresses {
		what += " 0x" + strconv.FormatUint(uint64(a), 16)
	}
	say("fact " + what)
}

// newObject makes one, tells of it, and learns when it is freed.
//
//go:noinline
func newObject(name string) *object {
	o := new(object)
	dead := new(int32)
	names = append(names, name)
	freed[name] = dead
	runtime.SetFinalizer(o, func(*object) { atomic.StoreInt32(dead, 1) })
	tell(name, uintptr(unsafe.Pointer(o)))
	return o
}

//go:noinline
func wait() {
	parked <- struct{}{}
	<-never
}

//go:noinline
func parkHolder(h *holder) {
	wait()
	sink += h.p.n[0]
}

//go:noinline
func parkOuter(o *outer) {
	wait()
	sink += o.in.p.n[0]
}

//go:noinline
func touch(h *holder) { sink += h.p.n[0] }

// An address-taken variable is the only holder.
func live() {
	var h holder
	h.p = newObject("live")
	tell("at-live", uintptr(unsafe.Pointer(&h)))
	parkHolder(&h)
}

// The same, but nobody will use it any more.
func dead() {
	var h holder
	h.p = newObject("dead")
	tell("at-dead", uintptr(unsafe.Pointer(&h)))
	touch(&h)
	wait()
}

// What holds it is reached through another stack object only.
func nested() {
	var h holder
	var o outer
	h.p = newObject("nested")
	o.in = &h
	parkOuter(&o)
}

//go:noinline
func parkArray(a *[4096]*object) {
	wait()
	for _, o := range a {
		if o != nil {
			sink += o.n[0]
		}
	}
}

func array() {
	var a [4096]*object
	for _, i := range []int{0, 1, 63, 64, 2047, 4095} {
		a[i] = newObject("array-" + strconv.Itoa(i))
	}
	parkArray(&a)
}

type wide struct {
	n uint64
	p *object
}

//go:noinline
func parkWide(a *[11000]wide) {
	wait()
	sink += a[0].p.n[0] + a[10999].p.n[0]
}

// Where the compiler lets it be on the stack, its pointers were told by a program once.
func program() {
	var a [11000]wide
	a[0].p = newObject("wide-0")
	a[7000].p = newObject("wide-7000")
	a[10999].p = newObject("wide-10999")
	tell("at-wide", uintptr(unsafe.Pointer(&a)))
	parkWide(&a)
}

// A deferred call waits while its function panics: that function goes on at the end of its deferred
// calls, if at all.
func trapped() {
	var h holder
	h.p = newObject("trapped")
	defer func() {
		recover()
		wait()
		sink += h.p.n[0]
	}()
	var q *object
	sink += q.n[3]
}

//go:noinline
func trap() {
	o := newObject("trap")
	var h holder
	h.p = newObject("trap-object")
	touch(&h)
	var q *object
	sink += q.n[3]
	sink += o.n[0]
	touch(&h)
}

// The function that was trapped never goes on.
func below() {
	defer func() {
		recover()
		wait()
	}()
	trap()
}

//go:noinline
func nop() {}

// Too many deferred calls for them to be open-coded: the record of the one that matters is on the
// stack, and so is its closure, to which that record alone leads.
func deferred() {
	o := newObject("deferred")
	defer func() { sink += o.n[0] }()
	defer nop()
	defer nop()
	defer nop()
	defer nop()
	defer nop()
	defer nop()
	defer nop()
	defer nop()
	wait()
}

// reflect's stub has the arguments in the registers that it saved.
func reflected() {
	var f func(*object)
	f = reflect.MakeFunc(reflect.TypeOf(f), func([]reflect.Value) []reflect.Value {
		wait()
		return nil
	}).Interface().(func(*object))
	f(newObject("reflected"))
}

type receiver struct{ o *object }

//go:noinline
func (r *receiver) Park(o *object, h holder) {
	wait()
	sink += r.o.n[0] + o.n[0] + h.p.n[0]
}

func method() {
	r := &receiver{newObject("receiver")}
	f := reflect.ValueOf(r).MethodByName("Park").Interface().(func(*object, holder))
	f(newObject("method"), holder{p: newObject("method-struct")})
}

// An object is in a variable, and nothing is special.
func plain() {
	o := newObject("plain")
	wait()
	sink += o.n[0]
}

var stop uint32

//go:noinline
func spin(o *object, n *uint64) {
	for atomic.LoadUint32(&stop) == 0 {
		o.n[0]++
		atomic.AddUint64(n, 1)
	}
}

func spinners() {
	runtime.GOMAXPROCS(1)
	var rounds [2]uint64
	for i := range rounds {
		i := i
		go func() { spin(newObject("spin-"+strconv.Itoa(i)), &rounds[i]) }()
	}
	// Both have been taken off the processor once, or this would not run again.
	for range [2]int{} {
		before := [2]uint64{atomic.LoadUint64(&rounds[0]), atomic.LoadUint64(&rounds[1])}
		for atomic.LoadUint64(&rounds[0]) == before[0] || atomic.LoadUint64(&rounds[1]) == before[1] {
			time.Sleep(time.Millisecond)
		}
	}
	go obey(func() {})
	<-never
}

func main() {
	allowTracers()
	if len(os.Args) > 1 && os.Args[1] == "spin" {
		spinners()
	}
	debug.SetGCPercent(-1)
	cases := []func(){
		live, dead, nested, array, program, trapped, below, deferred, reflected, method, plain,
	}
	for _, f := range cases {
		go f()
		<-parked
	}
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	for _, name := range names {
		if atomic.LoadInt32(freed[name]) != 0 {
			tell("freed-" + name)
		} else {
			tell("kept-" + name)
		}
	}
	go obey(func() {})
	<-never
}
