package main

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// gaps are the last gaps, as begin and end by CLOCK_MONOTONIC; seen says how many there were. The
// watching thread writes both.
var gaps [1 << 16][2]int64
var seen int64

// stack is what the watching thread stands on.
var stack [4096]byte

// spawn makes a thread that watches for ever, and gives its number, or an errno below 0.
func spawn(stack uintptr) (tid int)

// now reads CLOCK_MONOTONIC.
func now() int64 {
	const monotonic = 1
	var time syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, monotonic, uintptr(unsafe.Pointer(&time)), 0)
	return time.Nano()
}

// watch starts the thread that watches, which Go knows nothing of. It gets no signal. It says whether
// that has real-time priority.
func watch() string {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const setMask, size = 2, 8
	all, before := ^uint64(0), uint64(0)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&before)), size, 0, 0)
	tid := spawn(uintptr(unsafe.Pointer(&stack[len(stack)/2])))
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&before)), 0, size, 0, 0)
	if tid < 0 {
		return "NOTHING"
	}
	const fifo = 1
	priority := int32(10)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETSCHEDULER, uintptr(tid), fifo, uintptr(unsafe.Pointer(&priority)))
	if errno != 0 {
		return "NORMAL"
	}
	return "FIFO"
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
