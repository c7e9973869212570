package main

import (
	"bytes"
	"container/list"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"
)

var (
	ctx      context.Context
	timers   []*time.Timer
	afters   []*time.Timer
	buffers  []*bytes.Buffer
	builders []*strings.Builder
	failures []error
	ring     *list.List
	pointer  atomic.Pointer[item]
	value    atomic.Value
	readers  []*strings.Reader
)

type contextKey string

func fillLibrary() {
	ctx = context.Background()
	for i := 0; i < 10; i++ {
		it := newItem(i)
		ctx = context.WithValue(ctx, contextKey(label("the key of a context", i)), it)
		tell(wordOf(ctx), fact{typ: "context.valueCtx", shape: "value", begins: "main.ctx", only: "main.ctx"})
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: "main.ctx", only: "main.ctx"})
	}
	tellRetained("main.ctx", false)

	for i := 0; i < 20; i++ {
		t := time.NewTimer(time.Duration(1000+i) * time.Hour)
		timers = append(timers, t)
		tell(unsafe.Pointer(t), fact{typ: "time.Timer", shape: "value", paths: []string{at("main.timers", i)}})
		it := newItem(i)
		a := time.AfterFunc(time.Duration(1000+i)*time.Hour, func() { it.ID++ })
		afters = append(afters, a)
		tell(unsafe.Pointer(a), fact{typ: "time.Timer", shape: "value", paths: []string{at("main.afters", i)}})
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value"})
	}

	buffers = make([]*bytes.Buffer, 20)
	builders = make([]*strings.Builder, 20)
	for i := range buffers {
		b := new(bytes.Buffer)
		b.Grow(1000)
		b.WriteString(label("what is in a buffer", i))
		buffers[i] = b
		path := at("main.buffers", i)
		tellAt(unsafe.Pointer(b), "bytes.Buffer", "main.buffers", path)
		tell(unsafe.Pointer(&b.Bytes()[0]), fact{typ: "uint8", shape: "backing", length: b.Len(), capacity: b.Cap(),
			paths: []string{path + ".buf"}, only: "main.buffers"})
		s := new(strings.Builder)
		for j := 0; j < 10; j++ {
			s.WriteString(label("what is built", j))
		}
		builders[i] = s
		path = at("main.builders", i)
		tellAt(unsafe.Pointer(s), "strings.Builder", "", path)
		tell(textOf(s.String()), fact{typ: "uint8", shape: "backing", length: s.Len(), capacity: s.Cap(),
			paths: []string{path + ".buf"}})
		failures = append(failures, fmt.Errorf("wrapped %d: %w", i, errors.New("a cause of many letters")))
		tell(wordOf(failures[i]), fact{typ: "fmt.wrapError", shape: "value", paths: []string{at("main.failures", i)}})
		tell(wordOf(errors.Unwrap(failures[i])), fact{typ: "errors.errorString", shape: "value",
			paths: []string{at("main.failures", i) + ".err"}})
	}
	tell(unsafe.Pointer(&buffers[0]), fact{typ: "*bytes.Buffer", shape: "backing", length: 20, capacity: 20,
		paths: []string{"main.buffers"}, only: "main.buffers"})
	tellRetained("main.buffers", true)

	ring = list.New()
	tellAt(unsafe.Pointer(ring), "container/list.List", "main.ring", "main.ring")
	for i := 0; i < 50; i++ {
		it := newItem(i)
		e := ring.PushBack(it)
		tell(unsafe.Pointer(e), fact{typ: "container/list.Element", shape: "value", begins: "main.ring", only: "main.ring"})
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: "main.ring", only: "main.ring"})
	}
	tellRetained("main.ring", true)

	it := newItem(1)
	pointer.Store(it)
	tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: "main.pointer", only: "main.pointer"})
	tellRetained("main.pointer", true)
	it = newItem(2)
	value.Store(it)
	tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: "main.value", only: "main.value"})
	tellRetained("main.value", true)
}
