package main

import "unsafe"

type item struct {
	ID   int
	Next *item
	pad  [4]uint64
}

type cell struct {
	Name string
	Ref  *item
	n    int
}

type tag struct{ Key, Value string }

type user struct {
	Name string
	Tags []*tag
	Best *user
}

type session struct {
	User    *user
	Items   []*item
	Created int64
	Data    []byte
}

// leaf and flat have no pointers.
type leaf struct{ a, b, c, d uint64 }

type flat struct {
	x  [5]float64
	on bool
}

type inner struct {
	Ref    *item
	weight float64
}

type base struct {
	Ref2 *item
	n    [3]int
}

type outer struct {
	inner
	*base
	own int
}

// wide is over 512 bytes, with pointers: it has a malloc header from go1.22 on.
type wide struct {
	fill [100]uint64
	p    *item
	s    string
}

var (
	plains   []*item
	leaves   []*leaf
	flats    []*flat
	grid     [][]cell
	words    []string
	shorts   []string
	chain    *item
	outers   []*outer
	wides    []*wide
	hundreds [20][]*item
	bigTable []*item
	bigCells []cell
	arrays   []*[50]item
	values   []item
	middle   *item
	pairTree *twig
	numbers  []*int64
	halfs    []*int16
	doubly   []**item
)

type twig struct {
	left, right *twig
	value       *leaf
}

//go:noinline
func newItem(id int) *item { return &item{ID: id} }

func fillValues() {
	plains = make([]*item, 1000)
	tellBacking(unsafe.Pointer(&plains[0]), "*main.item", 1000, 1000, "main.plains", "main.plains")
	for i := range plains {
		plains[i] = newItem(i)
		tellAt(unsafe.Pointer(plains[i]), "main.item", "main.plains", at("main.plains", i))
	}
	tellRetained("main.plains", true)

	leaves = make([]*leaf, 1000)
	flats = make([]*flat, 1000)
	tellBacking(unsafe.Pointer(&leaves[0]), "*main.leaf", 1000, 1000, "main.leaves", "main.leaves")
	tellBacking(unsafe.Pointer(&flats[0]), "*main.flat", 1000, 1000, "main.flats", "main.flats")
	for i := range leaves {
		leaves[i] = &leaf{a: uint64(i)}
		flats[i] = &flat{on: true}
		tellAt(unsafe.Pointer(leaves[i]), "main.leaf", "main.leaves", at("main.leaves", i))
		tellAt(unsafe.Pointer(flats[i]), "main.flat", "main.flats", at("main.flats", i))
	}
	tellRetained("main.leaves", true)
	tellRetained("main.flats", true)

	grid = make([][]cell, 30)
	tellBacking(unsafe.Pointer(&grid[0]), "[]main.cell", 30, 30, "main.grid", "main.grid")
	for i := range grid {
		row := make([]cell, 8, 8+i)
		tellBacking(unsafe.Pointer(&row[0]), "main.cell", 8, 8+i, "main.grid", at("main.grid", i))
		for j := range row {
			row[j] = cell{Name: label("the cell's name", 100*i+j), Ref: newItem(j)}
			path := at(at("main.grid", i), j)
			tellString(row[j].Name, "main.grid", path+".Name")
			tellAt(unsafe.Pointer(row[j].Ref), "main.item", "main.grid", path+".Ref")
		}
		grid[i] = row
	}
	tellRetained("main.grid", true)

	words = make([]string, 400)
	shorts = make([]string, 400)
	tellBacking(unsafe.Pointer(&words[0]), "string", 400, 400, "main.words", "main.words")
	tellBacking(unsafe.Pointer(&shorts[0]), "string", 400, 400, "main.shorts", "main.shorts")
	for i := range words {
		words[i] = label("a word of many letters", i)
		shorts[i] = label("w", i)
		tellString(words[i], "main.words", at("main.words", i))
		tellString(shorts[i], "", at("main.shorts", i))
	}
	tellRetained("main.words", true)

	fillLists()
	fillLarge()
}

func fillLists() {
	path := "main.chain"
	for i, p := 0, &chain; i < 2000; i, p = i+1, &(*p).Next {
		*p = newItem(i)
		if i < 6 {
			tellAt(unsafe.Pointer(*p), "main.item", "main.chain", path)
			path += ".Next"
		} else {
			tell(unsafe.Pointer(*p), fact{typ: "main.item", shape: "value", begins: "main.chain", only: "main.chain"})
		}
	}
	tellRetained("main.chain", true)

	pairTree = growTwig(8, "main.pairTree")
	tellRetained("main.pairTree", true)

	outers = make([]*outer, 100)
	tellBacking(unsafe.Pointer(&outers[0]), "*main.outer", 100, 100, "main.outers", "main.outers")
	for i := range outers {
		o := &outer{inner: inner{Ref: newItem(i)}, base: &base{Ref2: newItem(-i)}}
		outers[i] = o
		path := at("main.outers", i)
		tellAt(unsafe.Pointer(o), "main.outer", "main.outers", path)
		tellAt(unsafe.Pointer(o.base), "main.base", "main.outers", path+".base")
		tell(unsafe.Pointer(o.Ref), fact{typ: "main.item", shape: "value", only: "main.outers",
			paths: []string{path + ".inner.Ref", path + ".Ref"}})
		tell(unsafe.Pointer(o.Ref2), fact{typ: "main.item", shape: "value", only: "main.outers",
			paths: []string{path + ".base.Ref2", path + ".Ref2"}})
	}
	tellRetained("main.outers", true)

	// Eight and two bytes without a pointer: several in one block of the tiny allocator.
	numbers = make([]*int64, 300)
	halfs = make([]*int16, 300)
	doubly = make([]**item, 100)
	tellBacking(unsafe.Pointer(&numbers[0]), "*int64", 300, 300, "", "main.numbers")
	tellBacking(unsafe.Pointer(&halfs[0]), "*int16", 300, 300, "", "main.halfs")
	tellBacking(unsafe.Pointer(&doubly[0]), "**main.item", 100, 100, "main.doubly", "main.doubly")
	for i := range numbers {
		n, h := int64(i), int16(i)
		numbers[i], halfs[i] = &n, &h
		tell(unsafe.Pointer(&n), fact{typ: "int64", shape: "tiny", paths: []string{at("main.numbers", i)}})
		tell(unsafe.Pointer(&h), fact{typ: "int16", shape: "tiny", paths: []string{at("main.halfs", i)}})
	}
	for i := range doubly {
		p := newItem(i)
		doubly[i] = &p
		path := at("main.doubly", i)
		tellAt(unsafe.Pointer(&p), "*main.item", "main.doubly", path)
		tell(unsafe.Pointer(p), fact{typ: "main.item", shape: "value", begins: path, only: "main.doubly"})
	}
	tellRetained("main.doubly", true)
}

//go:noinline
func growTwig(depth int, path string) *twig {
	if depth == 0 {
		return nil
	}
	t := &twig{value: &leaf{}}
	tellAt(unsafe.Pointer(t), "main.twig", "main.pairTree", path)
	tellAt(unsafe.Pointer(t.value), "main.leaf", "main.pairTree", path+".value")
	t.left = growTwig(depth-1, path+".left")
	t.right = growTwig(depth-1, path+".right")
	return t
}

func fillLarge() {
	wides = make([]*wide, 60)
	tellBacking(unsafe.Pointer(&wides[0]), "*main.wide", 60, 60, "main.wides", "main.wides")
	for i := range wides {
		w := &wide{p: newItem(i), s: label("the text of a wide one", i)}
		wides[i] = w
		path := at("main.wides", i)
		tellAt(unsafe.Pointer(w), "main.wide", "main.wides", path)
		tellAt(unsafe.Pointer(w.p), "main.item", "main.wides", path+".p")
		tellString(w.s, "main.wides", path+".s")
	}
	tellRetained("main.wides", true)

	for i := range hundreds {
		s := make([]*item, 90, 100)
		hundreds[i] = s
		path := at("main.hundreds", i)
		tellBacking(unsafe.Pointer(&s[0]), "*main.item", 90, 100, "main.hundreds", path)
		for j := range s {
			s[j] = newItem(j)
			tellAt(unsafe.Pointer(s[j]), "main.item", "main.hundreds", at(path, j))
		}
	}
	tellRetained("main.hundreds", true)

	bigTable = make([]*item, 10000)
	tellBacking(unsafe.Pointer(&bigTable[0]), "*main.item", 10000, 10000, "main.bigTable", "main.bigTable")
	for i := range bigTable {
		if i%5 == 0 {
			bigTable[i] = newItem(i)
			tellAt(unsafe.Pointer(bigTable[i]), "main.item", "main.bigTable", at("main.bigTable", i))
		}
	}
	tellRetained("main.bigTable", true)

	bigCells = make([]cell, 3000)
	tellBacking(unsafe.Pointer(&bigCells[0]), "main.cell", 3000, 3000, "main.bigCells", "main.bigCells")
	for i := 0; i < len(bigCells); i += 100 {
		bigCells[i].Ref = newItem(i)
		tellAt(unsafe.Pointer(bigCells[i].Ref), "main.item", "main.bigCells", at("main.bigCells", i)+".Ref")
	}
	tellRetained("main.bigCells", true)

	arrays = make([]*[50]item, 20)
	tellBacking(unsafe.Pointer(&arrays[0]), "*[50]main.item", 20, 20, "main.arrays", "main.arrays")
	for i := range arrays {
		arrays[i] = new([50]item)
		arrays[i][7].Next = newItem(i)
		path := at("main.arrays", i)
		tellAt(unsafe.Pointer(arrays[i]), "[50]main.item", "main.arrays", path)
		tellAt(unsafe.Pointer(arrays[i][7].Next), "main.item", "main.arrays", at(path, 7)+".Next")
	}
	tellRetained("main.arrays", true)

	values = make([]item, 100, 120)
	tellBacking(unsafe.Pointer(&values[0]), "main.item", 100, 120, "main.values", "main.values")
	tellRetained("main.values", true)

	held := make([]item, 500)
	middle = &held[250]
	middle.Next = newItem(1)
	tell(unsafe.Pointer(&held[0]), fact{typ: "main.item", shape: "interior", length: 500, capacity: 500,
		paths: []string{"main.middle"}, only: "main.middle"})
	tellAt(unsafe.Pointer(middle.Next), "main.item", "main.middle", "main.middle.Next")
	tellRetained("main.middle", true)
}
