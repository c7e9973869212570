package main

import (
	"reflect"
	"runtime"
	"sort"
	"strings"
	"sync"
)

// startFrames blocks goroutines in frames of every kind: deep, huge, with many arguments, below
// reflection, callbacks, wrappers, deferred calls of each kind.
func startFrames() {
	go deep(1500, "deep")
	go huge(3)
	go func() { sink = manyArguments(1, "a", []int{1}, 4, "b", &byPointer{}, 7.0, nil, 9, "c", 11, new(int)) }()
	go loopDefers(17)
	go openDefers(true, new(int))
	go mixedDefers(5)
	go heapDefers(3)
	go adjacent(new(int))
	go deferredNow()
	go func() {
		s := []string{"c", "b", "a", "d"}
		sort.Slice(s, func(i, j int) bool { <-forever; return s[i] < s[j] })
	}()
	go strings.Map(func(r rune) rune { <-forever; return r }, "text")
	go func() {
		var once sync.Once
		once.Do(func() { <-forever })
	}()
	go func() {
		for k, v := range map[string]*int{"a": new(int), "b": new(int)} {
			<-forever
			sink = len(k) + *v
		}
	}()
	value := reflect.ValueOf(blockReflected)
	go value.Call([]reflect.Value{reflect.ValueOf("x"), reflect.ValueOf(new(int)), reflect.ValueOf([4]string{})})
	made := reflect.MakeFunc(reflect.TypeOf(blockReflected), func(args []reflect.Value) []reflect.Value {
		<-forever
		return nil
	}).Interface().(func(string, *int, [4]string))
	go made("made", new(int), [4]string{"a", "b", "c", "d"})
	method := reflect.ValueOf(&blocker{name: "m"}).Method(0).Interface().(func(string, *int) string)
	go method("method", new(int))
	var b blockish = wrapper{&blocker{name: "w"}}
	go b.Block("wrapped", new(int))
	bound := b.Block
	go bound("bound", new(int))
	go genericBlock(map[string]int{"a": 1}, []string{"x"})
	go genericBlock(1, &byPointer{})
	go results()
	go stackGrower(40)
	for i := 0; i < 50; i++ {
		go deep(i, label("depth", i))
	}
}

//go:noinline
func deep(n int, s string) (int, *string) {
	if n == 0 {
		<-forever
	}
	p := &n
	v, q := deep(n-1, s)
	return v + *p, q
}

//go:noinline
func huge(n int) int {
	var a [8 << 10]*int
	var b [64 << 10]byte
	a[n] = &n
	b[n] = 1
	if n > 0 {
		return huge(n-1) + len(a) + int(b[n])
	}
	<-forever
	return *a[n] + int(b[n])
}

//go:noinline
func manyArguments(a int, b string, c []int, d int, e string, f *byPointer, g float64, h interface{}, i int, j string, k int, l *int) int {
	<-forever
	return a + len(b) + len(c) + d + len(e) + len(f.name) + int(g) + i + len(j) + k + *l
}

//go:noinline
func loopDefers(n int) {
	for i := 0; i < n; i++ {
		m := i
		defer func() { sink = m }()
	}
	<-forever
}

//go:noinline
func openDefers(b bool, p *int) {
	defer func() { sink = *p }()
	if b {
		defer func() { sink = *p + 1 }()
	}
	defer release(p)
	<-forever
}

//go:noinline
func release(p *int) { *p = 0 }

//go:noinline
func mixedDefers(n int) {
	var mu sync.Mutex
	mu.Lock()
	defer mu.Unlock()
	for i := 0; i < n; i++ {
		defer release(new(int))
	}
	defer func() { recover() }()
	func() {
		defer release(new(int))
		<-forever
	}()
}

//go:noinline
func heapDefers(n int) {
	var again func(int)
	again = func(n int) {
	more:
		defer release(new(int))
		if n--; n > 0 {
			goto more
		}
		<-forever
	}
	again(n)
}

// deferredNow blocks in a deferred call while its function returns.
//
//go:noinline
func deferredNow() (s string) {
	defer release(new(int))
	defer func() { s = "changed"; <-forever }()
	return "result"
}

func blockReflected(s string, p *int, a [4]string) {
	<-forever
	sink = len(s) + *p + len(a[0])
}

type blockish interface {
	Block(s string, p *int) string
}
type blocker struct{ name string }
type wrapper struct{ *blocker }

func (b *blocker) Block(s string, p *int) string {
	<-forever
	return b.name + s
}

//go:noinline
func genericBlock[A, B any](a A, b B) (A, []B) {
	c := []B{b}
	<-forever
	return a, c
}

//go:noinline
func results() (a string, b *int, err error) {
	defer func() {
		if err == nil {
			a = "set late"
			<-forever
		}
	}()
	return "a", new(int), nil
}

// stackGrower blocks after its stack was copied several times.
//
//go:noinline
func stackGrower(n int) {
	var pad [512]byte
	p := &pad
	if n > 0 {
		stackGrower(n - 1)
	}
	<-forever
	p[0] = 1
}

// adjacent waits in the first of two calls with nothing between them: a return address that is
// already the second one's, where p is dead.
func adjacent(p *int) {
	park()
	runtime.KeepAlive(p)
	park()
}

//go:noinline
func park() { <-forever }
