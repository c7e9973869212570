//go:build withcgo

package main

/*
#include <pthread.h>
#include <unistd.h>

extern void goCalledBack(int, void *);

static int ends[2];

static void block_in_c(void) { char b; while (read(ends[0], &b, 1) != 1) {} }
static void *foreign(void *p) { goCalledBack((int)(long)p, p); return 0; }
static int start(void) {
	pthread_t t;
	if (pipe(ends)) return 1;
	for (long i = 0; i < 3; i++) pthread_create(&t, 0, foreign, (void *)i);
	return 0;
}
static void call_back(int n) { goCalledBack(n, &n); }
static char big[100000];
static char *big_address(void) { return big; }
*/
import "C"

import "unsafe"

func init() { extras = append(extras, buildC) }

// buildC blocks goroutines in C, in Go called from C, and in Go on threads that C started.
func buildC() {
	if C.start() != 0 {
		return
	}
	for i := 0; i < 3; i++ {
		go C.block_in_c()
		n := i + 10
		go C.call_back(C.int(n))
	}
	go func() {
		defer release(new(int))
		C.call_back(99)
	}()
	hold = append(hold, unsafe.Pointer(C.big_address()))
}

//export goCalledBack
func goCalledBack(n C.int, p unsafe.Pointer) {
	s := label("from C", int(n))
	defer func() { sink = len(s) }()
	if n == 2 {
		C.block_in_c()
	}
	<-forever
}
