// Program plugged_plugin is a plugin that holds objects: by globals, and by a goroutine.
package main

import "unsafe"

// node is small; wide has its type in front of it, which is one of the plugin's own.
type node struct {
	next *node
	n    [7]uint64
}

type wide struct {
	pad  [80]uint64
	next *node
	n    [40]uint64
}

var (
	inBss  *node
	inData = &struct{ p *node }{}
	byType *wide
	woken  = make(chan struct{})
)

func at(n *node) uintptr { return uintptr(unsafe.Pointer(n)) }

// Wait keeps an object on its stack for as long as the program runs.
//
//go:noinline
func Wait(tell func(string, uintptr), ready chan struct{}) {
	local := new(node)
	tell("waiting", at(local))
	close(ready)
	<-woken
	local.n[0]++
	inBss = local
}

func Build(tell func(string, uintptr)) {
	inBss = new(node)
	tell("bss", at(inBss))
	inData.p = new(node)
	tell("data", at(inData.p))
	byType = &wide{next: new(node)}
	tell("type", at(byType.next))
	ready := make(chan struct{})
	go Wait(tell, ready)
	<-ready
}

func main() {}
