// A program in which a thread each, of C's and of Go's, waits in every system call that a stop might
// disturb, and tells what came of it:
//
//	begin MS   all begin to wait, the timed ones for MS milliseconds
//	release    what the others wait for happens; "over" when all are back
//
// Each tells one line: call LANGUAGE NAME timed|released RESULT ERRNO EINTR SHORTS SOUND WAITED_MS
package main

/*
#cgo LDFLAGS: -lrt -lpthread
#include "calls.h"
*/
import "C"

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	allowTracers()
	say("ready")
	var begun time.Time
	for {
		line := command()
		switch {
		case strings.HasPrefix(line, "begin "):
			ms, err := strconv.Atoi(line[len("begin "):])
			if err != nil {
				say("error " + err.Error())
				continue
			}
			begun = time.Now()
			C.call_count()
			beginGo(time.Duration(ms) * time.Millisecond)
			C.begin_calls(C.long(ms))
			// They are about to wait: now they do.
			time.Sleep(200 * time.Millisecond)
			say("begun")
		case line == "release":
			releaseGo()
			C.release_calls()
			tellC()
			tellGo()
			say(fmt.Sprintf("over %d", time.Since(begun).Milliseconds()))
		case line == "exit":
			os.Exit(0)
		default:
			say("error unknown command " + line)
		}
	}
}

func tellC() {
	for i := 0; i < int(C.call_count()); i++ {
		index := C.int(i)
		out := C.outcome_of(index)
		tell("c", C.GoString(C.call_name(index)), C.call_is_timed(index) != 0, outcome{
			result: int64(out.result), errno: int(out.error), eintr: int(out.eintr),
			shorts: int(out.shorts), sound: out.sound != 0, waited: int64(out.waited_ms),
		})
	}
}

type outcome struct {
	result        int64
	errno         int
	eintr, shorts int
	sound         bool
	waited        int64
}

func tell(language, name string, timed bool, o outcome) {
	how := "released"
	if timed {
		how = "timed"
	}
	say(fmt.Sprint("call ", language, " ", name, " ", how, " ", o.result, " ", o.errno, " ", o.eintr,
		" ", o.shorts, " ", o.sound, " ", o.waited))
}
