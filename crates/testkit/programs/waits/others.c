// Waits for other threads, for children and for signals.

#define _GNU_SOURCE
#include "calls.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int word = 1, bitset_word = 1;
static void c_futex(struct outcome *out)
{
	CALLED(out, syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, 0, 0, 0));
	out->sound = word == 0;
}
static void r_futex(void)
{
	__atomic_store_n(&word, 0, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

static void c_futex_bitset(struct outcome *out)
{
	CALLED(out, syscall(SYS_futex, &bitset_word, FUTEX_WAIT_BITSET_PRIVATE, 1, 0, 0, 4));
	out->sound = bitset_word == 0;
}
static void r_futex_bitset(void)
{
	__atomic_store_n(&bitset_word, 0, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &bitset_word, FUTEX_WAKE_BITSET_PRIVATE, 1, 0, 0, 4);
}

static sem_t semaphore;
static void c_sem_wait(struct outcome *out) { CALLED(out, sem_wait(&semaphore)); }
static void r_sem_wait(void) { sem_post(&semaphore); }

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int happened;
static void c_cond_wait(struct outcome *out)
{
	pthread_mutex_lock(&mutex);
	while (!happened)
		out->error = pthread_cond_wait(&condition, &mutex);
	pthread_mutex_unlock(&mutex);
}
static void r_cond_wait(void)
{
	pthread_mutex_lock(&mutex);
	happened = 1;
	pthread_cond_signal(&condition);
	pthread_mutex_unlock(&mutex);
}

// A child that ends with 7 as soon as its end of a pipe tells it to.
static pid_t child_until(int *tell)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC))
		fail("pipe");
	*tell = ends[1];
	pid_t child = fork();
	if (child == 0) {
		char byte;
		_exit(read(ends[0], &byte, 1) == 1 ? 7 : 8);
	}
	return child;
}

static int tell_first, tell_second;
static void c_wait4(struct outcome *out)
{
	int status = 0;
	pid_t child = child_until(&tell_first);
	CALLED(out, wait4(child, &status, 0, 0));
	out->sound = out->result == child && WIFEXITED(status) && WEXITSTATUS(status) == 7;
	out->result = out->sound ? 0 : -1;
}
static void r_wait4(void)
{
	if (write(tell_first, "x", 1) != 1)
		fail("write");
}

static void c_waitid(struct outcome *out)
{
	siginfo_t info = {0};
	pid_t child = child_until(&tell_second);
	CALLED(out, waitid(P_PID, child, &info, WEXITED));
	out->sound = info.si_pid == child && info.si_status == 7;
}
static void r_waitid(void)
{
	if (write(tell_second, "x", 1) != 1)
		fail("write");
}

// Locks of whole processes: the other one is a child.
static int tell_third;
static void c_setlkw(struct outcome *out)
{
	char name[64];
	int ends[2], done[2];
	struct flock whole = {.l_type = F_WRLCK};
	sprintf(name, "/tmp/goheap-waits-%d-posix", getpid());
	int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	unlink(name);
	if (pipe2(ends, O_CLOEXEC) || pipe2(done, O_CLOEXEC))
		fail("pipe");
	tell_third = ends[1];
	pid_t child = fork();
	if (child == 0) {
		char byte;
		_exit(fcntl(fd, F_SETLK, &whole) || write(done[1], "x", 1) != 1 ||
		      read(ends[0], &byte, 1) != 1);
	}
	char byte;
	if (read(done[0], &byte, 1) != 1)
		fail("read");
	CALLED(out, fcntl(fd, F_SETLKW, &whole));
	int status = 1;
	waitpid(child, &status, 0);
	out->sound = status == 0;
}
static void r_setlkw(void)
{
	if (write(tell_third, "x", 1) != 1)
		fail("write");
}

static volatile sig_atomic_t pauses, suspensions;
static pthread_t pausing, suspending, awaiting;
static void on_pause(int number) { (void)number, pauses++; }
static void on_suspend(int number) { (void)number, suspensions++; }

static void handle(int number, void (*with)(int))
{
	// On the signal stack, as Go asks of all handlers.
	struct sigaction action = {.sa_handler = with, .sa_flags = SA_ONSTACK};
	sigaction(number, &action, 0);
}

// Both are ended by a handler only; that is their one EINTR.
static void c_pause(struct outcome *out)
{
	sigset_t one;
	handle(SIGRTMIN + 1, on_pause);
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 1);
	pausing = pthread_self();
	pthread_sigmask(SIG_UNBLOCK, &one, 0);
	out->result = pause();
	out->error = errno;
	out->sound = pauses == 1;
}
static void r_pause(void) { pthread_kill(pausing, SIGRTMIN + 1); }

static void c_sigsuspend(struct outcome *out)
{
	sigset_t but;
	handle(SIGRTMIN + 2, on_suspend);
	sigfillset(&but);
	sigdelset(&but, SIGRTMIN + 2);
	suspending = pthread_self();
	out->result = sigsuspend(&but);
	out->error = errno;
	out->sound = suspensions == 1;
}
static void r_sigsuspend(void) { pthread_kill(suspending, SIGRTMIN + 2); }

static void c_sigwaitinfo(struct outcome *out)
{
	sigset_t one;
	siginfo_t info = {0};
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 3);
	awaiting = pthread_self();
	CALLED(out, sigwaitinfo(&one, &info));
	out->sound = info.si_signo == SIGRTMIN + 3 && info.si_pid == getpid();
	out->result = 0;
}
static void r_sigwaitinfo(void) { pthread_kill(awaiting, SIGRTMIN + 3); }

static pthread_t reading;
static void c_read_signalfd(struct outcome *out)
{
	sigset_t one;
	struct signalfd_siginfo info = {0};
	sigemptyset(&one);
	sigaddset(&one, SIGRTMIN + 4);
	reading = pthread_self();
	CALLED(out, read(signalfd(-1, &one, SFD_CLOEXEC), &info, sizeof info));
	out->sound = (int)info.ssi_signo == SIGRTMIN + 4;
}
static void r_read_signalfd(void) { pthread_kill(reading, SIGRTMIN + 4); }

struct message {
	long kind;
	char text[8];
};
static int queue = -1, full_queue = -1;
static void c_msgrcv(struct outcome *out)
{
	struct message got = {0};
	queue = msgget(IPC_PRIVATE, 0600);
	CALLED(out, msgrcv(queue, &got, sizeof got.text, 0, 0));
	out->sound = strcmp(got.text, "hello") == 0;
	msgctl(queue, IPC_RMID, 0);
}
static void r_msgrcv(void)
{
	struct message sent = {1, "hello"};
	msgsnd(queue, &sent, sizeof sent.text, 0);
}

static void c_msgsnd(struct outcome *out)
{
	struct message sent = {1, "hello"};
	full_queue = msgget(IPC_PRIVATE, 0600);
	while (msgsnd(full_queue, &sent, sizeof sent.text, IPC_NOWAIT) == 0)
		;
	CALLED(out, msgsnd(full_queue, &sent, sizeof sent.text, 0));
	msgctl(full_queue, IPC_RMID, 0);
}
static void r_msgsnd(void)
{
	struct message got;
	msgrcv(full_queue, &got, sizeof got.text, 0, 0);
}

static int semaphores = -1;
static void c_semop(struct outcome *out)
{
	struct sembuf down = {0, -1, 0};
	semaphores = semget(IPC_PRIVATE, 1, 0600);
	CALLED(out, semop(semaphores, &down, 1));
	semctl(semaphores, 0, IPC_RMID);
}
static void r_semop(void)
{
	struct sembuf up = {0, 1, 0};
	semop(semaphores, &up, 1);
}

static mqd_t messages;
static void c_mq_receive(struct outcome *out)
{
	char name[40], message[8] = {0};
	snprintf(name, sizeof name, "/goheap-waits-%d", getpid());
	struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = sizeof message};
	messages = mq_open(name, O_CREAT | O_RDWR, 0600, &attributes);
	if (messages == -1)
		fail("mq_open");
	mq_unlink(name);
	CALLED(out, mq_receive(messages, message, sizeof message, 0));
	out->sound = strcmp(message, "hello") == 0;
}
static void r_mq_receive(void) { mq_send(messages, "hello", 6, 0); }

// Not waits, but calls that last: what they give is whole until they are told to end.
static volatile int over;
static void c_getrandom(struct outcome *out)
{
	char bytes[256];
	while (!over && out->sound) {
		long got = getrandom(bytes, sizeof bytes, 0);
		out->sound = got == sizeof bytes;
		usleep(50);
	}
}
static void r_over(void) { over = 1; }

// The parent of a vfork sleeps, and not so that it could be interrupted, until its child is gone.
static void c_vfork(struct outcome *out)
{
	while (!over && out->sound) {
		struct timespec little = {0, 5000000};
		pid_t child = vfork();
		if (child == 0) {
			syscall(SYS_nanosleep, &little, 0);
			_exit(9);
		}
		int status = 0;
		CALLED(out, wait4(child, &status, 0, 0));
		out->sound = out->result == child && WIFEXITED(status) && WEXITSTATUS(status) == 9;
		usleep(20000);
	}
	out->result = 0;
}

const struct call other_calls[] = {
	{"futex", c_futex, r_futex},
	{"futex_bitset", c_futex_bitset, r_futex_bitset},
	{"sem_wait", c_sem_wait, r_sem_wait},
	{"cond_wait", c_cond_wait, r_cond_wait},
	{"wait4", c_wait4, r_wait4},
	{"waitid", c_waitid, r_waitid},
	{"setlkw", c_setlkw, r_setlkw},
	{"pause", c_pause, r_pause},
	{"sigsuspend", c_sigsuspend, r_sigsuspend},
	{"sigwaitinfo", c_sigwaitinfo, r_sigwaitinfo},
	{"read_signalfd", c_read_signalfd, r_read_signalfd},
	{"msgrcv", c_msgrcv, r_msgrcv},
	{"msgsnd", c_msgsnd, r_msgsnd},
	{"semop", c_semop, r_semop},
	{"mq_receive", c_mq_receive, r_mq_receive},
	{"getrandom", c_getrandom, r_over},
	{"vfork", c_vfork, r_over},
	{0, 0, 0},
};
