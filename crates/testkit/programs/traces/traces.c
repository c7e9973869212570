#define _GNU_SOURCE
#include "traces.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct held {
	uint64_t general[16]; // 15 are used
	uint64_t vector[32];
};

void hold_spinning(const struct held *in, struct held *out, long rounds);
void hold_sleeping(const struct held *in, struct held *out, const struct timespec *time);

static struct counts counts;
static const long PERIOD_NS = 20000000;

#define ADD(counter, n) __atomic_add_fetch(&counts.counter, n, __ATOMIC_RELAXED)

static struct held pattern(uint64_t seed)
{
	struct held held;
	uint64_t *words = (uint64_t *)&held;
	for (size_t i = 0; i < sizeof held / 8; i++)
		words[i] = seed = seed * 6364136223846793005u + 1442695040888963407u;
	return held;
}

static void block_all(void)
{
	sigset_t every;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, 0);
}

static void *spin(void *unused)
{
	block_all();
	pthread_setname_np(pthread_self(), "spinning");
	for (uint64_t round = 1;; round++) {
		struct held in = pattern(round), out = {0};
		hold_spinning(&in, &out, 2000000);
		ADD(wrong, memcmp(in.general, out.general, 15 * 8) != 0);
		ADD(wrong, memcmp(in.vector, out.vector, sizeof in.vector) != 0);
		ADD(spins, 1);
		usleep(2000);
	}
	return unused;
}

static void *nap(void *unused)
{
	block_all();
	pthread_setname_np(pthread_self(), "napping");
	// One thread that is kinder than others.
	setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 5);
	for (uint64_t round = 1;; round++) {
		struct timespec little = {0, 10000000};
		struct held in = pattern(~round), out = {0};
		hold_sleeping(&in, &out, &little);
		// The call's own: rax is what it returned, rcx and r11 are the instruction's, rsi and rdi its
		// arguments.
		in.general[0] = 0;
		in.general[2] = out.general[2];
		in.general[4] = 0;
		in.general[9] = out.general[9];
		in.general[14] = (uint64_t)&little;
		ADD(wrong, memcmp(in.general, out.general, 15 * 8) != 0);
		ADD(wrong, memcmp(in.vector, out.vector, sizeof in.vector) != 0);
		ADD(naps, 1);
	}
	return unused;
}

// Held while a child of the program's own lives, which is not to be reaped by who looks for others.
static pthread_mutex_t own_child = PTHREAD_MUTEX_INITIALIZER;

static void *look_for_children(void *unused)
{
	block_all();
	pthread_setname_np(pthread_self(), "waiting");
	for (;;) {
		int status;
		pthread_mutex_lock(&own_child);
		if (wait4(-1, &status, WNOHANG | WUNTRACED | WCONTINUED, 0) != -1 || errno != ECHILD)
			ADD(children, 1);
		pthread_mutex_unlock(&own_child);
		usleep(500);
	}
	return unused;
}

static long begun_ns;
static long now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000 + now.tv_nsec;
}

static void *expirations(void *of)
{
	block_all();
	pthread_setname_np(pthread_self(), "timed");
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 6);
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 6};
	event._sigev_un._tid = (int)syscall(SYS_gettid);
	timer_t timer;
	timer_create(CLOCK_MONOTONIC, &event, &timer);
	struct itimerspec every = {{0, PERIOD_NS}, {0, PERIOD_NS}};
	begun_ns = now_ns();
	timer_settime(timer, 0, &every, 0);
	for (;;) {
		siginfo_t info;
		if (sigwaitinfo(&one, &info) == SIGRTMIN + 6)
			ADD(expired, 1 + info.si_overrun);
	}
	return of;
}

static void *ticks(void *unused)
{
	block_all();
	pthread_setname_np(pthread_self(), "ticking");
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec every = {{0, PERIOD_NS}, {0, PERIOD_NS}};
	timerfd_settime(timer, 0, &every, 0);
	for (;;) {
		uint64_t n;
		if (read(timer, &n, sizeof n) == sizeof n)
			ADD(ticks, (long)n);
	}
	return unused;
}

// A thread with a signal that is pending, and stays so.
static void *pending(void *unused)
{
	block_all();
	pthread_setname_np(pthread_self(), "pending");
	pthread_kill(pthread_self(), SIGUSR1);
	for (;;)
		pause();
	return unused;
}

static void on_signal(int number)
{
	if (number == SIGCHLD)
		ADD(sigchld, 1);
	else
		ADD(alarms, 1);
}

void set_up(void)
{
	// On the signal stack, as Go asks of all handlers.
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESTART};
	sigaction(SIGCHLD, &action, 0);
	sigaction(SIGALRM, &action, 0);
	struct itimerval every = {{0, 50000}, {0, 50000}};
	setitimer(ITIMER_REAL, &every, 0);
	void *(*threads[])(void *) = {spin, nap, look_for_children, expirations, ticks, pending};
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		pthread_t thread;
		pthread_create(&thread, 0, threads[i], 0);
	}
	while (!begun_ns)
		usleep(1000);
}

struct counts count(void)
{
	// What is due is known first: it can only be less than what has come by then.
	counts.due = (now_ns() - begun_ns) / PERIOD_NS;
	return counts;
}

int long_vfork(long ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};
	sigset_t every, before;
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	pthread_mutex_lock(&own_child);
	pid_t child = vfork();
	if (child == 0) {
		syscall(SYS_nanosleep, &time, 0);
		_exit(9);
	}
	int status = 0;
	pid_t got = waitpid(child, &status, 0);
	pthread_mutex_unlock(&own_child);
	pthread_sigmask(SIG_SETMASK, &before, 0);
	return got == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
