package main

import (
	"runtime"
	"time"
)

type finalized struct {
	name string
	next *finalized
	body [40]byte
}

// buildFinalizers leaves finalizers waiting on live objects and queued on dead ones: the first that
// runs blocks its goroutine for good, so that the others stay in the queue.
func buildFinalizers() {
	entered := make(chan bool, 1)
	first := &finalized{name: "blocks"}
	runtime.SetFinalizer(first, func(f *finalized) {
		entered <- true
		<-forever
		sink = len(f.name)
	})
	first = nil
	collectUntil(func() bool { return len(entered) == 1 })

	for i := 0; i < 50; i++ {
		live := &finalized{name: label("live", i)}
		runtime.SetFinalizer(live, (*finalized).finish)
		hold = append(hold, live)
	}
	large := new([100000]byte)
	runtime.SetFinalizer(large, func(*[100000]byte) {})
	asInterface := &byPointer{name: "interface"}
	runtime.SetFinalizer(asInterface, func(s speaker) { s.Speak() })
	withResults := &byPointer{name: "results"}
	runtime.SetFinalizer(withResults, func(s interface{}) (int, *byPointer) { return 0, nil })
	hold = append(hold, large, asInterface, withResults)

	queueFinalizers()
	for i := 0; i < 3; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

//go:noinline
func queueFinalizers() {
	for i := 0; i < 300; i++ {
		n := i
		dead := &finalized{name: label("dead", i), next: &finalized{}}
		if i%2 == 0 {
			runtime.SetFinalizer(dead, (*finalized).finish)
		} else {
			runtime.SetFinalizer(dead, func(f *finalized) { sink = n + len(f.name) })
		}
		tiny := new([3]byte)
		if i%10 == 0 {
			runtime.SetFinalizer(tiny, func(*[3]byte) {})
		}
	}
}

func (f *finalized) finish() { sink = len(f.name) }

func collectUntil(done func() bool) {
	for i := 0; i < 100 && !done(); i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}
