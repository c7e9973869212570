package main

import "unsafe"

var (
	byValues  []func() int
	byRefs    []func() int
	swappers  []func(*item) *item
	greeters  []func() string
	nameless  []func(int) int
	actions   map[string]func() int
	selectors []selector
)

type selector struct {
	pick func(*item) bool
	name string
}

func closureOf(f unsafe.Pointer) unsafe.Pointer { return *(*unsafe.Pointer)(f) }

//go:noinline
func closing(it *item, n int) func() int { return func() int { return it.ID + n } }

//go:noinline
func counting() (func() int, *int) {
	n := 0
	return func() int { n++; return n }, &n
}

//go:noinline
func swapping(it *item) (func(*item) *item, **item) {
	held := it
	return func(next *item) *item {
		last := held
		held = next
		return last
	}, &held
}

//go:noinline
func (u *user) greet() string { return u.Name }

//go:noinline
func picking(it *item, least int) selector {
	return selector{pick: func(o *item) bool { return o != it && o.ID > least }, name: "by id"}
}

func fillFunctions() {
	byValues = make([]func() int, 100)
	byRefs = make([]func() int, 100)
	swappers = make([]func(*item) *item, 100)
	greeters = make([]func() string, 100)
	tellBacking(unsafe.Pointer(&byValues[0]), "func() int", 100, 100, "main.byValues", "main.byValues")
	tellBacking(unsafe.Pointer(&swappers[0]), "func(*main.item) *main.item", 100, 100, "main.swappers", "main.swappers")
	tellBacking(unsafe.Pointer(&greeters[0]), "func() string", 100, 100, "main.greeters", "main.greeters")
	for i := range byValues {
		it := newItem(i)
		f := closing(it, i)
		byValues[i] = f
		path := at("main.byValues", i)
		tell(closureOf(unsafe.Pointer(&f)), fact{typ: "main.closing.func1", shape: "closure", paths: []string{path}, only: "main.byValues"})
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: path, only: "main.byValues"})

		c, n := counting()
		byRefs[i] = c
		path = at("main.byRefs", i)
		tell(closureOf(unsafe.Pointer(&c)), fact{typ: "main.counting.func1", shape: "closure", paths: []string{path}})
		tell(unsafe.Pointer(n), fact{typ: "int", shape: "tiny", begins: path})

		it = newItem(i)
		s, held := swapping(it)
		swappers[i] = s
		path = at("main.swappers", i)
		tell(closureOf(unsafe.Pointer(&s)), fact{typ: "main.swapping.func1", shape: "closure", paths: []string{path}, only: "main.swappers"})
		tell(unsafe.Pointer(held), fact{typ: "*main.item", shape: "value", begins: path, only: "main.swappers"})
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: path, only: "main.swappers"})

		u := &user{Name: label("the name of a greeter", i)}
		g := u.greet
		greeters[i] = g
		path = at("main.greeters", i)
		tell(closureOf(unsafe.Pointer(&g)), fact{typ: "main.(*user).greet-fm", shape: "closure", paths: []string{path}, only: "main.greeters"})
		tell(unsafe.Pointer(u), fact{typ: "main.user", shape: "value", begins: path, only: "main.greeters"})
		tell(textOf(u.Name), fact{typ: "string", shape: "string", length: len(u.Name), begins: path, only: "main.greeters"})
	}
	tellRetained("main.byValues", true)
	tellRetained("main.swappers", true)
	tellRetained("main.greeters", true)

	// No closure at all: the function's own static value.
	nameless = append(nameless, func(n int) int { return n + 1 })
	actions = map[string]func() int{}
	for _, key := range []string{"first", "second"} {
		it := newItem(1)
		f := closing(it, 2)
		actions[key] = f
		// The keys are constants of the program, which are in no dump.
		tell(closureOf(unsafe.Pointer(&f)), fact{typ: "main.closing.func1", shape: "closure", paths: []string{"main.actions[?]"}, only: "main.actions"})
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: "main.actions[", only: "main.actions"})
	}
	for i := 0; i < 20; i++ {
		it := newItem(i)
		s := picking(it, i)
		selectors = append(selectors, s)
		path := at("main.selectors", i) + ".pick"
		tell(closureOf(unsafe.Pointer(&s.pick)), fact{typ: "main.picking.func1", shape: "closure", paths: []string{path}, only: "main.selectors"})
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: path, only: "main.selectors"})
	}
}
