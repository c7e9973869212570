package main

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// What Go's runtime and this program need, by number: read, write, close, fstat, poll, lseek, mmap,
// mprotect, munmap, rt_sigaction, rt_sigprocmask, rt_sigreturn, ioctl, sched_yield, mincore, madvise,
// nanosleep, getpid, exit, fcntl, sigaltstack, gettid, futex, sched_getaffinity, restart_syscall,
// clock_gettime, clock_nanosleep, exit_group, epoll_wait, epoll_ctl, tgkill, openat, epoll_pwait,
// eventfd2, epoll_create1, pipe2, prlimit64.
var allowed = []uint32{0, 1, 3, 5, 7, 8, 9, 10, 11, 13, 14, 15, 16, 24, 27, 28, 35, 39, 60, 72, 131, 186, 202,
	204, 219, 228, 230, 231, 232, 233, 234, 257, 281, 290, 291, 293, 302}

type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

// confine installs a filter that answers all other calls by EPERM, or by the end of the process.
func confine(how string) {
	const (
		loadWord     = 0x20
		jumpEqual    = 0x15
		jumpSet      = 0x45
		ret          = 0x06
		allow        = 0x7fff0000
		killProcess  = 0x80000000
		errno        = 0x00050000
		clone        = 56
		cloneThread  = 0x10000
		noNewPrivs   = 38
		sysSeccomp   = 317
		setFilter    = 1
		ofAllThreads = 1
	)
	last := uint32(errno) | uint32(syscall.EPERM)
	if how == "kill" {
		last = killProcess
	}
	program := []instruction{{loadWord, 0, 0, 0}}
	for _, number := range allowed {
		program = append(program, instruction{jumpEqual, 0, 1, number}, instruction{ret, 0, 0, allow})
	}
	program = append(program,
		// A clone that makes a thread: its flags are the first argument.
		instruction{jumpEqual, 0, 3, clone},
		instruction{loadWord, 0, 0, 16},
		instruction{jumpSet, 0, 1, cloneThread},
		instruction{ret, 0, 0, allow},
		instruction{ret, 0, 0, last})
	filter := struct {
		length uint16
		first  *instruction
	}{uint16(len(program)), &program[0]}
	runtime.LockOSThread()
	if _, _, e := syscall.RawSyscall6(syscall.SYS_PRCTL, noNewPrivs, 1, 0, 0, 0, 0); e != 0 {
		say("error prctl: " + e.Error())
		os.Exit(3)
	}
	r, _, e := syscall.RawSyscall(sysSeccomp, setFilter, ofAllThreads, uintptr(unsafe.Pointer(&filter)))
	if e != 0 || r != 0 {
		say("error seccomp: " + e.Error())
		os.Exit(3)
	}
	runtime.KeepAlive(program)
	runtime.UnlockOSThread()
}
