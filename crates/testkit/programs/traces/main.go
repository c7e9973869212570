// A program that notices what a capture might leave: it keeps values in every register, counts
// signals, children and the expirations of timers, and tells:
//
//	count      counts, as NAME=NUMBER
//	vfork MS   a child is made by vfork, whose parent cannot be stopped for MS milliseconds; "vforked"
package main

/*
#cgo CFLAGS: -O1
#cgo LDFLAGS: -lrt -lpthread
#include "traces.h"
*/
import "C"

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

func main() {
	allowTracers()
	var urgent int64
	signals := make(chan os.Signal, 1000)
	signal.Notify(signals, syscall.SIGURG)
	go func() {
		for range signals {
			atomic.AddInt64(&urgent, 1)
		}
	}()
	C.set_up()
	say("ready")
	for {
		line := command()
		switch {
		case line == "count":
			c := C.count()
			say(fmt.Sprintf("counts spins=%d naps=%d wrong=%d sigchld=%d children=%d alarms=%d expired=%d due=%d ticks=%d sigurg=%d",
				c.spins, c.naps, c.wrong, c.sigchld, c.children, c.alarms, c.expired, c.due, c.ticks,
				atomic.LoadInt64(&urgent)))
		case strings.HasPrefix(line, "vfork "):
			ms, err := strconv.Atoi(line[len("vfork "):])
			if err != nil {
				say("error " + err.Error())
				continue
			}
			say("vforking")
			say(fmt.Sprintf("vforked %d", C.long_vfork(C.long(ms))))
		default:
			say("error unknown command " + line)
		}
	}
}
