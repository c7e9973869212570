//go:build go1.24

package main

import (
	"runtime"
	"weak"
)

var short *object

func init() {
	build = append(build, func() {
		// What its cleanup is given is held by nothing else.
		for i := 0; i < 5; i++ {
			o, given := new(object), new(object)
			runtime.AddCleanup(o, func(given *object) { sink += given.n[0] }, given)
			kept = append(kept, o)
			tell("cleanup", addr(o), addr(given))
		}
		// These die; the first of their cleanups to run never ends.
		for i := 0; i < 20; i++ {
			o, given := new(object), new(object)
			runtime.AddCleanup(o, func(given *object) {
				<-never
				sink += given.n[0]
			}, given)
			tell("queued", addr(given))
		}
		o := new(object)
		kept = append(kept, o, weak.Make(o))
		tell("weak", addr(o))
		short = new(object)
		kept = append(kept, weak.Make(short))
		tell("weakly", addr(short))
	})
	// No collection comes behind this, so that the object is still there.
	drop = append(drop, func() { short = nil })
}
