// Starting the calls and gathering what came of them.

#define _GNU_SOURCE
#include "calls.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST = 80 };

static struct running {
	const struct call *call;
	struct outcome out;
	pthread_t thread;
} all[MOST];
static int count;
static pthread_barrier_t ready;

long wait_ms;

void fail(const char *what)
{
	fprintf(stderr, "error %s: errno %d\n", what, errno);
	_exit(3);
}

long now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// What is left of the wait for a call that must be told so after EINTR.
struct timespec left_of(long begun_ms)
{
	long left = begun_ms + wait_ms - now_ms();
	if (left < 1)
		left = 1;
	return (struct timespec){left / 1000, left % 1000 * 1000000};
}

struct timespec at_end(clockid_t clock)
{
	struct timespec at;
	clock_gettime(clock, &at);
	at.tv_sec += wait_ms / 1000;
	at.tv_nsec += wait_ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

static void enlist(const struct call *calls)
{
	for (; calls->name; calls++) {
		if (count == MOST)
			fail("too many calls");
		all[count++].call = calls;
	}
}

int call_count(void)
{
	if (count == 0) {
		enlist(timed_calls);
		enlist(file_calls);
		enlist(other_calls);
	}
	return count;
}

const char *call_name(int index) { return all[index].call->name; }
int call_is_timed(int index) { return !all[index].call->release; }

static void *run(void *of)
{
	struct running *one = of;
	sigset_t every;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, 0);
	one->out.sound = 1;
	pthread_barrier_wait(&ready);
	long begun = now_ms();
	one->call->run(&one->out);
	one->out.waited_ms = now_ms() - begun;
	return 0;
}

void begin_calls(long ms)
{
	wait_ms = ms;
	// Ends of children would interrupt what Go's threads wait in: the signal is ignored, as it is by
	// default.
	signal(SIGCHLD, SIG_DFL);
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 1 << 17);
	pthread_barrier_init(&ready, 0, call_count() + 1);
	for (int i = 0; i < count; i++)
		if (pthread_create(&all[i].thread, &small, run, &all[i]))
			fail("pthread_create");
	pthread_barrier_wait(&ready);
}

void release_calls(void)
{
	for (int i = 0; i < count; i++)
		if (all[i].call->release)
			all[i].call->release();
}

struct outcome outcome_of(int index)
{
	pthread_join(all[index].thread, 0);
	return all[index].out;
}
