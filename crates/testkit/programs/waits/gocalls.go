package main

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// A wait of Go's: run comes back when its time is over, or when release was called.
type goCall struct {
	name    string
	run     func(d time.Duration) outcome
	release func()
	done    chan outcome
}

var goCalls []*goCall

func beginGo(d time.Duration) {
	goCalls = timedGo()
	goCalls = append(goCalls, releasedGo()...)
	for _, call := range goCalls {
		call := call
		call.done = make(chan outcome, 1)
		go func() {
			start := time.Now()
			out := call.run(d)
			out.waited = time.Since(start).Milliseconds()
			call.done <- out
		}()
	}
}

func releaseGo() {
	for _, call := range goCalls {
		if call.release != nil {
			call.release()
		}
	}
}

func tellGo() {
	for _, call := range goCalls {
		tell("go", call.name, call.release == nil, <-call.done)
	}
}

// came makes an outcome of what a raw system call returned.
func came(n int, err error, sound bool) outcome {
	out := outcome{result: int64(n), sound: sound}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		out.errno = int(errno)
	} else if err != nil {
		out.errno = -1
		say("told " + err.Error())
	}
	return out
}

func must(err error) {
	if err != nil {
		say("error " + err.Error())
		os.Exit(3)
	}
}

func rawPipe() [2]int {
	var ends [2]int
	must(syscall.Pipe2(ends[:], syscall.O_CLOEXEC))
	return ends
}

func timedGo() []*goCall {
	return []*goCall{
		{name: "time.Sleep", run: func(d time.Duration) outcome {
			time.Sleep(d)
			return came(0, nil, true)
		}},
		{name: "time.After", run: func(d time.Duration) outcome {
			select {
			case <-time.After(d):
			case <-make(chan int):
			}
			return came(0, nil, true)
		}},
		{name: "Nanosleep", run: func(d time.Duration) outcome {
			time := syscall.NsecToTimespec(d.Nanoseconds())
			return came(0, syscall.Nanosleep(&time, nil), true)
		}},
		{name: "Select", run: func(d time.Duration) outcome {
			time := syscall.NsecToTimeval(d.Nanoseconds())
			n, err := syscall.Select(0, nil, nil, nil, &time)
			return came(n, err, true)
		}},
		{name: "EpollWait", run: func(d time.Duration) outcome {
			set, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
			must(err)
			end := time.Now().Add(d)
			for eintr := 0; ; eintr++ {
				left := time.Until(end).Milliseconds() + 1
				n, err := syscall.EpollWait(set, make([]syscall.EpollEvent, 1), int(left))
				if err != syscall.EINTR {
					out := came(n, err, true)
					out.eintr = eintr
					return out
				}
			}
		}},
		{name: "net.Conn.Read/deadline", run: func(d time.Duration) outcome {
			ours, _ := connected()
			ours.SetReadDeadline(time.Now().Add(d))
			_, err := ours.Read(make([]byte, 1))
			return came(0, nil, errors.Is(err, os.ErrDeadlineExceeded))
		}},
	}
}

// connected gives the two ends of a connection over TCP.
func connected() (net.Conn, net.Conn) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	defer listener.Close()
	ours, err := net.Dial("tcp", listener.Addr().String())
	must(err)
	theirs, err := listener.Accept()
	must(err)
	return ours, theirs
}

func releasedGo() []*goCall {
	raw, full := rawPipe(), rawPipe()
	file, write, err := os.Pipe()
	must(err)
	ours, theirs := connected()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	first, err := os.CreateTemp("", "goheap-waits-")
	must(err)
	second, err := os.Open(first.Name())
	must(err)
	os.Remove(first.Name())
	must(syscall.Flock(int(first.Fd()), syscall.LOCK_EX))
	child := exec.Command("cat")
	input, err := child.StdinPipe()
	must(err)
	must(child.Start())
	var mutex sync.Mutex
	mutex.Lock()
	channel := make(chan int)
	large := make([]byte, 1<<20)
	for i := range large {
		large[i] = byte(i * 7)
	}
	greeting := []byte("hello")
	return []*goCall{
		{name: "Read", run: func(time.Duration) outcome {
			got := make([]byte, 8)
			n, err := syscall.Read(raw[0], got)
			return came(n, err, string(got[:5]) == "hello")
		}, release: func() { syscall.Write(raw[1], greeting) }},
		{name: "os.File.Read", run: func(time.Duration) outcome {
			got := make([]byte, 8)
			n, err := file.Read(got)
			return came(n, err, string(got[:5]) == "hello")
		}, release: func() { write.Write(greeting) }},
		{name: "os.File.Write/part", run: func(time.Duration) outcome {
			n, err := os.NewFile(uintptr(full[1]), "pipe").Write(large)
			return came(n, err, true)
		}, release: func() {
			got := make([]byte, len(large))
			io.ReadFull(os.NewFile(uintptr(full[0]), "pipe"), got)
			if string(got) != string(large) {
				say("error what came through a pipe is not what was written")
			}
		}},
		{name: "net.Conn.Read", run: func(time.Duration) outcome {
			got := make([]byte, 8)
			n, err := ours.Read(got)
			return came(n, err, string(got[:5]) == "hello")
		}, release: func() { theirs.Write(greeting) }},
		{name: "net.Accept", run: func(time.Duration) outcome {
			connection, err := listener.Accept()
			return came(0, err, connection != nil)
		}, release: func() { go net.Dial("tcp", listener.Addr().String()) }},
		{name: "Flock", run: func(time.Duration) outcome {
			return came(0, syscall.Flock(int(second.Fd()), syscall.LOCK_EX), true)
		}, release: func() { syscall.Flock(int(first.Fd()), syscall.LOCK_UN) }},
		{name: "exec.Cmd.Wait", run: func(time.Duration) outcome {
			return came(0, child.Wait(), child.ProcessState.Success())
		}, release: func() { input.Close() }},
		{name: "sync.Mutex", run: func(time.Duration) outcome {
			mutex.Lock()
			return came(0, nil, true)
		}, release: func() { mutex.Unlock() }},
		{name: "channel", run: func(time.Duration) outcome {
			return came(<-channel, nil, true)
		}, release: func() { channel <- 0 }},
	}
}
