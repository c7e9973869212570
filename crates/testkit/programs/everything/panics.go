package main

import (
	"errors"
	"runtime"
)

// startPanics blocks goroutines with panics under way, recovered, nested and aborted, raised by the
// program, by the runtime and by a signal, and with Goexit under way.
func startPanics() {
	go panicking("a string")
	go panicking(errors.New("an error"))
	go panicking(42)
	go panicking(&byPointer{name: "a pointer"})
	go panicking(byValue{1, 2})
	go nested()
	go recovered()
	go recoveredInside()
	go recoveredOpen(true)
	go exiting()
	go exitThenPanic()
	go nilDereference(nil)
	go outOfRange([]int{1}, 5)
	go divide(1, 0)
	go badAssertion(1)
	go repanicked()
	go unwinding(30)
	go loopPanic(9)
}

//go:noinline
func panicking(v interface{}) {
	defer func() { <-forever }()
	panic(v)
}

//go:noinline
func nested() {
	defer func() { <-forever }()
	defer func() { panic("second") }()
	panic("first")
}

//go:noinline
func recovered() {
	func() {
		defer func() { hold2(recover()) }()
		panic("recovered before")
	}()
	<-forever
}

//go:noinline
func recoveredInside() {
	defer release(new(int))
	defer func() {
		recover()
		<-forever
	}()
	panic("recovered, not unwound yet")
}

//go:noinline
func recoveredOpen(b bool) {
	defer func() { <-forever }()
	if b {
		defer func() { recover() }()
	}
	panic("recovered, and blocked in the next deferred call")
}

//go:noinline
func exiting() {
	defer func() { <-forever }()
	runtime.Goexit()
}

//go:noinline
func exitThenPanic() {
	defer func() { <-forever }()
	defer func() { recover() }()
	defer func() { panic("in Goexit") }()
	runtime.Goexit()
}

//go:noinline
func nilDereference(p *byPointer) string {
	defer func() { <-forever }()
	return p.name
}

//go:noinline
func outOfRange(s []int, i int) int {
	defer func() { <-forever }()
	return s[i]
}

//go:noinline
func divide(a, b int) int {
	defer func() { <-forever }()
	return a / b
}

//go:noinline
func badAssertion(v interface{}) string {
	defer func() { <-forever }()
	return v.(string)
}

//go:noinline
func repanicked() {
	defer func() { <-forever }()
	defer func() { panic(recover()) }()
	panic("once more")
}

//go:noinline
func unwinding(n int) {
	if n == 0 {
		var p *int
		*p = 1
	}
	p := new(int)
	if n == 20 {
		defer func() { <-forever }()
	}
	unwinding(n - 1)
	*p = n
}

//go:noinline
func loopPanic(n int) {
	defer func() { <-forever }()
	for i := 0; i < n; i++ {
		defer release(new(int))
	}
	panic(n)
}

//go:noinline
func hold2(v interface{}) { sink = len(v.(string)) }
