// A small shop that forgets to end sessions, as the service of examples/fleets.
//
// Each line of its standard input is a number: so many customers come by. It answers each line with
// how many have come so far, and ends when its standard input does. What grows is main.Session, which
// main.sessions keeps by its token; products and the last orders do not grow.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Product is a thing to buy. There are as many as there are.
type Product struct {
	Name  string
	Price int
	Views int
}

// Order is what a customer bought. The last thousand are kept.
type Order struct {
	Number   int
	Product  *Product
	Customer string
}

// Session is what the shop remembers of a customer.
type Session struct {
	Token string
	Seen  [32]*Product
	Cart  []*Product
	Notes [40]byte
}

var (
	mu       sync.Mutex
	products []*Product
	orders   [1000]*Order
	sessions = map[string]*Session{}
)

// visit is one customer, who looks at something, buys something, and goes. Nobody takes the session
// out of the map again.
func visit(n int) {
	session := &Session{Token: "session-" + strconv.Itoa(n)}
	for i := range session.Seen {
		product := products[(n*7+i*13)%len(products)]
		product.Views++
		session.Seen[i] = product
	}
	session.Cart = append(session.Cart, session.Seen[0])
	mu.Lock()
	defer mu.Unlock()
	sessions[session.Token] = session
	orders[n%len(orders)] = &Order{Number: n, Product: session.Seen[0], Customer: session.Token}
}

func main() {
	letUsBeSeen()
	for i := 0; i < 5000; i++ {
		products = append(products, &Product{Name: "product " + strconv.Itoa(i), Price: i})
	}
	customers := 0
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		more, err := strconv.Atoi(strings.TrimSpace(lines.Text()))
		if err != nil {
			fmt.Fprintln(os.Stderr, "shop: each line is a number of customers:", err)
			os.Exit(2)
		}
		for i := 0; i < more; i++ {
			visit(customers)
			customers++
		}
		// So that it is seen what is kept, and not what waits for the collector.
		runtime.GC()
		fmt.Println("served", customers)
	}
}

// letUsBeSeen lets other processes of the same user look into this one, where the kernel would let only
// its ancestors (Yama, /proc/sys/kernel/yama/ptrace_scope). A service of yours does not need it if
// goheap runs as root.
func letUsBeSeen() {
	const prSetPtracer = 0x59616d61
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetPtracer, ^uintptr(0), 0)
}
