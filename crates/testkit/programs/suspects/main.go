// Program suspects leaks in the way that its argument says, by some megabytes, and nothing else: for
// whoever is to name what leaks. The argument calm leaks nothing.
package main

import (
	"container/list"
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

type session struct {
	user string
	seen int64
	data [100]int64
}

type shard struct {
	mu       sync.Mutex
	sessions map[string]*session
}

type cache struct {
	name   string
	shards []*shard
}

type node struct {
	next *node
	data [60]int64
}

type entry struct {
	key string
	val *session
}

type lru struct {
	order *list.List
	byKey map[string]*list.Element
}

type server struct {
	cache *cache
	audit []*session
	log   [][]byte
}

type resource struct {
	id   int
	body []byte
}

var (
	app      = &server{}
	sessions = map[string]*session{}
	events   []*session
	inline   []session
	head     *node
	recent   = &lru{order: list.New(), byKey: map[string]*list.Element{}}
	byName   = map[string]*session{}
	byNumber = map[int]*session{}
	values   []any
	tenants  = map[string]*server{}
	texts    []string
	never    chan int
	sink     []byte
)

func named(i int) string { return "user-" + strconv.Itoa(i) }

func made(i int) *session { return &session{user: named(i), seen: int64(i)} }

const many = 5000

func shards(count int) {
	app.cache = &cache{name: "sessions"}
	for i := 0; i < count; i++ {
		app.cache.shards = append(app.cache.shards, &shard{sessions: map[string]*session{}})
	}
	for i := 0; i < many; i++ {
		app.cache.shards[i%count].sessions[named(i)] = made(i)
	}
}

//go:noinline
func handle(c chan int, buffer []byte) {
	n := <-c
	sink = buffer[n:]
}

//go:noinline
func idle(c chan int) { <-c }

// settled waits until so many goroutines wait for a channel.
func settled(count int) {
	all := make([]byte, 8<<20)
	for strings.Count(string(all[:runtime.Stack(all, true)]), "[chan receive") < count {
		time.Sleep(5 * time.Millisecond)
	}
}

//go:noinline
func finalized(i int) {
	r := &resource{id: i, body: make([]byte, 1024)}
	runtime.SetFinalizer(r, func(*resource) {})
}

//go:noinline
func blocks(started chan int) {
	runtime.SetFinalizer(&resource{id: -1}, func(*resource) {
		close(started)
		<-never
	})
}

//go:noinline
func local() {
	var kept []*session
	for i := 0; i < many; i++ {
		kept = append(kept, made(i))
	}
	say("ready")
	for {
		switch command() {
		case "exit":
			os.Exit(0)
		}
		runtime.KeepAlive(kept)
	}
}

func leak(way string) {
	switch way {
	case "map":
		for i := 0; i < many; i++ {
			sessions[named(i)] = made(i)
		}
	case "slice":
		for i := 0; i < many; i++ {
			events = append(events, made(i))
		}
	case "inline":
		for i := 0; i < many; i++ {
			inline = append(inline, *made(i))
		}
	case "list":
		for i := 0; i < 2*many; i++ {
			head = &node{next: head}
		}
	case "lru":
		for i := 0; i < many; i++ {
			recent.byKey[named(i)] = recent.order.PushBack(&entry{named(i), made(i)})
		}
	case "shards":
		shards(16)
	case "two":
		shards(4)
		for i := 0; i < many; i++ {
			app.log = append(app.log, make([]byte, 1000))
		}
	case "shared":
		for i := 0; i < many; i++ {
			s := made(i)
			byName[s.user], byNumber[i] = s, s
		}
	case "keyed":
		tenants["SECRET-tenant"] = &server{}
		for i := 0; i < many; i++ {
			tenants["SECRET-tenant"].audit = append(tenants["SECRET-tenant"].audit, made(i))
			texts = append(texts, string([]byte("SECRET-text, many times")))
		}
	case "values":
		for i := 0; i < many; i++ {
			values = append(values, *made(i))
		}
	case "elsewhere":
		for i := 0; i < many; i++ {
			flag.String(named(i), "", string(make([]byte, 500)))
		}
	case "goroutines":
		for i := 0; i < 2000; i++ {
			go handle(make(chan int), make([]byte, 4096))
		}
		settled(2000)
	case "idle":
		for i := 0; i < 3000; i++ {
			go idle(make(chan int))
		}
		settled(3000)
	case "timers":
		for i := 0; i < many; i++ {
			s := made(i)
			time.AfterFunc(1000*time.Hour, func() { sink = []byte(s.user) })
		}
	case "finalizers":
		// One that does not end keeps all others from running.
		started := make(chan int)
		blocks(started)
		for waits := true; waits; {
			runtime.GC()
			select {
			case <-started:
				waits = false
			case <-time.After(10 * time.Millisecond):
			}
		}
		for i := 0; i < many; i++ {
			finalized(i)
		}
		runtime.GC()
	case "garbage":
		debug.SetGCPercent(-1)
		for i := 0; i < 20000; i++ {
			sink = make([]byte, 1000)
		}
		sink = nil
	case "even":
		// Much, and nothing more than the rest.
		for i := 0; i < 20; i++ {
			spread(i)
		}
	case "calm":
	}
}

func main() {
	allowTracers()
	way := os.Args[1]
	if way == "local" {
		local()
	}
	leak(way)
	if way != "garbage" {
		runtime.GC()
	}
	say("ready")
	for {
		switch command() {
		case "exit":
			os.Exit(0)
		}
	}
}
