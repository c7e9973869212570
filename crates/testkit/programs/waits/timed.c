// Waits that end by their time.

#define _GNU_SOURCE
#include "calls.h"

#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

static struct timespec whole(void)
{
	return (struct timespec){wait_ms / 1000, wait_ms % 1000 * 1000000};
}

static void silent_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC))
		fail("pipe");
}

static void c_nanosleep(struct outcome *out)
{
	struct timespec time = whole();
	CALLED(out, syscall(SYS_nanosleep, &time, 0));
}

static void c_clock_nanosleep(struct outcome *out)
{
	struct timespec time = whole();
	CALLED(out, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &time, 0));
}

static void c_clock_nanosleep_until(struct outcome *out)
{
	struct timespec at = at_end(CLOCK_MONOTONIC);
	CALLED(out, syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &at, 0));
}

static void c_poll(struct outcome *out)
{
	int ends[2];
	silent_pipe(ends);
	struct pollfd one = {ends[0], POLLIN, 0};
	CALLED(out, poll(&one, 1, (int)wait_ms));
}

static void c_ppoll(struct outcome *out)
{
	int ends[2];
	silent_pipe(ends);
	struct pollfd one = {ends[0], POLLIN, 0};
	struct timespec time = whole();
	sigset_t every;
	sigfillset(&every);
	CALLED(out, ppoll(&one, 1, &time, &every));
}

static void c_select(struct outcome *out)
{
	int ends[2];
	silent_pipe(ends);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	struct timeval time = {wait_ms / 1000, wait_ms % 1000 * 1000};
	CALLED(out, select(ends[0] + 1, &set, 0, 0, &time));
}

static void c_pselect(struct outcome *out)
{
	int ends[2];
	silent_pipe(ends);
	fd_set set;
	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	struct timespec time = whole();
	sigset_t every;
	sigfillset(&every);
	CALLED(out, pselect(ends[0] + 1, &set, 0, 0, &time, &every));
}

static void c_epoll_wait(struct outcome *out)
{
	int ends[2], set = epoll_create1(EPOLL_CLOEXEC);
	silent_pipe(ends);
	struct epoll_event event = {.events = EPOLLIN};
	if (epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event))
		fail("epoll_ctl");
	long begun = now_ms();
	// It does not take nanoseconds: one more, so that what is left is not cut.
	CALLED(out, ({
		struct timespec left = left_of(begun);
		epoll_wait(set, &event, 1, (int)(left.tv_sec * 1000 + left.tv_nsec / 1000000));
	}));
}

static void c_futex(struct outcome *out)
{
	int word = 1;
	struct timespec time = whole();
	CALLED(out, syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &time, 0, 0));
}

static void c_futex_bitset(struct outcome *out)
{
	int word = 1;
	struct timespec at = at_end(CLOCK_MONOTONIC);
	CALLED(out, syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 1, &at, 0, ~0));
}

static void c_sem_timedwait(struct outcome *out)
{
	sem_t nobody;
	sem_init(&nobody, 0, 0);
	struct timespec at = at_end(CLOCK_REALTIME);
	CALLED(out, sem_timedwait(&nobody, &at));
}

static void c_cond_timedwait(struct outcome *out)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t nobody = PTHREAD_COND_INITIALIZER;
	struct timespec at = at_end(CLOCK_REALTIME);
	pthread_mutex_lock(&mutex);
	out->result = -1;
	out->error = pthread_cond_timedwait(&nobody, &mutex, &at);
}

static void set_timeout(int fd, int which, struct timespec left)
{
	struct timeval time = {left.tv_sec, (left.tv_nsec + 999) / 1000};
	if (setsockopt(fd, SOL_SOCKET, which, &time, sizeof time))
		fail("setsockopt");
}

static void c_recv_timeout(struct outcome *out)
{
	int ends[2];
	char byte;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		fail("socketpair");
	long begun = now_ms();
	CALLED(out, ({
		set_timeout(ends[0], SO_RCVTIMEO, left_of(begun));
		recv(ends[0], &byte, 1, 0);
	}));
}

static void c_accept_timeout(struct outcome *out)
{
	// Without a name: the kernel makes one up (unix(7), autobind).
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (void *)&name, sizeof name.sun_family) || listen(listener, 1))
		fail("listen");
	long begun = now_ms();
	CALLED(out, ({
		set_timeout(listener, SO_RCVTIMEO, left_of(begun));
		accept(listener, 0, 0);
	}));
}

static void c_sigtimedwait(struct outcome *out)
{
	sigset_t one;
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 5);
	long begun = now_ms();
	CALLED(out, ({
		struct timespec left = left_of(begun);
		sigtimedwait(&one, 0, &left);
	}));
}

static void c_semtimedop(struct outcome *out)
{
	int set = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf down = {0, -1, 0};
	long begun = now_ms();
	CALLED(out, ({
		struct timespec left = left_of(begun);
		semtimedop(set, &down, 1, &left);
	}));
	semctl(set, 0, IPC_RMID);
}

static void c_mq_timedreceive(struct outcome *out)
{
	char name[40], message[8];
	snprintf(name, sizeof name, "/goheap-waits-timed-%d", getpid());
	struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = sizeof message};
	mqd_t queue = mq_open(name, O_CREAT | O_RDWR, 0600, &attributes);
	if (queue == -1)
		fail("mq_open");
	mq_unlink(name);
	struct timespec at = at_end(CLOCK_REALTIME);
	CALLED(out, mq_timedreceive(queue, message, sizeof message, 0, &at));
}

static void c_io_getevents(struct outcome *out)
{
	aio_context_t context = 0;
	struct io_event event;
	if (syscall(SYS_io_setup, 1, &context))
		fail("io_setup");
	long begun = now_ms();
	CALLED(out, ({
		struct timespec left = left_of(begun);
		syscall(SYS_io_getevents, context, 1, 1, &event, &left);
	}));
}

static void c_timerfd(struct outcome *out)
{
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	struct itimerspec once = {.it_value = whole()};
	uint64_t ticks = 0;
	if (timerfd_settime(timer, 0, &once, 0))
		fail("timerfd_settime");
	CALLED(out, read(timer, &ticks, sizeof ticks));
	out->sound = ticks == 1;
}

const struct call timed_calls[] = {
	{"nanosleep", c_nanosleep, 0},
	{"clock_nanosleep", c_clock_nanosleep, 0},
	{"clock_nanosleep_until", c_clock_nanosleep_until, 0},
	{"poll", c_poll, 0},
	{"ppoll", c_ppoll, 0},
	{"select", c_select, 0},
	{"pselect", c_pselect, 0},
	{"epoll_wait", c_epoll_wait, 0},
	{"futex_timed", c_futex, 0},
	{"futex_bitset_timed", c_futex_bitset, 0},
	{"sem_timedwait", c_sem_timedwait, 0},
	{"cond_timedwait", c_cond_timedwait, 0},
	{"recv_timeout", c_recv_timeout, 0},
	{"accept_timeout", c_accept_timeout, 0},
	{"sigtimedwait", c_sigtimedwait, 0},
	{"semtimedop", c_semtimedop, 0},
	{"mq_timedreceive", c_mq_timedreceive, 0},
	{"io_getevents", c_io_getevents, 0},
	{"timerfd_read", c_timerfd, 0},
	{0, 0, 0},
};
