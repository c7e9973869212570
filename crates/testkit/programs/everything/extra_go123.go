//go:build go1.23

package main

import "iter"

func init() { extras = append(extras, buildIterators) }

// buildIterators blocks goroutines in coroutines, and with deferred calls that belong to a function
// around the one that ran `defer` (range over a function).
func buildIterators() {
	for i := 0; i < 5; i++ {
		next, stop := iter.Pull(counting(i))
		next()
		next()
		hold = append(hold, next, stop)
	}
	go rangeDefers(7)
	go rangePanics(4)
}

func counting(from int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := from; yield(i); i++ {
		}
	}
}

//go:noinline
func rangeDefers(n int) {
	defer release(new(int))
	for i := range counting(0) {
		p := new(int)
		defer release(p)
		if i == n {
			<-forever
		}
	}
}

//go:noinline
func rangePanics(n int) {
	defer func() { <-forever }()
	for i := range counting(0) {
		defer release(new(int))
		if i == n {
			panic("in the body of a range over a function")
		}
	}
}
