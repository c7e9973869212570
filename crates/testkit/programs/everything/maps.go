package main

import (
	"sync"
	"unsafe"
)

type bigKey struct {
	name string
	pad  [200]byte // over 128 bytes: keys are held by pointer
}

type bigValue struct {
	next *bigValue
	pad  [200]byte
}

type mixed struct {
	a int8
	p *int
	b int16
	s string
	c [3]byte
	i interface{}
}

// buildMaps makes maps of every layout: empty, one bucket or group, grown, with overflow, with and
// without pointers in keys and values, with keys and values held indirectly, with deletions.
func buildMaps() {
	hold = append(hold, map[int]int{}, map[string]string(nil))
	tiny := map[int]int{1: 2, 3: 4}
	noPointers := map[uint64]uint64{}
	strings := map[string]int{}
	pointers := map[*int]*string{}
	big := map[bigKey]bigValue{}
	ifaces := map[interface{}]interface{}{}
	structs := map[[2]int32]mixed{}
	sets := map[string]struct{}{}
	floats := map[float64][]byte{}
	for i := 0; i < 3000; i++ {
		n := i
		s := label("key", i)
		noPointers[uint64(i)] = uint64(i * i)
		strings[s] = i
		pointers[&n] = &s
		if i < 200 {
			big[bigKey{name: s}] = bigValue{next: &bigValue{}}
		}
		ifaces[i] = s
		ifaces[s] = &n
		structs[[2]int32{int32(i), int32(-i)}] = mixed{a: 1, p: &n, s: s, i: i}
		sets[s] = struct{}{}
		floats[float64(i)/3] = []byte(s)
	}
	for i := 0; i < 3000; i += 3 {
		delete(noPointers, uint64(i))
		delete(ifaces, i)
	}
	nested := map[string]map[int][]map[string]bool{}
	for i := 0; i < 50; i++ {
		nested[label("outer", i)] = map[int][]map[string]bool{i: {{"x": true}, {"y": false}}}
	}
	many := make([]map[int8]int8, 500)
	for i := range many {
		many[i] = map[int8]int8{int8(i): int8(i)}
	}
	var concurrent sync.Map
	for i := 0; i < 300; i++ {
		concurrent.Store(i, label("sync", i))
	}
	concurrent.Range(func(k, v interface{}) bool { return true })
	for i := 0; i < 50; i++ {
		concurrent.Delete(i)
	}
	hold = append(hold, tiny, noPointers, strings, pointers, big, ifaces, structs, sets, floats,
		nested, many, &concurrent, unsafe.Pointer(&tiny))
}

// label makes a string of its own on the heap.
func label(prefix string, i int) string {
	b := append([]byte(prefix), '-')
	if i == 0 {
		b = append(b, '0')
	}
	for ; i > 0; i /= 10 {
		b = append(b, byte('0'+i%10))
	}
	return string(b)
}
