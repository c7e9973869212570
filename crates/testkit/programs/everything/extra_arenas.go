//go:build goexperiment.arenas

package main

import "arena"

func init() { extras = append(extras, buildArenas) }

type inArena struct {
	p    *int
	next *inArena
	name string
	pad  [100]byte
}

// buildArenas fills user arenas: one in use, one freed, one with large slices.
func buildArenas() {
	a := arena.NewArena()
	var list *inArena
	for i := 0; i < 2000; i++ {
		n := arena.New[inArena](a)
		n.next = list
		n.p = new(int)
		n.name = "in arena"
		list = n
	}
	slices := arena.MakeSlice[*int](a, 1000, 2000)
	slices[10] = new(int)
	scalars := arena.MakeSlice[byte](a, 100000, 100000)
	hold = append(hold, a, list, slices, scalars)

	freed := arena.NewArena()
	for i := 0; i < 100000; i++ {
		arena.New[inArena](freed)
	}
	freed.Free()
	full := arena.NewArena()
	var last *inArena
	for i := 0; i < 70000; i++ {
		last = arena.New[inArena](full)
	}
	hold = append(hold, full, last)
}
