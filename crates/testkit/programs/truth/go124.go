//go:build go1.24

package main

import (
	"runtime"
	"unsafe"
	"weak"
)

func init() {
	extras = append(extras, fillCleanups)
	lasts = append(lasts, weaken)
}

var (
	cleaned []*keeper
	feeble  weak.Pointer[item]
)

// fillCleanups gives lists to cleanups as their arguments: nothing else holds them.
func fillCleanups() {
	cleaned = make([]*keeper, 10)
	for i := range cleaned {
		cleaned[i] = new(keeper)
		tellAt(unsafe.Pointer(cleaned[i]), "main.keeper", "", at("main.cleaned", i))
		it := newItem(i)
		runtime.AddCleanup(cleaned[i], use, it)
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "cleanup", only: "cleanup"})
	}
	tellWaste("cleanup", "main.item", len(cleaned), 0)
}

//go:noinline
func weaken() {
	it := newItem(1)
	feeble = weak.Make(it)
	tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "raw", loose: true})
	wipe(50)
}
