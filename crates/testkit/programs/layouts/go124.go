//go:build go1.24

package main

import "runtime"

func init() {
	uses = append(uses, func() {
		runtime.AddCleanup(new(object), func(int) {}, 1)
	})
}
