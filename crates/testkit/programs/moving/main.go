// A program that does not stay as it is. Its first argument says how it moves:
//
//	forks      it starts children all the time, which work something out and must end well
//	threads    it starts and ends threads all the time
//	thousand   a thousand threads sleep
//	busy       as many goroutines compute as there are processors, and more fight for a lock
//	exits MS   it ends after MS milliseconds, well
//	execs MS   it executes itself anew every MS milliseconds, in the end as "idle"
//	idle       it does nothing
//	writes MB  it writes to so much memory all the time
//	seccomp errno|kill  it works, and allows itself only the system calls that it needs
//
// "count" makes it tell how much was done, and what went wrong: done N wrong N
package main

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var done, wrong int64

func main() {
	allowTracers()
	switch how := argument(1); how {
	case "child":
		os.Exit(work(argument(2)))
	case "forks":
		for i := 0; i < 2; i++ {
			go forks(i)
		}
	case "threads":
		for i := 0; i < 4; i++ {
			go threads()
		}
	case "thousand":
		thousand()
	case "busy":
		busy()
	case "exits":
		say("ready")
		time.Sleep(milliseconds(argument(2)))
		return
	case "execs":
		go execs(argument(2), argument(3))
	case "writes":
		go writes(argument(2))
	case "seccomp":
		go threads()
		confine(argument(2))
	}
	if argument(1) != "execs" || argument(3) == "" {
		say("ready")
	}
	for {
		switch line := command(); line {
		case "count":
			say("done " + strconv.FormatInt(atomic.LoadInt64(&done), 10) + " wrong " +
				strconv.FormatInt(atomic.LoadInt64(&wrong), 10))
		default:
			say("error unknown command " + line)
		}
	}
}

func argument(n int) string {
	if n < len(os.Args) {
		return os.Args[n]
	}
	return ""
}

func milliseconds(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil {
		say("error " + err.Error())
		os.Exit(3)
	}
	return time.Duration(n) * time.Millisecond
}

// sum is what children work out.
func sum(n uint64) uint64 {
	var total uint64
	for i := uint64(0); i < 20000; i++ {
		total = total*31 + i ^ n
	}
	return total
}

func work(n string) int {
	number, err := strconv.ParseUint(n, 10, 64)
	if err != nil {
		return 2
	}
	os.Stdout.WriteString(strconv.FormatUint(sum(number), 10))
	return 0
}

func forks(which int) {
	for n := uint64(which); ; n += 2 {
		out, err := exec.Command(os.Args[0], "child", strconv.FormatUint(n, 10)).Output()
		if err != nil || string(out) != strconv.FormatUint(sum(n), 10) {
			atomic.AddInt64(&wrong, 1)
			say("wrong: " + string(out))
		}
		atomic.AddInt64(&done, 1)
	}
}

// threads: a thread that a goroutine is locked to ends with it.
func threads() {
	for {
		ended := make(chan uint64)
		go func() {
			runtime.LockOSThread()
			ended <- sum(7)
		}()
		if <-ended != sum(7) {
			atomic.AddInt64(&wrong, 1)
		}
		atomic.AddInt64(&done, 1)
	}
}

func thousand() {
	var begun sync.WaitGroup
	for i := 0; i < 1000; i++ {
		begun.Add(1)
		go func() {
			runtime.LockOSThread()
			begun.Done()
			for {
				time := syscall.NsecToTimespec(int64(time.Hour))
				syscall.Nanosleep(&time, nil)
			}
		}()
	}
	begun.Wait()
}

// writes keeps a number in each page, which all pages must have.
func writes(megabytes string) {
	n, err := strconv.Atoi(megabytes)
	if err != nil {
		say("error " + err.Error())
		os.Exit(3)
	}
	pages := make([][512]uint64, n*256)
	for round := uint64(1); ; round++ {
		for i := range pages {
			if pages[i][7] != round-1 {
				atomic.AddInt64(&wrong, 1)
			}
			pages[i][7] = round
		}
		atomic.AddInt64(&done, 1)
		time.Sleep(time.Millisecond)
	}
}

func busy() {
	var mutex sync.Mutex
	for i := 0; i < 2*runtime.GOMAXPROCS(0); i++ {
		go func() {
			for n := uint64(0); ; n++ {
				want := sum(n)
				mutex.Lock()
				if sum(n) != want {
					atomic.AddInt64(&wrong, 1)
				}
				mutex.Unlock()
				atomic.AddInt64(&done, 1)
			}
		}()
	}
}

// execs executes this program again, left times more.
func execs(every, left string) {
	n := 200
	if left != "" {
		n, _ = strconv.Atoi(left)
	}
	time.Sleep(milliseconds(every))
	arguments := []string{os.Args[0], "execs", every, strconv.Itoa(n - 1)}
	if n == 0 {
		arguments = []string{os.Args[0], "idle"}
	}
	err := syscall.Exec(os.Args[0], arguments, os.Environ())
	say("error " + err.Error())
	os.Exit(3)
}
