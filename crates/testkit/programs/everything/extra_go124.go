//go:build go1.24

package main

import (
	"runtime"
	"unique"
	"weak"
)

func init() { extras = append(extras, buildWeak) }

// buildWeak makes weak pointers, to live objects and to dead ones, cleanups, and unique handles.
func buildWeak() {
	for i := 0; i < 30; i++ {
		live := &finalized{name: label("weak", i)}
		w := weak.Make(live)
		runtime.AddCleanup(live, func(n int) { sink = n }, i)
		name := label("cleanup", i)
		runtime.AddCleanup(live, func(s *string) { sink = len(*s) }, &name)
		hold = append(hold, live, w, unique.Make(label("unique", i)))
		dead := &finalized{name: "dead"}
		hold = append(hold, weak.Make(dead))
		runtime.AddCleanup(dead, func(n int) { sink = n }, i)
	}
}
