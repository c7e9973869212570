//go:build go1.27

package main

import (
	"io"
	"runtime"
	"runtime/pprof"
)

func init() {
	leak = func() (int, error) {
		const n = 8
		for i := 0; i < n; i++ {
			// Nobody else has this channel, so nobody will ever send.
			c := make(chan *[64]byte)
			go func() { println(<-c) }()
		}
		// A goroutine counts as leaked only once it waits.
		for i := 0; i < 100; i++ {
			runtime.Gosched()
		}
		profile := pprof.Lookup("goroutineleak")
		err := profile.WriteTo(io.Discard, 0)
		return profile.Count(), err
	}
}
