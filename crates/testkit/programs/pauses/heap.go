package main

import (
	"strconv"
	"sync/atomic"
	"time"
)

// node has 64 bytes.
type node struct {
	next, other *node
	value       [6]uint64
}

// tree has 64 bytes.
type tree struct {
	left, right *tree
	name        string
	key         uint64
	value       [3]uint64
}

var (
	lists [64]*node
	trees []*tree
	maps  []map[uint64]*node
	texts [][]string

	// old is some of the nodes, far from each other.
	old []*node
)

// build makes so many bytes of small objects: lists, trees, maps with what they lead to, strings.
func build(bytes int) {
	const part = 64 << 10 // nodes of each kind in one turn
	for made := 0; made < bytes; {
		for i := 0; i < part; i++ {
			at := i % len(lists)
			n := &node{next: lists[at], value: [6]uint64{uint64(i), uint64(made)}}
			lists[at] = n
			if i%64 == 0 {
				old = append(old, n)
			}
		}
		made += part * 64
		trees = append(trees, grow(15, uint64(made)))
		made += part / 2 * (64 + 16)
		m := map[uint64]*node{}
		for i := 0; i < part/8; i++ {
			m[uint64(made+i)] = &node{other: lists[i%len(lists)]}
		}
		maps = append(maps, m)
		made += part / 8 * (64 + 32)
		var t []string
		for i := 0; i < part/4; i++ {
			t = append(t, "a text of its own, "+strconv.Itoa(made+i))
		}
		texts = append(texts, t)
		made += part / 4 * (32 + 16)
	}
}

func grow(depth int, key uint64) *tree {
	if depth == 0 {
		return nil
	}
	return &tree{
		left:  grow(depth-1, 2*key),
		right: grow(depth-1, 2*key+1),
		name:  strconv.FormatUint(key|1<<40, 36),
		key:   key,
	}
}

// ring keeps what was allocated last.
var ring [1 << 16]interface{}

// longest is the longest step of the work so far that nobody has asked for.
var longest int64

// work allocates and writes for ever, a thousandth of a second's share in each step.
func work(allocation, writes int) {
	x := uint64(88172645463325252)
	next := time.Now()
	last := now()
	due := 0
	for at := 0; ; {
		for left := allocation / 1000; left > 0; at++ {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			var made interface{}
			size := 16 << (x % 6)
			switch x >> 60 {
			case 0, 1, 2, 3:
				made = make([]byte, size)
			case 4, 5, 6, 7:
				made = make([]*node, size/8)
			case 8, 9, 10, 11:
				size = 64
				made = &tree{key: x}
			default:
				size = 64
				made = &node{next: old[x%uint64(len(old))]}
			}
			left -= size
			ring[at%len(ring)] = made
		}
		for due += writes; due >= 1000; due -= 1000 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
			n := old[x%uint64(len(old))]
			n.value[5]++
			if x>>61 == 0 {
				n.other = lists[x%uint64(len(lists))]
			}
		}
		next = next.Add(time.Millisecond)
		if wait := time.Until(next); wait > 0 {
			time.Sleep(wait)
		} else {
			// What is late stays undone.
			next = time.Now()
		}
		ends := now()
		if step := ends - last; step > atomic.LoadInt64(&longest) {
			atomic.StoreInt64(&longest, step)
		}
		last = ends
	}
}
