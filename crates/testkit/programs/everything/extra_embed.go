//go:build !race

// With the race detector the runtime's own WriteHeapDump dies of an interface table whose type was
// made by reflection: to name it, it takes reflectOffs.lock, which tells the detector so from a
// stack that has no context of the detector's (runtime/runtime1.go: reflectOffsLock; go1.19 to
// go1.27).

package main

import (
	"fmt"
	"reflect"
)

func init() { embedReflected = makeEmbedding }

// Loud and Quiet have methods, on the pointer and on the value.
type Loud struct{ Volume int }
type Quiet struct{ p *int }

func (l *Loud) Speak() string  { return "loud" }
func (l *Loud) Walk(n int) int { return n + l.Volume }
func (q Quiet) Speak() string  { return "quiet" }
func (q Quiet) String() string { return "quiet" }

// makeEmbedding makes structs at run time that embed something with methods, and so have methods:
// their interface tables tell of types whose names lie on the heap. They do not embed interfaces:
// for those StructOf keeps addresses of its own stack (reflect/type.go: resolveReflectText(&ifn)),
// and the collector finds a bad pointer sooner or later.
func makeEmbedding() {
	for i, embedded := range []interface{}{&Loud{1}, Quiet{new(int)}} {
		t := reflect.TypeOf(embedded)
		name := "Quiet"
		if i == 0 {
			name = "Loud"
		}
		made := reflect.New(reflect.StructOf([]reflect.StructField{{Name: name, Type: t, Anonymous: true}}))
		made.Elem().Field(0).Set(reflect.ValueOf(embedded))
		for _, x := range []interface{}{made.Interface(), made.Elem().Interface()} {
			if s, ok := x.(speaker); ok {
				hold = append(hold, s)
			}
			if w, ok := x.(walker); ok {
				hold = append(hold, w)
			}
			if s, ok := x.(fmt.Stringer); ok {
				hold = append(hold, s)
			}
		}
	}
}
