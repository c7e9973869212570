// Blocking system calls, one a thread of C's, each of which tells what came of it.

#ifndef CALLS_H
#define CALLS_H

#include <errno.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

// What a call came to.
struct outcome {
	long result;    // what it returned, the last time
	int error;      // errno, if that was -1
	int eintr;      // how often it came back with EINTR before
	int shorts;     // how often it transferred a part, and was called again for the rest
	int sound;      // whether the data is what was sent
	long waited_ms; // by CLOCK_MONOTONIC
};

// A call, and what lets it come back.
struct call {
	const char *name;
	// Runs in a thread of its own, with all signals blocked.
	void (*run)(struct outcome *out);
	// Called when the waits are to end; 0 where a wait ends by its time.
	void (*release)(void);
};

// How long the timed ones wait.
extern long wait_ms;

long now_ms(void);
struct timespec left_of(long begun_ms);
struct timespec at_end(clockid_t clock);
void fail(const char *what) __attribute__((noreturn));

extern const struct call timed_calls[], file_calls[], other_calls[];

int call_count(void);
const char *call_name(int index);
int call_is_timed(int index);
// Starts all of them; back when each is about to wait.
void begin_calls(long ms);
void release_calls(void);
// Waits for one to come back.
struct outcome outcome_of(int index);

// Puts the result of EXPRESSION into OUT, and calls again after EINTR.
#define CALLED(out, expression)                                     \
	do {                                                        \
		for (;;) {                                          \
			errno = 0;                                  \
			(out)->result = (long)(expression);         \
			(out)->error = (out)->result == -1 ? errno : 0; \
			if ((out)->error != EINTR)                  \
				break;                              \
			(out)->eintr++;                             \
		}                                                   \
	} while (0)

#endif
