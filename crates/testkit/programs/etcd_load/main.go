// Program etcd_load keeps an etcd busy through its JSON gateway, whose address is its argument:
// first it puts as many keys as its second argument says, then it puts, reads, deletes and watches
// without end, and says `ready`.
package main

import (
	"encoding/base64"
	"io"
	"math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const clients = 8

var gateway string

func main() {
	gateway = os.Args[1]
	keys, err := strconv.Atoi(os.Args[2])
	if err != nil {
		fail(err.Error())
	}
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 4 * clients
	var filling sync.WaitGroup
	for c := 0; c < clients; c++ {
		filling.Add(1)
		go func(c int) {
			defer filling.Done()
			const batch = 100
			for i := c * batch; i < keys; i += clients * batch {
				fill(i, batch)
			}
		}(c)
	}
	filling.Wait()
	for c := 0; c < clients/2; c++ {
		go watch()
	}
	for c := 0; c < clients; c++ {
		go work(rand.New(rand.NewSource(int64(c))), keys)
	}
	say("ready")
	command() // until stdin ends
}

func fill(from, n int) {
	puts := make([]string, n)
	for i := range puts {
		puts[i] = `{"request_put":` + keyValue(from+i, 100) + `}`
	}
	post("txn", `{"success":[`+strings.Join(puts, ",")+`]}`)
}

func work(random *rand.Rand, keys int) {
	for {
		n := random.Intn(keys)
		switch random.Intn(10) {
		case 0:
			post("deleterange", `{"key":"`+key(n)+`"}`)
		case 1, 2, 3:
			post("range", `{"key":"`+key(n)+`","range_end":"`+encode("x")+`","limit":50}`)
		default:
			post("put", keyValue(n, random.Intn(2000)))
		}
	}
}

// watch reads what is told of all keys. Where etcd ends the stream, it asks again.
func watch() {
	for {
		body := `{"create_request":{"key":"` + encode("k") + `","range_end":"` + encode("x") + `"}}`
		answer, err := http.Post(gateway+"/v3/watch", "application/json", strings.NewReader(body))
		if err != nil {
			continue
		}
		io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
	}
}

func key(n int) string { return encode("k" + strconv.Itoa(n)) }

func keyValue(n, length int) string {
	return `{"key":"` + key(n) + `","value":"` + encode(strings.Repeat("v", length)) + `"}`
}

func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// post asks again while etcd is too busy: it gives a request up when it was stopped for seconds, as
// it is for a core.
func post(method, body string) {
	why := ""
	for tries := 0; tries < 30; tries++ {
		answer, err := http.Post(gateway+"/v3/kv/"+method, "application/json", strings.NewReader(body))
		if err != nil {
			fail(err.Error())
		}
		said, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		switch answer.StatusCode {
		case http.StatusOK:
			return
		case http.StatusServiceUnavailable, http.StatusGatewayTimeout, http.StatusTooManyRequests:
			why = answer.Status + ": " + string(said)
			time.Sleep(100 * time.Millisecond)
		default:
			fail(method + ": " + answer.Status + ": " + string(said))
		}
	}
	fail(method + ", 30 times: " + why)
}

func fail(why string) {
	say("error " + why)
	os.Exit(1)
}
