package main

import (
	"reflect"
	"unsafe"
)

var (
	anys      []interface{}
	shapes    []shape
	intNodes  *gnode[int]
	itemNodes *gnode[*item]
	pairs     []*pair[string, *item]
	boxed     *gnode[pair[int, []*item]]
	reflected []interface{}
)

type gnode[T any] struct {
	Value T
	Next  *gnode[T]
}

type pair[K comparable, V any] struct {
	Key K
	Val V
}

//go:noinline
func pushed[T any](list *gnode[T], v T) *gnode[T] { return &gnode[T]{Value: v, Next: list} }

func fillInterfaces() {
	add := func(v interface{}, typ, only string) unsafe.Pointer {
		tellAt(wordOf(v), typ, only, at("main.anys", len(anys)))
		anys = append(anys, v)
		return wordOf(v)
	}
	anys = make([]interface{}, 0, 1000)
	for i := 0; i < 100; i++ {
		add(newItem(i), "main.item", "main.anys")
		s := label("a boxed string", i)
		add(s, "string", "main.anys")
		add([4]int{i, 1, 2, 3}, "[4]int", "main.anys")
		add(cell{n: i}, "main.cell", "main.anys")
		list := []*item{newItem(i)}
		add(list, "[]*main.item", "main.anys")
		tell(unsafe.Pointer(list[0]), fact{typ: "main.item", shape: "value", begins: at("main.anys", len(anys)-1), only: "main.anys"})
		add(leaf{a: uint64(i)}, "main.leaf", "main.anys")
		add(complex(float64(i), 1), "complex128", "main.anys")
	}
	tell(unsafe.Pointer(&anys[:1000][0]), fact{typ: "interface {}", shape: "backing", length: 700, capacity: 1000,
		paths: []string{"main.anys"}, only: "main.anys"})

	shapes = make([]shape, 200)
	tellBacking(unsafe.Pointer(&shapes[0]), "main.shape", 200, 200, "main.shapes", "main.shapes")
	for i := range shapes {
		path := at("main.shapes", i)
		if i%2 == 0 {
			s := &square{side: float64(i), mark: newItem(i)}
			shapes[i] = s
			tellAt(unsafe.Pointer(s), "main.square", "main.shapes", path)
			tellAt(unsafe.Pointer(s.mark), "main.item", "main.shapes", path+".mark")
		} else {
			shapes[i] = circle{radius: float64(i)}
			tellAt((*[2]unsafe.Pointer)(unsafe.Pointer(&shapes[i]))[1], "main.circle", "main.shapes", path)
		}
	}
	tellRetained("main.shapes", true)

	for i := 0; i < 100; i++ {
		intNodes = pushed(intNodes, i)
		tell(unsafe.Pointer(intNodes), fact{typ: "main.gnode[int]", shape: "value", begins: "main.intNodes", only: "main.intNodes"})
		it := newItem(i)
		itemNodes = pushed(itemNodes, it)
		tell(unsafe.Pointer(itemNodes), fact{typ: "main.gnode[*main.item]", shape: "value", begins: "main.itemNodes", only: "main.itemNodes"})
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: "main.itemNodes", only: "main.itemNodes"})
	}
	tellRetained("main.intNodes", true)
	tellRetained("main.itemNodes", true)
	pairs = make([]*pair[string, *item], 50)
	tellBacking(unsafe.Pointer(&pairs[0]), "*main.pair[string,*main.item]", 50, 50, "main.pairs", "main.pairs")
	for i := range pairs {
		p := &pair[string, *item]{Key: label("the key of a pair", i), Val: newItem(i)}
		pairs[i] = p
		path := at("main.pairs", i)
		tellAt(unsafe.Pointer(p), "main.pair[string,*main.item]", "main.pairs", path)
		tellString(p.Key, "main.pairs", path+".Key")
		tellAt(unsafe.Pointer(p.Val), "main.item", "main.pairs", path+".Val")
	}
	tellRetained("main.pairs", true)
	items := []*item{newItem(1)}
	boxed = pushed(boxed, pair[int, []*item]{Key: 1, Val: items})
	tellAt(unsafe.Pointer(boxed), "main.gnode[main.pair[int,[]*main.item]]", "main.boxed", "main.boxed")
	tellBacking(unsafe.Pointer(&items[0]), "*main.item", 1, 1, "main.boxed", "main.boxed.Value.Val")
	tellAt(unsafe.Pointer(items[0]), "main.item", "main.boxed", "main.boxed.Value.Val[0]")
	tellRetained("main.boxed", true)

	// Types that only reflection makes, at run time.
	st := reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.TypeOf(0)},
		{Name: "B", Type: reflect.TypeOf((*item)(nil))},
		{Name: "C", Type: reflect.ArrayOf(3, reflect.TypeOf(""))}})
	for i := 0; i < 20; i++ {
		v := reflect.New(st)
		it := newItem(i)
		v.Elem().Field(1).Set(reflect.ValueOf(it))
		reflected = append(reflected, v.Interface())
		path := at("main.reflected", i)
		tellAt(wordOf(reflected[i]), "struct { A int; B *main.item; C [3]string }", "", path)
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: path})
	}
}
