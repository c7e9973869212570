package main

import "unsafe"

// Package variables of all kinds. What they hold directly is told; the variables themselves lie in
// the program's data, as does what is made before it starts.
var (
	single    *item
	fixed     [10]*item
	state     engine
	anything  interface{}
	anyValue  interface{}
	shapely   shape
	action    func() int
	static    = &item{ID: 7, Next: &item{ID: 8}}
	staticSet = []cell{{Name: "one"}, {Name: "two", Ref: &item{ID: 9}}}
	text      string
	octets    []byte
	raw       unsafe.Pointer
	number    uintptr
	triple    [2][3]cell
	anonymous struct {
		first  *item
		second struct{ third *item }
	}
)

type engine struct {
	name  string
	parts [4]part
	spare *part
}

type part struct {
	id  int
	ref *item
	opt *engine
}

type shape interface{ Area() float64 }

type square struct {
	side float64
	mark *item
}

type circle struct{ radius, x, y float64 }

func (s *square) Area() float64 { return s.side * s.side }
func (c circle) Area() float64  { return 3 * c.radius * c.radius }

func fillRoots() {
	single = newItem(1)
	tellAt(unsafe.Pointer(single), "main.item", "main.single", "main.single")
	tellRetained("main.single", true)
	for i := range fixed {
		fixed[i] = newItem(i)
		tellAt(unsafe.Pointer(fixed[i]), "main.item", "main.fixed", at("main.fixed", i))
	}
	tellRetained("main.fixed", true)

	state.name = label("the name of the engine", 1)
	tellString(state.name, "main.state", "main.state.name")
	for i := range state.parts {
		p := &state.parts[i]
		p.ref = newItem(i)
		p.opt = &engine{spare: &part{ref: newItem(-i)}}
		path := at("main.state.parts", i)
		tellAt(unsafe.Pointer(p.ref), "main.item", "main.state", path+".ref")
		tellAt(unsafe.Pointer(p.opt), "main.engine", "main.state", path+".opt")
		tellAt(unsafe.Pointer(p.opt.spare), "main.part", "main.state", path+".opt.spare")
		tellAt(unsafe.Pointer(p.opt.spare.ref), "main.item", "main.state", path+".opt.spare.ref")
	}
	tellRetained("main.state", true)

	anything = newItem(2)
	tellAt(wordOf(anything), "main.item", "main.anything", "main.anything")
	tellRetained("main.anything", true)
	anyValue = cell{Name: label("the name of a boxed cell", 1), Ref: newItem(3)}
	tellAt(wordOf(anyValue), "main.cell", "main.anyValue", "main.anyValue")
	tellString(anyValue.(cell).Name, "main.anyValue", "main.anyValue.Name")
	tellAt(unsafe.Pointer(anyValue.(cell).Ref), "main.item", "main.anyValue", "main.anyValue.Ref")
	tellRetained("main.anyValue", true)
	sq := &square{side: 2, mark: newItem(4)}
	shapely = sq
	tellAt(unsafe.Pointer(sq), "main.square", "main.shapely", "main.shapely")
	tellAt(unsafe.Pointer(sq.mark), "main.item", "main.shapely", "main.shapely.mark")
	tellRetained("main.shapely", true)

	held := newItem(5)
	action = func() int { return held.ID }
	tell(*(*unsafe.Pointer)(unsafe.Pointer(&action)), fact{typ: "main.fillRoots.func1", shape: "closure",
		paths: []string{"main.action"}, only: "main.action"})
	tell(unsafe.Pointer(held), fact{typ: "main.item", shape: "value", begins: "main.action", only: "main.action"})
	tellRetained("main.action", true)

	// What a static value holds: the value itself lies in the program's data.
	static.Next.Next = newItem(6)
	tell(unsafe.Pointer(static.Next.Next), fact{typ: "main.item", shape: "value",
		paths: []string{"main.static.Next.Next"}})
	staticSet[1].Ref.Next = newItem(7)
	tell(unsafe.Pointer(staticSet[1].Ref.Next), fact{typ: "main.item", shape: "value",
		paths: []string{"main.staticSet[1].Ref.Next"}})

	text = label("a text that a variable holds", 1)
	tellString(text, "main.text", "main.text")
	tellRetained("main.text", true)
	octets = make([]byte, 1000, 1024)
	tellBacking(unsafe.Pointer(&octets[0]), "uint8", 1000, 1024, "main.octets", "main.octets")
	tellRetained("main.octets", true)

	// Nothing tells the type of what an unsafe pointer leads to.
	hidden := newItem(8)
	raw = unsafe.Pointer(hidden)
	tell(raw, fact{typ: "main.item", shape: "raw", paths: []string{"main.raw"}, only: "main.raw"})
	tellRetained("main.raw", true)

	triple[1][2].Ref = newItem(9)
	tellAt(unsafe.Pointer(triple[1][2].Ref), "main.item", "main.triple", "main.triple[1][2].Ref")
	tellRetained("main.triple", true)
	anonymous.first = newItem(10)
	anonymous.second.third = newItem(11)
	tellAt(unsafe.Pointer(anonymous.first), "main.item", "main.anonymous", "main.anonymous.first")
	tellAt(unsafe.Pointer(anonymous.second.third), "main.item", "main.anonymous", "main.anonymous.second.third")
	tellRetained("main.anonymous", true)
}

// wordOf gives the data word of an interface.
func wordOf(v interface{}) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] }
