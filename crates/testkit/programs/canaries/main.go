// Program canaries has user data in every kind of place: each string and run of bytes begins with
// the same eight bytes, and each number is made of the same four, which are in no file of the
// program. A dump without user data has none of them.
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"time"
)

// canary is what strings and bytes begin with: KANARIE! with a bit of each byte flipped.
func canary() string {
	b := []byte{'K' ^ 1, 'A' ^ 1, 'N' ^ 1, 'A' ^ 1, 'R' ^ 1, 'I' ^ 1, 'E' ^ 1, '!' ^ 1}
	for i := range b {
		b[i] ^= one
	}
	return string(b)
}

// number has 0xca4a31e5 in both halves; a small one only in its lower.
func number() uint64 { return uint64(small())<<32 | uint64(small()) }
func small() uint32  { return 0xca4a31e5 ^ 0x01010101*uint32(one) ^ 0x01010101 }

// one is 1, and nobody knows.
var one = byte(len(os.Args))

type inner struct {
	text  string
	bytes []byte
	n     uint64
	m     uint32
	array [3]uint64
	any   interface{}
}

type user struct {
	id    uint64
	name  string
	next  *user
	tags  []string
	inner inner
	large [100]uint64
	by    map[string]uint64
	at    map[uint64]string
	wide  map[[20]uint64]inner
	ch    chan uint64
	texts chan string
	f     func() uint64
}

var (
	globalText   string
	globalBytes  []byte
	globalNumber uint64
	globalSmall  uint32
	globalStruct inner
	globalUser   = &user{}
	globalAny    interface{}
	globalArray  [64]uint64
	globalMap    map[string]inner
	keep         []interface{}
	tiny         []*[3]byte
	pool         sync.Pool
	shared       sync.Map
)

func text(i int) string { return fmt.Sprintf("%s, number %d", canary(), i) }

func newInner(i int) inner {
	return inner{text(i), []byte(text(i)), number(), small(), [3]uint64{number(), 1, number()}, number()}
}

func newUser(i int, next *user) *user {
	u := &user{id: number(), name: text(i), next: next, inner: newInner(i)}
	for t := 0; t < i%5; t++ {
		u.tags = append(u.tags, text(t))
	}
	for at := range u.large {
		u.large[at] = number()
	}
	u.by, u.at, u.wide = map[string]uint64{}, map[uint64]string{}, map[[20]uint64]inner{}
	for k := 0; k < i%40; k++ {
		u.by[text(k)] = number()
		u.at[number()+uint64(k)<<32] = text(k)
		u.wide[[20]uint64{number(), uint64(k)}] = newInner(k)
	}
	for k := 0; k < i%7; k++ {
		delete(u.by, text(k))
	}
	u.ch, u.texts = make(chan uint64, 9), make(chan string, 9)
	for k := 0; k < i%9; k++ {
		u.ch <- number()
		u.texts <- text(k)
	}
	secret, line := number(), text(i)
	u.f = func() uint64 { return secret + uint64(len(line)) }
	return u
}

//go:noinline
func wait(a uint64, s string, in inner, ready *sync.WaitGroup) {
	local := [8]uint64{number(), a, number()}
	bytes := [32]byte{}
	copy(bytes[:], canary())
	ready.Done()
	time.Sleep(1000 * time.Hour)
	fmt.Sprint(a, s, in, local, bytes)
}

func main() {
	allowTracers()
	debug.SetGCPercent(-1)
	var last *user
	for i := 0; i < 200; i++ {
		last = newUser(i, last)
	}
	*globalUser = *last
	globalText, globalBytes = text(1), []byte(text(2))
	globalNumber, globalSmall = number(), small()
	globalStruct, globalAny = newInner(3), newInner(4)
	globalMap = map[string]inner{}
	for i := range globalArray {
		globalArray[i] = number()
		globalMap[text(i)] = newInner(i)
	}
	for i := 0; i < 100; i++ {
		numbers := make([]uint64, i+1)
		for at := range numbers {
			numbers[at] = number()
		}
		keep = append(keep, numbers, []byte(text(i)), number(), small(), text(i), float64(i), newInner(i))
		b := &[3]byte{'K', 'A', 'N'}
		tiny = append(tiny, b)
		shared.Store(text(i), newInner(i))
		pool.Put(&inner{text: text(i), n: number()})
	}
	made := reflect.StructOf([]reflect.StructField{
		{Name: "Text", Type: reflect.TypeOf("")},
		{Name: "Number", Type: reflect.TypeOf(uint64(0))},
		{Name: "Next", Type: reflect.TypeOf(last)},
	})
	value := reflect.New(made)
	value.Elem().Field(0).SetString(text(5))
	value.Elem().Field(1).SetUint(number())
	value.Elem().Field(2).Set(reflect.ValueOf(last))
	slice := reflect.MakeSlice(reflect.SliceOf(made), 50, 60)
	slice.Index(3).Field(1).SetUint(number())
	keep = append(keep, value.Interface(), slice.Interface())
	finalized := &inner{text: text(6), n: number()}
	secret := number()
	runtime.SetFinalizer(finalized, func(in *inner) { fmt.Sprint(in.n + secret) })
	keep = append(keep, finalized)
	var ready sync.WaitGroup
	for i := 0; i < 20; i++ {
		ready.Add(1)
		i := i
		labels := pprof.Labels(text(i), text(i+1))
		go pprof.Do(context.Background(), labels, func(context.Context) {
			wait(number(), text(i), newInner(i), &ready)
		})
	}
	ready.Wait()
	time.Sleep(50 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	obey(func() {})
	runtime.KeepAlive(last)
}
