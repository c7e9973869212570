// Program service_load asks the program `service` without end, and checks each answer: its bytes, the
// sum of what was sent, and how many requests of the session there were. Its arguments are the
// service's address, how many clients ask, and how many requests a second they make together.
//
// Every fourth client opens a connection for each request; the others keep theirs. A request that
// fails or is answered wrongly is never made again: it is counted, and the first twenty are said as
// `bad WHAT`.
//
// It says `ready` after the first hundred answers, and takes these orders:
//
//	tell  says `told ASKED WRONG FAILED P50 P99 MAX`: all so far, latencies since the last order, in ns
//	stop  lets all requests under way end, says `stopped`, then takes orders again
//	exit  ends
package main

import (
	"bytes"
	"fmt"
	"hash/crc64"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

var (
	address   string
	table     = crc64.MakeTable(crc64.ECMA)
	asked     int64
	wrong     int64
	failed    int64
	stopping  int32
	mu        sync.Mutex
	latencies []int64
)

func main() {
	allowTracers()
	if len(os.Args) < 4 {
		fail("service_load ADDRESS CLIENTS RATE")
	}
	address = os.Args[1]
	clients, err := strconv.Atoi(os.Args[2])
	rate, err2 := strconv.ParseFloat(os.Args[3], 64)
	if err != nil || err2 != nil || clients < 1 || rate <= 0 {
		fail("numbers: CLIENTS RATE")
	}
	var working sync.WaitGroup
	for c := 0; c < clients; c++ {
		working.Add(1)
		go func(c int) {
			defer working.Done()
			work(c, time.Duration(float64(clients)/rate*1e9))
		}(c)
	}
	for atomic.LoadInt64(&asked) < 100 && atomic.LoadInt64(&wrong)+atomic.LoadInt64(&failed) == 0 {
		time.Sleep(time.Millisecond)
	}
	say("ready")
	for {
		switch order := command(); order {
		case "tell":
			tell()
		case "stop":
			atomic.StoreInt32(&stopping, 1)
			working.Wait()
			say("stopped")
		case "exit":
			os.Exit(0)
		default:
			fail("unknown command " + order)
		}
	}
}

func fail(why string) {
	say("error " + why)
	os.Exit(1)
}

func tell() {
	mu.Lock()
	taken := latencies
	latencies = nil
	mu.Unlock()
	sort.Slice(taken, func(i, j int) bool { return taken[i] < taken[j] })
	at := func(share float64) int64 {
		if len(taken) == 0 {
			return 0
		}
		return taken[int(share*float64(len(taken)-1))]
	}
	say(fmt.Sprintf("told %d %d %d %d %d %d", atomic.LoadInt64(&asked), atomic.LoadInt64(&wrong),
		atomic.LoadInt64(&failed), at(0.5), at(0.99), at(1)))
}

// bad counts what went wrong.
func bad(count *int64, what string) {
	atomic.AddInt64(count, 1)
	if atomic.LoadInt64(&wrong)+atomic.LoadInt64(&failed) <= 20 {
		say("bad " + what)
	}
}

// work makes a request every so often, in sessions of some length.
func work(c int, every time.Duration) {
	random := rand.New(rand.NewSource(int64(c)))
	transport := &http.Transport{
		DisableKeepAlives:  c%4 == 3,
		DisableCompression: true,
		DialContext:        (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
	}
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	defer transport.CloseIdleConnections()
	next := time.Now().Add(time.Duration(random.Int63n(int64(every) + 1)))
	for n := 0; ; n++ {
		session := fmt.Sprintf("load-%d-client-%d-session-%d", os.Getpid(), c, n)
		length := 5 + random.Intn(20)
		good, known := 0, true
		for i := 0; i < length && atomic.LoadInt32(&stopping) == 0; i++ {
			if wait := time.Until(next); wait > 0 {
				time.Sleep(wait)
			} else {
				next = time.Now()
			}
			next = next.Add(every)
			start := time.Now()
			if !ask(client, random, session, good+1) {
				// The session's count is not known any more.
				known = false
				break
			}
			good++
			took := int64(time.Since(start))
			atomic.AddInt64(&asked, 1)
			mu.Lock()
			latencies = append(latencies, took)
			mu.Unlock()
			runtime.Gosched()
		}
		response, err := client.Post("http://"+address+"/logout?session="+session, "text/plain", nil)
		if err != nil {
			bad(&failed, err.Error())
		} else if response.Body.Close(); known && response.Header.Get("X-Count") != strconv.Itoa(good) {
			bad(&wrong, "a session of "+strconv.Itoa(good)+" requests ends with "+response.Header.Get("X-Count"))
		}
		if atomic.LoadInt32(&stopping) != 0 {
			return
		}
	}
}

// ask makes one request and checks its answer.
func ask(client *http.Client, random *rand.Rand, session string, count int) bool {
	number := random.Uint64()
	size, sent := random.Intn(2000), random.Intn(2000)
	switch random.Intn(100) {
	case 0: // more than a socket holds: the answer's writer has to wait
		size = 300000 + random.Intn(3000000)
	case 1:
		sent = 300000 + random.Intn(1000000)
	}
	body := contents(^number, sent)
	url := fmt.Sprintf("http://%s/answer?session=%s&n=%d&size=%d", address, session, number, size)
	response, err := client.Post(url, "application/octet-stream", bytes.NewReader(body))
	if err != nil {
		bad(&failed, err.Error())
		return false
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	switch {
	case err != nil:
		bad(&failed, fmt.Sprintf("after %d of %d bytes: %v", len(answer), size, err))
	case response.StatusCode != http.StatusOK:
		bad(&wrong, response.Status)
	case response.Header.Get("X-Count") != strconv.Itoa(count):
		bad(&wrong, "request "+strconv.Itoa(count)+" of a session is counted as "+response.Header.Get("X-Count"))
	case response.Header.Get("X-Sum") != strconv.FormatUint(crc64.Checksum(body, table), 16):
		bad(&wrong, fmt.Sprintf("of %d bytes sent the sum is wrong", sent))
	case !bytes.Equal(answer, contents(number, size)):
		bad(&wrong, fmt.Sprintf("%d bytes of answer are not the %d that they should be", len(answer), size))
	default:
		return true
	}
	return false
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
