// Program labelled has goroutines with labels of runtime/pprof: each of so many tenants has a worker that
// holds a buffer of its own and waits. One more worker has none.
package main

import (
	"context"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
)

const tenants = 5

func main() {
	allowTracers()
	var started sync.WaitGroup
	wait := make(chan struct{})
	for i := 0; i < tenants; i++ {
		i := i
		started.Add(1)
		labels := pprof.Labels("tenant", "tenant-"+strconv.Itoa(i), "kind", "worker", "odd", "a\"b\x1b[31m\n<i>")
		// More than a bucket of a map has.
		for n := 0; n < 12; n++ {
			labels = with(labels, "more-"+strconv.Itoa(n), strconv.Itoa(i*100+n))
		}
		go pprof.Do(context.Background(), labels, func(context.Context) { work(&started, wait, 1000*(i+1)) })
	}
	started.Add(1)
	go work(&started, wait, 100000)
	started.Wait()
	runtime.GC()
	go obey(func() {})
	<-wait
}

// with adds a label to a set, which has no way of its own to grow.
func with(set pprof.LabelSet, key, value string) pprof.LabelSet {
	var all []string
	pprof.ForLabels(pprof.WithLabels(context.Background(), set), func(key, value string) bool {
		all = append(all, key, value)
		return true
	})
	return pprof.Labels(append(all, key, value)...)
}

//go:noinline
func work(started *sync.WaitGroup, wait chan struct{}, size int) {
	buffer := make([]byte, size)
	started.Done()
	<-wait
	runtime.KeepAlive(buffer)
}
