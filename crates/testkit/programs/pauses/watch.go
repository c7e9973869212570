package main

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// A gap is longer than this, in nanoseconds.
const gap = 200000

// gaps are the last ones, as begin and end by CLOCK_MONOTONIC; seen says how many there were.
var gaps [1 << 16][2]int64
var seen int64

// now reads CLOCK_MONOTONIC. Not inlined, its prologue is where watch can be preempted: the runtime has
// to stop that thread, too, when it stops the world.
//
//go:noinline
func now() int64 {
	const monotonic = 1
	var time syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&time)), 0)
	return time.Nano()
}

// watch notes gaps for ever. It asks the kernel without the scheduler's knowledge, so that it keeps
// its processor (in Go's sense) and measures its thread alone.
func watch(started chan string) {
	runtime.LockOSThread()
	const fifo = 1
	priority := int32(10)
	how := "FIFO"
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, 0, fifo, uintptr(unsafe.Pointer(&priority))); errno != 0 {
		how = "NORMAL"
	}
	started <- how
	last := now()
	for {
		rest := syscall.Timespec{Nsec: 50000}
		syscall.RawSyscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&rest)), 0, 0)
		time := now()
		if time-last > gap {
			n := atomic.LoadInt64(&seen)
			gaps[n%int64(len(gaps))] = [2]int64{last, time}
			atomic.StoreInt64(&seen, n+1)
		}
		last = time
	}
}

// told lists the gaps that end after since, behind the longest step of the work.
func told(since int64) string {
	text := strconv.FormatInt(atomic.SwapInt64(&longest, 0), 10)
	n := atomic.LoadInt64(&seen)
	first := n - int64(len(gaps)) + 1
	if first < 0 {
		first = 0
	}
	for i := first; i < n; i++ {
		one := gaps[i%int64(len(gaps))]
		if one[1] > since {
			text += " " + strconv.FormatInt(one[0], 10) + ":" + strconv.FormatInt(one[1], 10)
		}
	}
	return text
}
