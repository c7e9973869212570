package main

import "unsafe"

type message struct {
	ID   int
	Body *item
	Text string
}

var (
	queue    chan *item
	messages chan message
	ints     chan int
	signals  chan struct{}
	channels []chan *item
)

func fillChannels() {
	// Turned round, so that what is in it goes over its end.
	queue = make(chan *item, 8)
	for i := 0; i < 6; i++ {
		queue <- nil
		<-queue
	}
	for i := 0; i < 5; i++ {
		it := newItem(i)
		queue <- it
		tell(unsafe.Pointer(it), fact{typ: "main.item", shape: "value", begins: "main.queue", only: "main.queue"})
	}
	tellChannel(*(*unsafe.Pointer)(unsafe.Pointer(&queue)), "chan *main.item", 5, 8, "main.queue", "main.queue")
	tellRetained("main.queue", false)

	messages = make(chan message, 20)
	for i := 0; i < 10; i++ {
		m := message{ID: i, Body: newItem(i), Text: label("the text of a message", i)}
		messages <- m
		tell(unsafe.Pointer(m.Body), fact{typ: "main.item", shape: "value", begins: "main.messages", only: "main.messages"})
		tell(textOf(m.Text), fact{typ: "string", shape: "string", length: len(m.Text), begins: "main.messages", only: "main.messages"})
	}
	tellChannel(*(*unsafe.Pointer)(unsafe.Pointer(&messages)), "chan main.message", 10, 20, "main.messages", "main.messages")
	tellRetained("main.messages", false)

	ints = make(chan int, 1000)
	for i := 0; i < 10; i++ {
		ints <- i
	}
	tellChannel(*(*unsafe.Pointer)(unsafe.Pointer(&ints)), "chan int", 10, 1000, "main.ints", "main.ints")
	tellRetained("main.ints", true)
	signals = make(chan struct{}, 100)
	tellChannel(*(*unsafe.Pointer)(unsafe.Pointer(&signals)), "chan struct {}", 0, 100, "main.signals", "main.signals")
	tellRetained("main.signals", true)

	channels = make([]chan *item, 50)
	tellBacking(unsafe.Pointer(&channels[0]), "chan *main.item", 50, 50, "main.channels", "main.channels")
	for i := range channels {
		channels[i] = make(chan *item)
		tellChannel(*(*unsafe.Pointer)(unsafe.Pointer(&channels[i])), "chan *main.item", 0, 0, "main.channels", at("main.channels", i))
	}
	tellRetained("main.channels", true)
}

// tellChannel tells of a channel's head.
//
//go:noinline
func tellChannel(p unsafe.Pointer, typ string, length, capacity int, only, path string) {
	tell(p, fact{typ: typ, shape: "chan", length: length, capacity: capacity, paths: []string{path}, only: only})
}
