//go:build go1.23

package main

import "iter"

func init() {
	extras = append(extras, func() {
		declare("coroutine", "", func(h *node) {
			next, _ := iter.Pull(repeat(h))
			next()
			globalNext = next
		})
		if !standing() {
			declare("moving: coroutine", "", func(h *node) { go pulling(h) })
		}
	})
}

var globalNext func() (uint64, bool)

func repeat(h *node) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for yield(1) {
		}
		sink = h.sum
	}
}

func give(h *node) iter.Seq[*node] {
	return func(yield func(*node) bool) {
		if yield(nil) {
			yield(h)
		}
	}
}

//go:noinline
func pulling(h *node) {
	for {
		next, end := iter.Pull(give(h))
		h = nil
		next()
		rest()
		h, _ = next()
		end()
	}
}
