// A program that holds sessions and lets the runtime write its own heap dump into the file that its
// argument names.
package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

type session struct {
	name string
	data []byte
	next *session
}

var head *session
var byName = map[string]*session{}

func main() {
	for i := 0; i < 10000; i++ {
		head = &session{name: string(rune('a'+i%26)) + "x", data: make([]byte, 100), next: head}
		byName[head.name] = head
	}
	runtime.GC()
	f, err := os.Create(os.Args[1])
	if err != nil {
		panic(err)
	}
	debug.WriteHeapDump(f.Fd())
}
