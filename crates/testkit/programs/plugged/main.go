// Program plugged opens the plugin that its first argument names, lets it make what only its own
// globals and goroutines hold, and tells where that is.
package main

import (
	"os"
	"plugin"
	"runtime"
	"runtime/debug"
	"strconv"
)

func main() {
	allowTracers()
	debug.SetGCPercent(-1)
	opened, err := plugin.Open(os.Args[1])
	if err != nil {
		say("error " + err.Error())
		return
	}
	build, err := opened.Lookup("Build")
	if err != nil {
		say("error " + err.Error())
		return
	}
	done := make(chan struct{})
	go func() {
		build.(func(func(string, uintptr)))(func(what string, at uintptr) {
			say("fact " + what + " 0x" + strconv.FormatUint(uint64(at), 16))
		})
		close(done)
	}()
	<-done
	runtime.GC()
	runtime.GC()
	forever := make(chan struct{})
	go obey(func() {})
	<-forever
}
