// A program outside a module gets the runtime settings of go1.20, under which bubbles do not work.
//
//go:debug default=go1.25

//go:build go1.25

package main

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func init() { extras = append(extras, buildBubble) }

// buildBubble blocks goroutines inside a synctest bubble, whose wait reasons are their own. One of
// them waits for a mutex, which a bubble does not take for a deadlock.
func buildBubble() {
	blocked := make(chan bool)
	var mutex sync.Mutex
	mutex.Lock()
	all := func(string, string) (bool, error) { return true, nil }
	// Never comes to its os.Exit: the test does not end.
	go testing.Main(all, []testing.InternalTest{{
		Name: "bubble",
		F: func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, d := make(chan int), make(chan *int)
				var wg sync.WaitGroup
				wg.Add(1)
				go func() { <-c }()
				go func() { d <- new(int) }()
				go func() {
					select {
					case <-c:
					case d <- new(int):
					}
				}()
				go func() { wg.Wait() }()
				go func() { time.Sleep(time.Hour) }()
				go func() { select {} }()
				close(blocked)
				mutex.Lock()
			})
		},
	}}, nil, nil)
	<-blocked
}
