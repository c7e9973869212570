// Program service answers HTTP on a port of its own, as a small service does: each answer is computed
// of its request, so that a client can tell a wrong one; sessions are kept in a map; every request
// allocates. SERVICE_THREADS in its environment adds so many threads that wait in read(2).
//
// It says `address HOST:PORT`, then `ready`, and takes these orders:
//
//	tell     says `told GOROUTINES SESSIONS REQUESTS HEAP`, HEAP being bytes in use
//	collect  collects garbage, gives memory back, says `collected`
//	exit     ends
package main

import (
	"fmt"
	"hash/crc64"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// kept is how many sessions that have ended are remembered.
const kept = 500

// known is how many accounts there are.
const known = 60000

// account is what a session belongs to.
type account struct {
	name     string
	visits   int
	pictures [3][]byte
}

// session is what the service knows of a client.
type session struct {
	name     string
	owner    *account
	count    int
	last     []byte
	visits   []*visit
	settings map[string]string
}

type visit struct {
	at   time.Time
	sum  uint64
	note string
}

type store struct {
	mu       sync.Mutex
	sessions map[string]*session
	accounts map[string]*account
	ended    [kept]*session
	next     int
}

var sessions = store{sessions: map[string]*session{}, accounts: map[string]*account{}}
var requests int64
var table = crc64.MakeTable(crc64.ECMA)

func main() {
	allowTracers()
	if n, err := strconv.Atoi(os.Getenv("SERVICE_THREADS")); err == nil {
		addThreads(n)
	}
	for i := 0; i < known; i++ {
		one := &account{name: accountName(i)}
		for p := range one.pictures {
			one.pictures[p] = contents(uint64(i), 50*(p+i%5))
		}
		sessions.accounts[one.name] = one
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		say("error " + err.Error())
		os.Exit(1)
	}
	http.HandleFunc("/answer", answer)
	http.HandleFunc("/logout", logout)
	// A server that drops no connection by itself: then a lost one is somebody else's doing.
	server := &http.Server{}
	go func() {
		say("error " + server.Serve(listener).Error())
		os.Exit(1)
	}()
	say("address " + listener.Addr().String())
	say("ready")
	for {
		switch order := command(); order {
		case "tell":
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			sessions.mu.Lock()
			n := len(sessions.sessions)
			sessions.mu.Unlock()
			// What the runtime has from the kernel, less the spans that nothing is in.
			inUse := stats.Sys - stats.HeapIdle
			say(fmt.Sprintf("told %d %d %d %d", runtime.NumGoroutine(), n, atomic.LoadInt64(&requests), inUse))
		case "collect":
			debug.FreeOSMemory()
			say("collected")
		case "exit":
			os.Exit(0)
		default:
			say("error unknown command " + order)
		}
	}
}

// addThreads starts goroutines that keep a thread each, in a read that never comes back.
func addThreads(n int) {
	var ends [2]int
	if err := syscall.Pipe2(ends[:], syscall.O_CLOEXEC); err != nil {
		say("error " + err.Error())
		os.Exit(1)
	}
	debug.SetMaxThreads(n + 1000)
	var started sync.WaitGroup
	for i := 0; i < n; i++ {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			started.Done()
			var b [1]byte
			for {
				// A read that comes back with EINTR is only to be made again.
				if n, err := syscall.Read(ends[0], b[:]); err != syscall.EINTR {
					say(fmt.Sprintf("error a read that cannot end has ended: %d %v", n, err))
					os.Exit(1)
				}
			}
		}()
	}
	started.Wait()
}

// answer counts the session's requests, sums up what was sent, and sends bytes that follow from the
// request's number.
func answer(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	number, err := strconv.ParseUint(query.Get("n"), 10, 64)
	size, err2 := strconv.Atoi(query.Get("size"))
	if err != nil || err2 != nil || size < 0 || size > 1<<24 {
		http.Error(w, "what?", http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sum := crc64.Checksum(body, table)
	count := sessions.visit(query.Get("session"), sum, body)
	atomic.AddInt64(&requests, 1)
	w.Header().Set("X-Count", strconv.Itoa(count))
	w.Header().Set("X-Sum", strconv.FormatUint(sum, 16))
	w.Header().Set("Content-Length", strconv.Itoa(size))
	w.Write(contents(number, size))
}

func accountName(i int) string { return "account " + strconv.Itoa(i) }

func logout(w http.ResponseWriter, r *http.Request) {
	count := sessions.end(r.URL.Query().Get("session"))
	w.Header().Set("X-Count", strconv.Itoa(count))
}

func (s *store) visit(name string, sum uint64, body []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.sessions[name]
	if one == nil {
		owner := s.accounts[accountName(int(crc64.Checksum([]byte(name), table)%known))]
		one = &session{name: name, owner: owner, settings: map[string]string{"language": "en", "theme": name}}
		s.sessions[name] = one
	}
	one.count++
	one.owner.visits++
	if len(body) > 1024 {
		body = body[:1024]
	}
	one.last = append([]byte(nil), body...)
	one.visits = append(one.visits, &visit{time.Now(), sum, fmt.Sprintf("visit %d of %s", one.count, name)})
	return one.count
}

// end takes a session out of the map, and keeps it among those that have ended.
func (s *store) end(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.sessions[name]
	if one == nil {
		return 0
	}
	delete(s.sessions, name)
	s.ended[s.next] = one
	s.next = (s.next + 1) % kept
	return one.count
}

// contents makes the bytes that answer request `number`: xorshift64, its lowest byte each time.
func contents(number uint64, size int) []byte {
	x := number*2654435761 + 88172645463325252
	bytes := make([]byte, size)
	for i := range bytes {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		bytes[i] = byte(x)
	}
	return bytes
}
