package main

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"
)

type speaker interface{ Speak() string }
type walker interface {
	speaker
	Walk(n int) int
}

type byValue struct{ a, b int }
type byPointer struct {
	p    *byPointer
	name string
}
type oneWord struct{ p *int }
type funcType func() string
type mapType map[string]int
type chanType chan int
type intType int
type arrayType [1]*int
type generic[T any] struct {
	v    T
	next *generic[T]
}

func (byValue) Speak() string           { return "value" }
func (byValue) Walk(n int) int          { return n }
func (b *byPointer) Speak() string      { return b.name }
func (b *byPointer) Walk(n int) int     { return n }
func (oneWord) Speak() string           { return "one" }
func (f funcType) Speak() string        { return "func" }
func (mapType) Speak() string           { return "map" }
func (chanType) Speak() string          { return "chan" }
func (intType) Speak() string           { return "int" }
func (arrayType) Speak() string         { return "array" }
func (*generic[T]) Speak() string       { return "generic" }
func (g *generic[T]) Walk(n int) int    { return n + 1 }
func (g generic[T]) Len() int           { return 0 }
func (g generic[T]) Less(i, j int) bool { return false }
func (g generic[T]) Swap(i, j int)      {}

// buildTypes makes interface tables of many kinds, of types of this program and of types that only
// reflection makes, whose names lie on the heap.
func buildTypes() {
	one := 1
	speakers := []speaker{
		byValue{1, 2}, &byValue{3, 4}, &byPointer{name: "p"}, oneWord{&one}, &oneWord{&one},
		funcType(func() string { return "x" }), mapType{"a": 1}, make(chanType), intType(7),
		arrayType{&one}, &generic[int]{v: 1}, &generic[string]{v: "s"}, &generic[[]byte]{},
		&generic[map[string]generic[int]]{},
	}
	var walkers []walker
	var anything []interface{}
	for _, s := range speakers {
		// Through an assertion, the runtime makes the table, and not the linker.
		anything = append(anything, s)
	}
	for _, a := range anything {
		if w, ok := a.(walker); ok {
			walkers = append(walkers, w)
		}
		if s, ok := a.(fmt.Stringer); ok {
			hold = append(hold, s)
		}
		if l, ok := a.(sort.Interface); ok {
			hold = append(hold, l)
		}
	}
	hold = append(hold, speakers, walkers, anything)
	sorters := []sort.Interface{generic[float64]{}, &generic[[2]string]{}}
	hold = append(hold, sorters, generic[float64]{}, errors.New("plain"), fmt.Errorf("wrapped: %w", io.EOF))
	buildReflected()
	if embedReflected != nil {
		embedReflected()
	}
}

// embedReflected is nil where the runtime's own writer would die of what it makes.
var embedReflected func()

func buildReflected() {
	intT := reflect.TypeOf(0)
	stringT := reflect.TypeOf("")
	byPointerT := reflect.TypeOf(byPointer{})
	pkg := reflect.TypeOf(byValue{}).PkgPath()

	// A struct with unexported fields carries a package path.
	st := reflect.StructOf([]reflect.StructField{
		{Name: "hidden", PkgPath: pkg, Type: intT},
		{Name: "also", PkgPath: pkg, Type: reflect.PtrTo(byPointerT)},
		{Name: "Seen", Type: stringT, Tag: `json:"seen"`},
	})
	ft := reflect.FuncOf([]reflect.Type{st, intT}, []reflect.Type{stringT}, false)
	mt := reflect.MapOf(stringT, st)
	ct := reflect.ChanOf(reflect.BothDir, st)
	slices := reflect.SliceOf(reflect.PtrTo(st))
	array := reflect.ArrayOf(300, st)
	noPointers := reflect.ArrayOf(5000, reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: intT}, {Name: "B", Type: reflect.TypeOf(int8(0))}}))
	huge := reflect.ArrayOf(20000, reflect.StructOf([]reflect.StructField{
		{Name: "P", Type: reflect.PtrTo(intT)}, {Name: "X", Type: reflect.TypeOf([3]int{})}}))
	for _, t := range []reflect.Type{st, array, noPointers, huge, slices, reflect.PtrTo(reflect.PtrTo(st))} {
		for i := 0; i < 3; i++ {
			hold = append(hold, reflect.New(t).Interface())
		}
	}
	m := reflect.MakeMap(mt)
	for i := 0; i < 100; i++ {
		m.SetMapIndex(reflect.ValueOf(label("r", i)), reflect.New(st).Elem())
	}
	c := reflect.MakeChan(ct, 10)
	c.Send(reflect.New(st).Elem())
	f := reflect.MakeFunc(ft, func(args []reflect.Value) []reflect.Value {
		return []reflect.Value{reflect.ValueOf("made")}
	})
	f.Call([]reflect.Value{reflect.New(st).Elem(), reflect.ValueOf(1)})
	hold = append(hold, m.Interface(), c.Interface(), f.Interface(),
		reflect.MakeSlice(slices, 7, 9).Interface())
}
