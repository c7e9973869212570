// A small web shop's session store with two leaks, for `goheap demo`.
//
// The first is the classic one: sessions are kept in a map by their token, and nothing ever takes
// one out. The second hides behind it: each session starts a goroutine that is meant to tell the
// user "your cart is about to expire", and that waits for a signal which nobody sends any more.
//
// It logs users in until as many sessions as its argument says have leaked, prints "leaked", and
// waits. It ends when its standard input does, so it cannot outlive the goheap that started it.
package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// Item is a thing in a shopping cart.
type Item struct {
	Name  string
	Price int64
	Next  *Item
}

// Session is what the shop remembers of a user.
type Session struct {
	Token   string
	User    *User
	Cart    *Item
	Seen    time.Time
	Expired chan struct{}
	Scratch []byte
}

// User is someone who logged in.
type User struct {
	ID    int
	Name  string
	Email string
	Roles []string
}

// SessionStore keeps sessions, for ever.
type SessionStore struct {
	mu      sync.Mutex
	byToken map[string]*Session
}

var store = &SessionStore{byToken: make(map[string]*Session)}

var catalogue = []string{"teapot", "lantern", "notebook", "scarf", "chess set"}

// every tells of which sessions a reminder is started.
const every = 40

// Login makes a session and keeps it.
func (s *SessionStore) Login(n int) *Session {
	user := &User{
		ID:    n,
		Name:  "user-" + strconv.Itoa(n),
		Email: fmt.Sprintf("user-%d@example.org", n),
		Roles: []string{"customer"},
	}
	session := &Session{
		Token:   fmt.Sprintf("%016x", uint64(n)*0x9e3779b97f4a7c15),
		User:    user,
		Seen:    time.Now(),
		Scratch: make([]byte, 256+n%512),
	}
	for i := 0; i <= n%3; i++ {
		session.Cart = &Item{
			Name:  catalogue[(n+i)%len(catalogue)],
			Price: int64(n%100) * 100,
			Next:  session.Cart,
		}
	}
	if n%every == 0 {
		session.Expired = make(chan struct{})
		go remind(session)
	}
	s.mu.Lock()
	s.byToken[session.Token] = session
	s.mu.Unlock()
	return session
}

// remind waits until the session expires, which it never does.
func remind(session *Session) {
	<-session.Expired
	fmt.Println("your cart is about to expire,", session.User.Name)
}

func main() {
	sessions := 20000
	if len(os.Args) > 1 {
		n, err := strconv.Atoi(os.Args[1])
		if err != nil {
			fmt.Fprintln(os.Stderr, "usage: leak SESSIONS:", err)
			os.Exit(2)
		}
		sessions = n
	}
	for n := 1; n <= sessions; n++ {
		store.Login(n)
	}
	// Let the reminders get to where they wait, and the garbage of the loop be gone.
	for runtime.NumGoroutine() < 1+sessions/every {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond)
	runtime.GC()
	fmt.Println("leaked")
	_, _ = io.Copy(io.Discard, os.Stdin)
}
