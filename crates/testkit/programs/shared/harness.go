// What every program of the test kit has in common: how it lets itself be looked at, and how it
// takes its orders. Copied beside each program's own files when that is built.

package main

import (
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// dumpFD is where `dump` without a path goes: the pipe that the test kit hands over as stdout.
const dumpFD = 1

// allowTracers lets any process of this user trace this one, where Yama would let only its
// ancestors. Kernels without Yama answer EINVAL, which is as good.
func allowTracers() {
	const prSetPtracer = 0x59616d61
	syscall.RawSyscall(syscall.SYS_PRCTL, prSetPtracer, ^uintptr(0), 0)
}

// say writes a line to stderr without the os package, whose files may use the poller.
func say(line string) {
	b := []byte(line + "\n")
	for len(b) > 0 {
		n, err := syscall.Write(2, b)
		if err != nil {
			return
		}
		b = b[n:]
	}
}

// command reads one line from stdin, a byte at a time: a blocking read(2) and no poller.
func command() string {
	var line []byte
	var b [1]byte
	for {
		n, err := syscall.Read(0, b[:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			os.Exit(0)
		}
		if b[0] == '\n' {
			return string(line)
		}
		line = append(line, b[0])
	}
}

// obey takes orders until stdin ends:
//
//	dump       WriteHeapDump on stdout, then close stdout
//	dump PATH  WriteHeapDump into a new file, then say how many nanoseconds it took
//	exit       end
//
// before is called right before each dump.
func obey(before func()) {
	say("ready")
	for {
		line := command()
		switch {
		case line == "dump":
			before()
			debug.WriteHeapDump(dumpFD)
			syscall.Close(dumpFD)
			say("dumped")
		case strings.HasPrefix(line, "dump "):
			f, err := syscall.Open(line[len("dump "):], syscall.O_WRONLY|syscall.O_CREAT|syscall.O_TRUNC|syscall.O_CLOEXEC, 0600)
			if err != nil {
				say("error " + err.Error())
				continue
			}
			before()
			start := time.Now()
			debug.WriteHeapDump(uintptr(f))
			took := time.Since(start)
			syscall.Close(f)
			say("took " + strconv.FormatInt(took.Nanoseconds(), 10))
		case line == "exit":
			os.Exit(0)
		default:
			say("error unknown command " + line)
		}
	}
}
