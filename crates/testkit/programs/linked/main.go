// Program linked holds a list of many small objects with pointers, for measuring: its first argument
// is how many, or LINKED_OBJECTS in its environment. It says where the first of them is, in decimal.
// With a second argument "scattered", each leads to others anywhere in the heap, instead of to the one
// that was made before it.
// Its second argument is how many threads it keeps in reserve: a Go program that needs another thread
// and gets none ends itself (newosproc in runtime/os_linux.go, go1.24), and how many it needs depends
// on how busy the machine is.
package main

import (
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"unsafe"
)

// small fills the size class of 32 bytes, large that of 48.
type small struct {
	next *small
	side *large
	a, b uint64
}

type large struct {
	next *large
	back *small
	name string
	a, b uint64
}

var head *small
var side *large

func init() { runtime.LockOSThread() }

func main() {
	allowTracers()
	n := 28000000
	wanted := os.Getenv("LINKED_OBJECTS")
	if len(os.Args) > 1 {
		wanted = os.Args[1]
	}
	if v, err := strconv.Atoi(wanted); err == nil {
		n = v
	}
	debug.SetGCPercent(400)
	for i := 0; i < n; i++ {
		// Three small ones to each large one: 36 bytes a piece.
		if i%4 == 3 {
			side = &large{next: side, back: head, name: "large", a: uint64(i)}
		} else {
			head = &small{next: head, side: side, a: uint64(i), b: uint64(i) * 3}
		}
	}
	if len(os.Args) > 2 && os.Args[2] == "scattered" {
		scatter(n)
	}
	say("head " + strconv.FormatUint(uint64(uintptr(unsafe.Pointer(head))), 10))
	runtime.GC()
	runtime.GC()
	debug.SetGCPercent(-1)
	if len(os.Args) > 2 {
		if n, err := strconv.Atoi(os.Args[2]); err == nil {
			reserve(n)
		}
	}
	forever := make(chan struct{})
	go obey(func() {})
	<-forever
}

// scatter links the same objects anew: each list in an order by chance, which is the same in each run,
// and what leads from one list to the other by chance too.
func scatter(n int) {
	smalls, larges := make([]*small, 0, n), make([]*large, 0, n/4)
	for at := head; at != nil; at = at.next {
		smalls = append(smalls, at)
	}
	for at := side; at != nil; at = at.next {
		larges = append(larges, at)
	}
	if len(smalls) == 0 || len(larges) == 0 {
		return
	}
	chance := rand.New(rand.NewSource(1))
	chance.Shuffle(len(smalls), func(i, j int) { smalls[i], smalls[j] = smalls[j], smalls[i] })
	chance.Shuffle(len(larges), func(i, j int) { larges[i], larges[j] = larges[j], larges[i] })
	head, side = nil, nil
	for _, at := range smalls {
		at.next, at.side = head, larges[chance.Intn(len(larges))]
		head = at
	}
	for _, at := range larges {
		at.next, at.back = side, smalls[chance.Intn(len(smalls))]
		side = at
	}
}

// reserve makes so many threads by having so many goroutines keep one each, for a moment. The runtime
// ends no thread that it has.
func reserve(n int) {
	var there, gone sync.WaitGroup
	there.Add(n)
	gone.Add(n)
	leave := make(chan struct{})
	for i := 0; i < n; i++ {
		go func() {
			runtime.LockOSThread()
			there.Done()
			<-leave
			runtime.UnlockOSThread()
			gone.Done()
		}()
	}
	there.Wait()
	close(leave)
	gone.Wait()
}
