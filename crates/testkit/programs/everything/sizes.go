package main

import (
	"reflect"
	"strings"
	"sync"
	"time"
	"unsafe"
)

// The size classes of runtime/sizeclasses.go (go1.19 to go1.27): one object of each, without and
// with pointers.
var sizeClasses = []int{8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240,
	256, 288, 320, 352, 384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408,
	1536, 1792, 2048, 2304, 2688, 3072, 3200, 3456, 4096, 4864, 5120, 5376, 6144, 6528, 6784, 6912,
	8192, 9472, 9728, 10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576,
	27264, 28672, 32768}

type sparse struct {
	p *int
	x [3]int
}

// Zeroed and initialised globals, with and without pointers, small and larger than the linker
// describes by a plain bitmap.
var (
	zeroPointers   [5000]*int
	zeroSparse     [20000]sparse
	zeroNoPointers [100000]byte
	setPointers                = [...]*int{&setInts[0], &setInts[1], nil, &setInts[2]}
	setInts                    = [...]int{1, 2, 3, 4}
	setSparse                  = [300]sparse{0: {p: &setInts[0]}, 299: {x: [3]int{1, 2, 3}}}
	setStrings                 = []string{"a", "b", strings.Repeat("c", 1)}
	setInterface   interface{} = &setInts[3]
	lonelyByte     byte        = 7
)

func buildSizes() {
	bytesT := reflect.TypeOf(byte(0))
	pointerT := reflect.TypeOf((*int)(nil))
	sparseT := reflect.TypeOf(sparse{})
	for _, size := range sizeClasses {
		for i := 0; i < 3; i++ {
			b := make([]byte, size)
			for j := range b {
				b[j] = byte(size + j)
			}
			p := make([]*int, size/8)
			for j := range p {
				if j%2 == 0 {
					p[j] = new(int)
				}
			}
			hold = append(hold, b, p, make([]byte, size-1), make([]interface{}, (size+15)/16),
				reflect.New(reflect.ArrayOf(size, bytesT)).Interface(),
				reflect.New(reflect.ArrayOf(size/8, pointerT)).Interface(),
				reflect.New(reflect.ArrayOf(size/32+1, sparseT)).Interface(),
				reflect.New(reflect.StructOf([]reflect.StructField{
					{Name: "Body", Type: reflect.ArrayOf(size, bytesT)},
					{Name: "Tail", Type: pointerT}})).Interface())
		}
	}
	hold = append(hold,
		make([]byte, 5<<20), make([]*int, 300<<10), make([]sparse, 50<<10), make([]string, 100<<10),
		new([20000]sparse), new([4096]*int), new([40000]byte), make([]struct{}, 10), new(struct{}),
		make([]byte, 32769), make([]*int, 4097))

	// The tiny allocator: several in one block.
	for i := 0; i < 100; i++ {
		b, h, w, f := byte(i), int16(i), int32(i), float32(i)
		hold = append(hold, &b, &h, &w, &f)
	}

	// Lists, of which the middle is let go.
	var list *sparseNode
	for i := 0; i < 30000; i++ {
		list = &sparseNode{next: list, key: i, name: label("node", i)}
	}
	for n, i := list, 0; n != nil && n.next != nil; i++ {
		if i%3 == 0 {
			n.next = n.next.next
		}
		n = n.next
	}
	hold = append(hold, list)

	for i := range zeroPointers {
		if i%7 == 0 {
			zeroPointers[i] = new(int)
		}
	}
	zeroSparse[12345].p = new(int)
	zeroNoPointers[99999] = 1
}

type sparseNode struct {
	next *sparseNode
	key  int
	name string
}

// buildValues makes what the library keeps: pools, timers, builders, interior and unsafe pointers.
func buildValues() {
	pool := &sync.Pool{New: func() interface{} { return new([64]byte) }}
	for i := 0; i < 20; i++ {
		pool.Put(new([64]byte))
	}
	pool.Get()
	builder := &strings.Builder{}
	for i := 0; i < 1000; i++ {
		builder.WriteString(label("b", i))
	}
	backing := make([]int, 1000)
	body := make([]byte, 4096)
	hold = append(hold, pool, builder, builder.String()[100:200], &backing[500], backing[10:20:30],
		unsafe.Pointer(&body[17]), uintptr(unsafe.Pointer(&body[0])))
	for i := 1; i <= 20; i++ {
		n := i
		hold = append(hold,
			time.AfterFunc(time.Duration(n)*10*time.Hour, func() { sink = n }),
			time.NewTimer(time.Duration(n)*11*time.Hour),
			time.NewTicker(time.Duration(n)*12*time.Hour))
	}
	counter := 0
	closures := []func() int{
		func() int { return 1 },
		func() int { counter++; return counter },
		func() int { return len(backing) + len(body) + counter },
	}
	value := &byPointer{name: "method value"}
	var asSpeaker speaker = value
	hold = append(hold, closures, value.Speak, asSpeaker.Speak, (*byPointer).Speak, byValue.Walk)
}
