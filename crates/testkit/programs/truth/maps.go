package main

import (
	"strconv"
	"sync"
	"unsafe"
)

type registryType struct {
	m     map[string]*session
	byID  map[int]string
	count int
}

// bigKey and bigValue are over 128 bytes: a map holds pointers to them.
type bigKey struct {
	name string
	fill [20]uint64
}

type bigValue struct {
	Ref  *item
	fill [30]uint64
}

type point struct{ x, y int32 }

var (
	registry registryType
	byName   map[string]*item
	smallMap map[string]*item
	emptyMap map[string]int
	bigs     map[bigKey]bigValue
	thinned  map[int]*item
	nested   map[string]map[int]*item
	lists    map[string][]*item
	mixed    map[interface{}]*item
	bools    map[bool]*item
	floats   map[float64]*item
	points   map[point]*item
	byItem   map[*item]int
	set      map[string]struct{}
	inline   map[int]cell
	grown    map[int]*item
	synced   sync.Map
	wordless map[uint64]uint64
)

// tellMap tells of a map's head.
//
//go:noinline
func tellMap(p unsafe.Pointer, typ string, length int, only, path string) {
	tell(p, fact{typ: typ, shape: "map", length: length, paths: []string{path}, only: only})
}

func fillMaps() {
	registry.m = map[string]*session{}
	registry.byID = make(map[int]string)
	for i := 0; i < 200; i++ {
		key := "k" + strconv.Itoa(i)
		s := &session{User: &user{Name: label("the name of a user", i)}, Items: make([]*item, 5), Data: make([]byte, 100)}
		registry.m[key] = s
		path := under("main.registry.m", key)
		tellAt(unsafe.Pointer(s), "main.session", "main.registry", path)
		tellAt(unsafe.Pointer(s.User), "main.user", "main.registry", path+".User")
		tellString(s.User.Name, "main.registry", path+".User.Name")
		tellBacking(unsafe.Pointer(&s.Items[0]), "*main.item", 5, 5, "main.registry", path+".Items")
		tellBacking(unsafe.Pointer(&s.Data[0]), "uint8", 100, 100, "main.registry", path+".Data")
		for j := range s.Items {
			s.Items[j] = newItem(j)
			tellAt(unsafe.Pointer(s.Items[j]), "main.item", "main.registry", at(path+".Items", j))
		}
		s.Items[3].Next = newItem(33)
		tellAt(unsafe.Pointer(s.Items[3].Next), "main.item", "main.registry", path+".Items[3].Next")
		s.User.Tags = []*tag{{Key: "a", Value: label("the value of a tag", i)}}
		tellBacking(unsafe.Pointer(&s.User.Tags[0]), "*main.tag", 1, 1, "main.registry", path+".User.Tags")
		tellAt(unsafe.Pointer(s.User.Tags[0]), "main.tag", "main.registry", path+".User.Tags[0]")
		tellString(s.User.Tags[0].Value, "main.registry", path+".User.Tags[0].Value")
		registry.byID[i-100] = label("a name by its number", i)
		tellString(registry.byID[i-100], "main.registry", at("main.registry.byID", i-100))
	}
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&registry.m)), "map[string]*main.session", 200, "main.registry", "main.registry.m")
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&registry.byID)), "map[int]string", 200, "main.registry", "main.registry.byID")
	tellRetained("main.registry", false)

	byName = map[string]*item{}
	for i := 0; i < 5000; i++ {
		key := label("the key of an item", i)
		byName[key] = newItem(i)
		tellAt(unsafe.Pointer(byName[key]), "main.item", "main.byName", under("main.byName", key))
		tell(textOf(key), fact{typ: "string", shape: "string", length: len(key), begins: "main.byName", only: "main.byName"})
	}
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&byName)), "map[string]*main.item", 5000, "main.byName", "main.byName")
	tellRetained("main.byName", false)

	smallMap = make(map[string]*item)
	for _, key := range []string{"x", "y", "z"} {
		// Constants of the program, which are in no dump.
		smallMap[key] = newItem(1)
		tellAt(unsafe.Pointer(smallMap[key]), "main.item", "main.smallMap", "main.smallMap[?]")
	}
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&smallMap)), "map[string]*main.item", 3, "main.smallMap", "main.smallMap")
	emptyMap = make(map[string]int)
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&emptyMap)), "map[string]int", 0, "main.emptyMap", "main.emptyMap")

	bigs = map[bigKey]bigValue{}
	for i := 0; i < 100; i++ {
		ref := newItem(i)
		bigs[bigKey{name: label("the name in a big key", i)}] = bigValue{Ref: ref}
		tellAt(unsafe.Pointer(ref), "main.item", "main.bigs", "main.bigs[?].Ref")
	}
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&bigs)), "map[main.bigKey]main.bigValue", 100, "main.bigs", "main.bigs")

	thinned = map[int]*item{}
	for i := 0; i < 1000; i++ {
		thinned[i] = newItem(i)
	}
	for i := 0; i < 1000; i++ {
		if i%10 != 0 {
			delete(thinned, i)
		} else {
			tellAt(unsafe.Pointer(thinned[i]), "main.item", "main.thinned", at("main.thinned", i))
		}
	}
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&thinned)), "map[int]*main.item", 100, "main.thinned", "main.thinned")
	fillMapsOfKinds()
	fillSynced()
}

func fillMapsOfKinds() {
	nested = map[string]map[int]*item{}
	lists = map[string][]*item{}
	for i := 0; i < 20; i++ {
		key := "o" + strconv.Itoa(i)
		m := map[int]*item{}
		path := under("main.nested", key)
		for j := 0; j < i; j++ {
			m[j] = newItem(j)
			tellAt(unsafe.Pointer(m[j]), "main.item", "main.nested", at(path, j))
		}
		nested[key] = m
		tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&m)), "map[int]*main.item", i, "main.nested", path)
		l := []*item{newItem(1), newItem(2)}
		lists[key] = l
		path = under("main.lists", key)
		tellBacking(unsafe.Pointer(&l[0]), "*main.item", 2, 2, "main.lists", path)
		tellAt(unsafe.Pointer(l[0]), "main.item", "main.lists", path+"[0]")
		tellAt(unsafe.Pointer(l[1]), "main.item", "main.lists", path+"[1]")
	}
	mixed = map[interface{}]*item{"m1": newItem(1), 700: newItem(2), point{1, 2}: newItem(3)}
	for _, p := range mixed {
		tellAt(unsafe.Pointer(p), "main.item", "main.mixed", "main.mixed[?]")
	}
	bools = map[bool]*item{true: newItem(1), false: newItem(0)}
	tellAt(unsafe.Pointer(bools[true]), "main.item", "main.bools", "main.bools[true]")
	tellAt(unsafe.Pointer(bools[false]), "main.item", "main.bools", "main.bools[false]")
	floats = map[float64]*item{1.5: newItem(1), -0.25: newItem(2)}
	tellAt(unsafe.Pointer(floats[1.5]), "main.item", "main.floats", "main.floats[1.5]")
	tellAt(unsafe.Pointer(floats[-0.25]), "main.item", "main.floats", "main.floats[-0.25]")
	points = map[point]*item{}
	byItem = map[*item]int{}
	set = map[string]struct{}{}
	inline = map[int]cell{}
	wordless = map[uint64]uint64{}
	for i := 0; i < 50; i++ {
		p := newItem(i)
		points[point{int32(i), -1}] = p
		tellAt(unsafe.Pointer(p), "main.item", "main.points", "main.points[?]")
		p = newItem(i)
		byItem[p] = i
		tell(unsafe.Pointer(p), fact{typ: "main.item", shape: "value", begins: "main.byItem", only: "main.byItem"})
		key := label("the member of a set", i)
		set[key] = struct{}{}
		tell(textOf(key), fact{typ: "string", shape: "string", length: len(key), begins: "main.set", only: "main.set"})
		p = newItem(i)
		inline[i] = cell{Ref: p}
		tellAt(unsafe.Pointer(p), "main.item", "main.inline", at("main.inline", i)+".Ref")
		wordless[uint64(i)] = 1
	}
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&points)), "map[main.point]*main.item", 50, "main.points", "main.points")
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&byItem)), "map[*main.item]int", 50, "main.byItem", "main.byItem")
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&set)), "map[string]struct {}", 50, "main.set", "main.set")
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&inline)), "map[int]main.cell", 50, "main.inline", "main.inline")
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&wordless)), "map[uint64]uint64", 50, "main.wordless", "main.wordless")

	// Up to go1.23, a map that has just begun to grow has old buckets as well.
	grown = map[int]*item{}
	for i := 0; i < 420; i++ {
		grown[i] = newItem(i)
		tellAt(unsafe.Pointer(grown[i]), "main.item", "main.grown", at("main.grown", i))
	}
	tellMap(*(*unsafe.Pointer)(unsafe.Pointer(&grown)), "map[int]*main.item", 420, "main.grown", "main.grown")
}

func fillSynced() {
	for i := 0; i < 100; i++ {
		p := newItem(i)
		synced.Store(label("the key of a synced one", i), p)
		tell(unsafe.Pointer(p), fact{typ: "main.item", shape: "value", begins: "main.synced", only: "main.synced"})
	}
	synced.Range(func(k, v interface{}) bool { return true })
	for i := 0; i < 100; i += 10 {
		p := newItem(i)
		synced.Store(i, p)
		tell(unsafe.Pointer(p), fact{typ: "main.item", shape: "value", begins: "main.synced", only: "main.synced"})
	}
	tellRetained("main.synced", false)
}
