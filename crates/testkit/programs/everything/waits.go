package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// startWaiters starts goroutines in every wait reason that can stand still, some of each.
func startWaiters() {
	var (
		nilChan   chan int
		empty     = make(chan int)
		full      = make(chan [3]*int, 2)
		queue     = make(chan string, 100)
		mutex     sync.Mutex
		rw        sync.RWMutex
		rwRead    sync.RWMutex
		wg        sync.WaitGroup
		once      sync.Once
		condMutex sync.Mutex
		cond      = sync.NewCond(&condMutex)
	)
	full <- [3]*int{}
	full <- [3]*int{new(int)}
	for i := 0; i < 60; i++ {
		queue <- label("queued", i)
	}
	mutex.Lock()
	rw.Lock()
	rwRead.RLock()
	wg.Add(1)
	hold = append(hold, queue, full, &mutex, &rw, &rwRead, &wg, cond)

	for i := 0; i < 20; i++ {
		n := i
		go func() { <-nilChan }()
		go func() { nilChan <- n }()
		go func() { sink = <-empty }()
		go func() { full <- [3]*int{&n} }()
		go func() {
			select {
			case v := <-empty:
				sink = v
			case full <- [3]*int{nil, &n}:
			case <-forever:
			}
		}()
		go func() { select {} }()
		go func() { mutex.Lock(); sink = n }()
		go func() { rw.RLock(); sink = n }()
		go func() { rw.Lock(); sink = n }()
		go func() { rwRead.Lock(); sink = n }()
		go func() { wg.Wait(); sink = n }()
		go func() { once.Do(func() { <-forever }) }()
		go func() { time.Sleep(time.Duration(100+n) * time.Hour) }()
		go func() {
			condMutex.Lock()
			cond.Wait()
			condMutex.Unlock()
		}()
		go func() {
			for v := range empty {
				sink = v
			}
		}()
		go func() {
			runtime.LockOSThread()
			<-forever
		}()
	}
	// RLock behind a waiting Lock waits for readers to leave.
	time.Sleep(5 * time.Millisecond)
	go func() { rwRead.RLock() }()

	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Hour)
	child, cancelChild := context.WithCancel(context.WithValue(ctx, "key", "value"))
	hold = append(hold, cancel, cancelChild)
	go func() { <-child.Done() }()

	// IO wait: a pipe of the os package goes through the poller.
	r, w, err := os.Pipe()
	if err == nil {
		hold = append(hold, r, w)
		go func() {
			var b [10]byte
			r.Read(b[:])
		}()
	}
	// In a system call: blocking reads of a pipe that stays empty.
	var raw [2]int
	if syscall.Pipe(raw[:]) == nil {
		for i := 0; i < 3; i++ {
			go func() {
				var b [10]byte
				syscall.Read(raw[0], b[:])
			}()
		}
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR2)
	go func() { <-signals }()
	hold = append(hold, signals)
}
