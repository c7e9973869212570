// Prints what reflection says of many types and maps, then stands still until stdin ends: the
// judge of goheap's reader of type descriptors.
//
// A type a line: T, address, size, bytes up to the last pointer, kind, mask of pointers as words
// 0 and 1 (the FNV-1a hash of these if they are many), String, Name, PkgPath; tabs between. A map a line: M, address of its type,
// address of the map, count, sum of keys, sum of elements; in both sums each 8 bytes count as one
// little-endian number.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/url"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unsafe"
)

type plain struct{ a, b int }

type Bare struct{ X, Y *int }

type mixed struct {
	name  string
	next  *mixed
	list  []byte
	any   interface{}
	do    func()
	m     map[string]int
	c     chan int
	raw   unsafe.Pointer
	n     uintptr
	bytes [3]byte
}

func (m *mixed) String() string { return m.name }

type pair[K comparable, V any] struct {
	Key K
	Val V
}

func (p pair[K, V]) Both() (K, V) { return p.Key, p.Val }

type node[T any] struct {
	left, right *node[T]
	value       T
}

type (
	number  int
	words   []string
	wide    [300]*int
	huge    [100000]pair[*int, int]
	deep    [40][50]mixed
	wrapped struct{ inner struct{ innermost deep } }
	tail    struct {
		head [5000]int
		p    *int
		rest [5000]int
	}
	iface    interface{ Do(int) (string, error) }
	function func(int, ...string) (bool, error)
	one      struct{ p *int }
	oneArray [1]*int
	embedded struct {
		plain
		*mixed
		io.Reader
	}
	bigKey  [200]byte
	bigElem [25]int64
)

var kept []interface{}

func types() []reflect.Type {
	type local struct{ x *local }
	zeros := []interface{}{
		false, int(0), int8(0), int16(0), int32(0), int64(0), uint(0), uint8(0), uint16(0),
		uint32(0), uint64(0), uintptr(0), float32(0), float64(0), complex64(0), complex128(0), "",
		unsafe.Pointer(nil), number(0), words(nil), plain{}, &plain{}, mixed{}, &mixed{},
		pair[string, int]{}, pair[time.Duration, map[string]pair[int, url.URL]]{},
		&pair[string, pair[plain, mixed]]{}, node[node[int]]{}, &node[string]{}, wide{}, &huge{},
		&deep{}, &wrapped{}, &tail{}, one{}, oneArray{}, function(nil), func() {},
		func(a, b int, c ...plain) {}, func() (r [4]int, e error) { return }, local{}, &local{},
		[]local{}, embedded{}, &embedded{}, make(chan int), make(<-chan string),
		make(chan<- *plain), [0]int{}, [0]*int{}, [7]string{}, struct{}{}, struct {
			A int `tag:"x"`
			b *string
		}{}, map[string]int{}, map[plain]mixed{}, map[bigKey]bigElem{}, map[interface{}]words{},
		errors.New("x"), fmt.Errorf("%w", io.EOF), &big.Int{}, time.Time{}, &sync.Map{}, &url.URL{},
		strings.Builder{}, reflect.Value{}, (*iface)(nil), (*error)(nil), (*interface{})(nil),
		[]interface{ M(int) }{}, []func(huge){},
	}
	seen := map[reflect.Type]bool{}
	var all []reflect.Type
	var add func(t reflect.Type, depth int)
	add = func(t reflect.Type, depth int) {
		if seen[t] || depth > 6 {
			return
		}
		seen[t] = true
		all = append(all, t)
		switch t.Kind() {
		case reflect.Array, reflect.Chan, reflect.Ptr, reflect.Slice:
			add(t.Elem(), depth+1)
		case reflect.Map:
			add(t.Elem(), depth+1)
			add(t.Key(), depth+1)
		case reflect.Struct:
			for i := 0; i < t.NumField(); i++ {
				add(t.Field(i).Type, depth+1)
			}
		case reflect.Func:
			for i := 0; i < t.NumIn(); i++ {
				add(t.In(i), depth+1)
			}
			for i := 0; i < t.NumOut(); i++ {
				add(t.Out(i), depth+1)
			}
		}
	}
	for _, zero := range zeros {
		add(reflect.TypeOf(zero), 0)
	}
	// Types that no compiler has seen: their names are in runtime.reflectOffs.
	for i := 1; i <= 40; i++ {
		t := reflect.TypeOf(mixed{})
		array := reflect.ArrayOf(i*7, reflect.PtrTo(t))
		strukt := reflect.StructOf([]reflect.StructField{
			{Name: fmt.Sprintf("Made%d", i), Type: array, Tag: "made"},
			{Name: "Bare", Type: reflect.TypeOf(Bare{}), Anonymous: i%2 == 0},
			{Name: "N", Type: reflect.TypeOf(0)},
		})
		add(array, 0)
		add(strukt, 0)
		add(reflect.ArrayOf(1000*i, strukt), 0)
		add(reflect.PtrTo(strukt), 0)
		add(reflect.SliceOf(strukt), 0)
		add(reflect.ChanOf(reflect.RecvDir, strukt), 0)
		add(reflect.MapOf(reflect.TypeOf(""), strukt), 0)
		add(reflect.FuncOf([]reflect.Type{strukt, reflect.SliceOf(array)}, []reflect.Type{strukt}, true), 0)
	}
	return all
}

// mark sets the words of a value that are pointers, by the rules of the language's layout.
func mark(t reflect.Type, base uintptr, mask []byte) {
	switch t.Kind() {
	case reflect.Ptr, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.String, reflect.Slice:
		mask[base/8] = '1'
	case reflect.Interface:
		// The first word refers to what the collector does not manage.
		mask[base/8+1] = '1'
	case reflect.Array:
		for i := 0; i < t.Len(); i++ {
			mark(t.Elem(), base+uintptr(i)*t.Elem().Size(), mask)
		}
	case reflect.Struct:
		for i := 0; i < t.NumField(); i++ {
			mark(t.Field(i).Type, base+t.Field(i).Offset, mask)
		}
	}
}

func address(t reflect.Type) uintptr {
	return (*[2]uintptr)(unsafe.Pointer(&t))[1]
}

func describe(out *bufio.Writer, t reflect.Type) {
	mask := make([]byte, (t.Size()+7)/8)
	for i := range mask {
		mask[i] = '0'
	}
	mark(t, 0, mask)
	text := strings.TrimRight(string(mask), "0")
	length := len(text)
	if length > 200 {
		hash := uint64(14695981039346656037)
		for _, word := range []byte(text) {
			hash = (hash ^ uint64(word)) * 1099511628211
		}
		text = fmt.Sprintf("#%x", hash)
	}
	fmt.Fprintf(out, "T\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\n", address(t), t.Size(), 8*length, int(t.Kind()), text, t.String(), t.Name(), t.PkgPath())
}

// sum adds up the 8-byte parts of a value.
func sum(v reflect.Value) (s uint64) {
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	for i := uintptr(0); i+8 <= v.Type().Size(); i += 8 {
		s += *(*uint64)(unsafe.Pointer(p.Pointer() + i))
	}
	return
}

func describeMap(out *bufio.Writer, m interface{}) {
	kept = append(kept, m)
	v := reflect.ValueOf(m)
	var keys, elems uint64
	for _, key := range v.MapKeys() {
		keys += sum(key)
		elems += sum(v.MapIndex(key))
	}
	fmt.Fprintf(out, "M\t%d\t%d\t%d\t%d\t%d\n", address(v.Type()), v.Pointer(), v.Len(), keys, elems)
}

func fill(m map[uint64]uint64, n uint64) map[uint64]uint64 {
	for i := uint64(0); i < n; i++ {
		m[i*0x9e3779b97f4a7c15] = i
		if i%3 == 0 {
			delete(m, (i/2)*0x9e3779b97f4a7c15)
		}
	}
	return m
}

func main() {
	debug.SetGCPercent(-1)
	out := bufio.NewWriter(os.Stdout)
	for _, t := range types() {
		describe(out, t)
	}
	// Of many sizes, so that some are in the middle of growing.
	for _, n := range []uint64{0, 1, 7, 8, 9, 13, 14, 53, 105, 209, 420, 833, 1700, 5000, 6657, 13500, 26700} {
		describeMap(out, fill(map[uint64]uint64{}, n))
		describeMap(out, fill(make(map[uint64]uint64, n), n))
	}
	indirect := map[bigKey]bigElem{}
	signed := map[int32]*int{}
	for i := 0; i < 300; i++ {
		var key bigKey
		key[0], key[199] = byte(i), byte(i>>8)
		indirect[key] = bigElem{int64(i), 24: int64(-i)}
		signed[int32(-i)] = new(int)
	}
	describeMap(out, indirect)
	describeMap(out, signed)
	describeMap(out, map[string]int(nil))
	fmt.Fprintln(out, "end")
	out.Flush()
	io.Copy(io.Discard, os.Stdin)
	fmt.Println(len(kept))
}
