// A program that tells of its types by reflection, of its variables by their addresses, and of the
// local variables and closures of goroutines that wait.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"runtime/debug"
	"sync"
	"time"
	"unsafe"
)

type User struct {
	Name string
	Tags []string
	next *User
	sync.Mutex
	*url.URL
}

type Pair[K comparable, V any] struct {
	Key K
	Val V
}

type Number int16

type Speaker interface {
	Speak(words ...string) (int, error)
	hush()
}

type Loud struct{ volume float64 }

func (l *Loud) Speak(words ...string) (int, error) { return len(words), nil }
func (l *Loud) hush()                              {}
func (l Loud) Value() float64                      { return l.volume }

type Tree struct {
	Left, Right *Tree
	Children    map[string]*Tree
}

var (
	cache   = map[string]*User{}
	pairs   []Pair[string, *User]
	speaker Speaker = &Loud{3}
	counter Number
	table   [5]*json.Decoder
	tree    Tree
	handler func(*User) error
)

// show tells of a type whose name in full is known.
func show(name string, value any) {
	tell(name, reflect.TypeOf(value))
}

func tell(name string, t reflect.Type) {
	length := 0
	if t.Kind() == reflect.Array {
		length = t.Len()
	}
	fmt.Fprintf(os.Stderr, "type\t%s\t%d\t%d\t%d\t%s\n", name, t.Kind(), t.Size(), length, t.PkgPath())
	if t.Kind() == reflect.Struct {
		for i := 0; i < t.NumField(); i++ {
			f := t.Field(i)
			fmt.Fprintf(os.Stderr, "field\t%s\t%s\t%d\t%d\t%d\t%v\n", name, f.Name, f.Offset,
				f.Type.Kind(), f.Type.Size(), f.Anonymous)
		}
	}
}

func global(name, typ string, at unsafe.Pointer) {
	fmt.Fprintf(os.Stderr, "global\t%s\t%s\t%#x\n", name, typ, uintptr(at))
}

// deep needs half a kilobyte of stack for each.
//
//go:noinline
func deep(more int) byte {
	var room [512]byte
	room[more%len(room)] = byte(more)
	if more == 0 {
		return room[0]
	}
	return deep(more-1) + room[more%len(room)]
}

//go:noinline
func blocked(user *User, wait chan bool, number int) int {
	var held [4]*User
	held[1] = user
	// The stack moves where it has to grow for what follows, so it grows before; and where the
	// collector finds it too large, so that is off.
	deep(64)
	fmt.Fprintf(os.Stderr, "local\tmain.blocked\theld\t[4]*main.User\t%#x\n", uintptr(unsafe.Pointer(&held)))
	<-wait
	if held[number&3] != nil {
		return len(held[1].Name)
	}
	return 0
}

//go:noinline
func capturing(user *User, wait chan bool) func() int {
	total := 0
	return func() int {
		total += len(user.Name)
		<-wait
		return total
	}
}

func main() {
	debug.SetGCPercent(-1)
	show("int", 0)
	show("main.User", User{})
	show("*main.User", &User{})
	show("map[string]*main.User", cache)
	show("[]main.Pair[string,*main.User]", pairs)
	show("main.Pair[string,*main.User]", Pair[string, *User]{})
	show("main.Pair[encoding/json.Number,[]net/url.Values]", Pair[json.Number, []url.Values]{})
	show("main.Number", counter)
	show("[5]*encoding/json.Decoder", table)
	show("net/url.Values", url.Values{})
	show("main.Tree", tree)
	show("func(*main.User, ...net/url.Values) (*main.Loud, error)", func(*User, ...url.Values) (*Loud, error) { return nil, nil })
	show("chan<- *main.User", make(chan<- *User))
	show("chan (<-chan main.Number)", make(chan (<-chan Number)))
	show("struct { main.a int; B string \"json:\\\"b,omitempty\\\"\"; sync.Mutex; C net/url.URL }", struct {
		a int
		B string `json:"b,omitempty"`
		sync.Mutex
		C url.URL
	}{})
	show("struct {}", struct{}{})
	tell("main.Speaker", reflect.TypeOf(&speaker).Elem())
	tell("interface {}", reflect.TypeOf(new(any)).Elem())
	tell("error", reflect.TypeOf(new(error)).Elem())
	tell("interface { Close() error; main.hush(main.Number) }", reflect.TypeOf(new(interface {
		hush(Number)
		Close() error
	})).Elem())
	show("unsafe.Pointer", unsafe.Pointer(nil))
	show("[]uint8", []byte{})
	show("[]int32", []rune{})

	global("main.cache", "map[string]*main.User", unsafe.Pointer(&cache))
	global("main.pairs", "[]main.Pair[string,*main.User]", unsafe.Pointer(&pairs))
	global("main.speaker", "main.Speaker", unsafe.Pointer(&speaker))
	global("main.counter", "main.Number", unsafe.Pointer(&counter))
	global("main.table", "[5]*encoding/json.Decoder", unsafe.Pointer(&table))
	global("main.tree", "main.Tree", unsafe.Pointer(&tree))
	global("main.handler", "func(*main.User) error", unsafe.Pointer(&handler))

	user := &User{Name: "somebody"}
	cache["somebody"] = user
	handler = func(*User) error { return nil }
	wait := make(chan bool)
	go func() { counter = Number(blocked(user, wait, len(os.Args))) }()
	f := capturing(user, wait)
	value := (&Loud{4}).Value
	speak := speaker.Speak
	fmt.Fprintf(os.Stderr, "closure\tmain.capturing.func1\t%#x\n", **(**uintptr)(unsafe.Pointer(&f)))
	fmt.Fprintf(os.Stderr, "method\tmain.Loud.Value-fm\tmain.Loud\t%#x\n", **(**uintptr)(unsafe.Pointer(&value)))
	go func() { counter = Number(f()) + Number(value()) }()
	time.Sleep(200 * time.Millisecond)
	fmt.Fprintln(os.Stderr, "ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
	close(wait)
	speak("now")
}
