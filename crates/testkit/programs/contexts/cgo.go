//go:build cgo

package main

/*
#include <time.h>
#include <pthread.h>
#include <stddef.h>

extern void goCallback(int);
static int work(int n) { volatile int x = n; for (int i = 0; i < 2000; i++) x += i; return x; }
static void back(int n) { goCallback(n); }
static void *begin(void *arg) { (void)arg; for (int i = 0; i < 20; i++) goCallback(i); return NULL; }
static void thread(void) {
	pthread_t t;
	if (pthread_create(&t, NULL, begin, NULL) == 0) pthread_join(t, NULL);
}
*/
import "C"

func init() {
	leaves["c"] = leafC
	leaves["callback"] = leafCallback
	leaves["foreign"] = leafForeign
}

//go:noinline
func leafC() {
	for i := 0; i < 100; i++ {
		C.work(C.int(i))
	}
}

//go:noinline
func leafCallback() {
	for i := 0; i < 50; i++ {
		C.back(C.int(i))
	}
}

//go:noinline
func leafForeign() { C.thread() }

//export goCallback
func goCallback(n C.int) {
	list := make([]*node, 10+int(n)%10)
	for i := range list {
		list[i] = &node{}
	}
	deep(20)
}
