package main

import (
	"runtime"
	"runtime/debug"
	"time"
)

// live is what stays on the heap beside the lists, so that collections have something to do.
var live []interface{}

type tree struct {
	left, right *tree
	value       [3]uint64
}

// startLoad makes garbage of all sizes, without a pause or with long ones, and collects it often.
func startLoad() {
	debug.SetGCPercent(50)
	for i := 0; i < 300; i++ {
		live = append(live, grow(6), make([]byte, 100+10*i))
	}
	for i := 0; i < 3; i++ {
		go litter(i)
	}
	go fillPool()
	go tickers()
}

//go:noinline
func grow(depth int) *tree {
	if depth == 0 {
		return nil
	}
	return &tree{left: grow(depth - 1), right: grow(depth - 1)}
}

func litter(seed int) {
	ring := make([]interface{}, 300)
	x := uint32(seed + 1)
	for i := 0; ; i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		size := int(x % 3000)
		at := i % len(ring)
		switch i % 9 {
		case 0:
			ring[at] = make([]byte, size)
		case 1:
			ring[at] = make([]*int, size/8+1)
		case 2:
			ring[at] = grow(int(x%5) + 1)
		case 3:
			k := new(keeper)
			runtime.SetFinalizer(k, func(k *keeper) { sink += k.name[0] })
			ring[at] = k
		case 4:
			ring[at] = map[int]string{size: "x"}
		case 5:
			grow(4)
		case 6:
			b := byte(x)
			ring[at] = &b
		case 7:
			if x%100 == 0 {
				ring[at] = make([]*node, 8000+size)
			}
		case 8:
			if cleanUp != nil {
				cleanUp()
			}
		}
		if load == "light" && i%20 == 0 {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// cleanUp leaves an object with a cleanup, in the versions that have them.
var cleanUp func()

// fillPool keeps lists in a pool, which drops them at any second collection.
func fillPool() {
	tags++
	tag := tags
	for {
		for i := 0; i < 5; i++ {
			globalPool.Put(build(tag, 10, newNode))
		}
		time.Sleep(time.Millisecond)
		globalPool.Get()
	}
}

func tickers() {
	ticker := time.NewTicker(500 * time.Microsecond)
	for range ticker.C {
		done := make(chan bool)
		go func() {
			dig(50)
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
}
