package main

import (
	"os"
	"runtime/debug"
	"syscall"
)

// leavePair leaves a dump and a core of nearly the same moment: once it gets an order, it writes a heap
// dump into a new file, and then lets its thread be interrupted by a signal that ends the program.
//
//go:noinline
func leavePair(path string) {
	f, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, 0600)
	if err != nil {
		say("error " + err.Error())
		os.Exit(1)
	}
	say("ready")
	command()
	debug.WriteHeapDump(uintptr(f))
	thread, _, _ := syscall.RawSyscall(syscall.SYS_GETTID, 0, 0, 0)
	syscall.RawSyscall(syscall.SYS_TGKILL, uintptr(syscall.Getpid()), thread, uintptr(syscall.SIGABRT))
}
