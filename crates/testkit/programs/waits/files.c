// Waits for data, for peers and for locks on files.

#define _GNU_SOURCE
#include "calls.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

enum { LARGE = 1 << 20 };

static const char greeting[] = "hello";

static void send_greeting(int fd)
{
	if (write(fd, greeting, 5) != 5)
		fail("write");
}

static int is_greeting(const char *got) { return memcmp(got, greeting, 5) == 0; }

// A place of its own for a file; it is removed at once where it is not needed by name.
static void file_name(char *name, const char *of)
{
	sprintf(name, "/tmp/goheap-waits-%d-%s", getpid(), of);
}

static int pipe_ends[2];
static void c_read_pipe(struct outcome *out)
{
	char got[8] = {0};
	if (pipe2(pipe_ends, O_CLOEXEC))
		fail("pipe");
	CALLED(out, read(pipe_ends[0], got, 8));
	out->sound = is_greeting(got);
}
static void r_read_pipe(void) { send_greeting(pipe_ends[1]); }

static int pair[2];
static void c_read_socket(struct outcome *out)
{
	char got[8] = {0};
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		fail("socketpair");
	CALLED(out, read(pair[0], got, 8));
	out->sound = is_greeting(got);
}
static void r_read_socket(void) { send_greeting(pair[1]); }

static int datagrams[2];
static void c_recv(struct outcome *out)
{
	char got[8] = {0};
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, datagrams))
		fail("socketpair");
	CALLED(out, recv(datagrams[0], got, 8, 0));
	out->sound = is_greeting(got);
}
static void r_recv(void) { send_greeting(datagrams[1]); }

static int terminal;
static void c_read_terminal(struct outcome *out)
{
	char got[8] = {0};
	terminal = posix_openpt(O_RDWR | O_NOCTTY);
	if (terminal < 0 || grantpt(terminal) || unlockpt(terminal))
		fail("posix_openpt");
	int ours = open(ptsname(terminal), O_RDWR | O_NOCTTY);
	if (ours < 0)
		fail("open a terminal");
	CALLED(out, read(ours, got, 8));
	out->sound = is_greeting(got);
}
static void r_read_terminal(void)
{
	if (write(terminal, "hello\n", 6) != 6)
		fail("write to a terminal");
}

static char noise(long at) { return (char)(at * 31 + at / 4096); }

// Writes to a full pipe or socket, and goes on with the rest after a part.
static void write_all(struct outcome *out, int fd)
{
	char *data = malloc(LARGE);
	for (long i = 0; i < LARGE; i++)
		data[i] = noise(i);
	long done = 0;
	while (done < LARGE) {
		CALLED(out, write(fd, data + done, LARGE - done));
		if (out->result <= 0)
			return;
		done += out->result;
		out->shorts += done < LARGE;
	}
	out->result = done;
	free(data);
}

// Takes all of it, and sees whether it is what was written.
static int take_all(int fd)
{
	char part[4096];
	long done = 0;
	int sound = 1;
	while (done < LARGE) {
		long got = read(fd, part, sizeof part);
		if (got <= 0)
			return 0;
		for (long i = 0; i < got; i++)
			sound &= part[i] == noise(done + i);
		done += got;
	}
	return sound;
}

static int wide_ends[2], wide_sound;
static void c_write_pipe_part(struct outcome *out)
{
	if (pipe2(wide_ends, O_CLOEXEC))
		fail("pipe");
	write_all(out, wide_ends[1]);
	while (!__atomic_load_n(&wide_sound, __ATOMIC_ACQUIRE))
		usleep(1000);
	out->sound = wide_sound == 1;
}
static void r_write_pipe_part(void)
{
	__atomic_store_n(&wide_sound, take_all(wide_ends[0]) ? 1 : 2, __ATOMIC_RELEASE);
}

static int wide_pair[2], wide_pair_sound;
static void c_write_socket_part(struct outcome *out)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, wide_pair))
		fail("socketpair");
	write_all(out, wide_pair[1]);
	while (!__atomic_load_n(&wide_pair_sound, __ATOMIC_ACQUIRE))
		usleep(1000);
	out->sound = wide_pair_sound == 1;
}
static void r_write_socket_part(void)
{
	__atomic_store_n(&wide_pair_sound, take_all(wide_pair[0]) ? 1 : 2, __ATOMIC_RELEASE);
}

static int full_ends[2];
static void c_write_pipe_none(struct outcome *out)
{
	static char page[4096];
	if (pipe2(full_ends, O_CLOEXEC | O_NONBLOCK))
		fail("pipe");
	while (write(full_ends[1], page, sizeof page) > 0)
		;
	if (fcntl(full_ends[1], F_SETFL, 0))
		fail("fcntl");
	// At most PIPE_BUF: all of it or nothing (pipe(7)).
	CALLED(out, write(full_ends[1], page, sizeof page));
}
static void r_write_pipe_none(void)
{
	static char page[4096];
	if (read(full_ends[0], page, sizeof page) != sizeof page)
		fail("read");
}

static struct sockaddr_un listen_on(int *listener, int backlog)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	socklen_t size = sizeof name;
	*listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(*listener, (void *)&name, sizeof name.sun_family) || listen(*listener, backlog) ||
	    getsockname(*listener, (void *)&name, &size))
		fail("listen");
	return name;
}

// The kernel's names are a zero and five digits.
static const socklen_t NAME_SIZE = sizeof(sa_family_t) + 6;

static int accepting;
static struct sockaddr_un accepting_name;
static void c_accept(struct outcome *out)
{
	accepting_name = listen_on(&accepting, 4);
	CALLED(out, accept(accepting, 0, 0));
	out->sound = out->result >= 0;
	out->result = out->result >= 0 ? 0 : -1;
}
static void r_accept(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (void *)&accepting_name, NAME_SIZE))
		fail("connect");
}

static int crowded;
static void c_connect(struct outcome *out)
{
	struct sockaddr_un name = listen_on(&crowded, 0);
	int first = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int second = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	// A backlog of 0 takes one.
	if (connect(first, (void *)&name, NAME_SIZE))
		fail("connect");
	CALLED(out, connect(second, (void *)&name, NAME_SIZE));
}
static void r_connect(void)
{
	if (accept(crowded, 0, 0) < 0)
		fail("accept");
}

static int flocked;
static void c_flock(struct outcome *out)
{
	char name[64];
	file_name(name, "flock");
	flocked = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	int other = open(name, O_RDWR | O_CLOEXEC);
	unlink(name);
	if (flock(flocked, LOCK_EX))
		fail("flock");
	CALLED(out, flock(other, LOCK_EX));
}
static void r_flock(void) { flock(flocked, LOCK_UN); }

static int ofd_locked;
static void c_ofd_setlkw(struct outcome *out)
{
	char name[64];
	struct flock whole = {.l_type = F_WRLCK};
	file_name(name, "ofd");
	ofd_locked = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	int other = open(name, O_RDWR | O_CLOEXEC);
	unlink(name);
	if (fcntl(ofd_locked, F_OFD_SETLK, &whole))
		fail("F_OFD_SETLK");
	CALLED(out, fcntl(other, F_OFD_SETLKW, &whole));
}
static void r_ofd_setlkw(void)
{
	struct flock whole = {.l_type = F_UNLCK};
	fcntl(ofd_locked, F_OFD_SETLK, &whole);
}

static char fifo[64];
static void c_open_fifo(struct outcome *out)
{
	file_name(fifo, "fifo");
	if (mkfifo(fifo, 0600))
		fail("mkfifo");
	CALLED(out, open(fifo, O_RDONLY | O_CLOEXEC));
	out->sound = out->result >= 0;
	out->result = out->result >= 0 ? 0 : -1;
	unlink(fifo);
}
static void r_open_fifo(void) { open(fifo, O_WRONLY | O_CLOEXEC); }

static int events;
static void c_read_eventfd(struct outcome *out)
{
	uint64_t got = 0;
	events = eventfd(0, EFD_CLOEXEC);
	CALLED(out, read(events, &got, 8));
	out->sound = got == 7;
}
static void r_read_eventfd(void)
{
	uint64_t seven = 7;
	if (write(events, &seven, 8) != 8)
		fail("write");
}

static char watched[64];
static void c_read_inotify(struct outcome *out)
{
	char got[512];
	file_name(watched, "watched");
	int watch = inotify_init1(IN_CLOEXEC);
	close(open(watched, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	if (inotify_add_watch(watch, watched, IN_ATTRIB) < 0)
		fail("inotify_add_watch");
	CALLED(out, read(watch, got, sizeof got));
	out->sound = ((struct inotify_event *)got)->mask == IN_ATTRIB;
	out->result = out->result >= (long)sizeof(struct inotify_event) ? 0 : -1;
	unlink(watched);
}
static void r_read_inotify(void) { chmod(watched, 0640); }

const struct call file_calls[] = {
	{"read_pipe", c_read_pipe, r_read_pipe},
	{"read_socket", c_read_socket, r_read_socket},
	{"recv", c_recv, r_recv},
	{"read_terminal", c_read_terminal, r_read_terminal},
	{"write_pipe_part", c_write_pipe_part, r_write_pipe_part},
	{"write_socket_part", c_write_socket_part, r_write_socket_part},
	{"write_pipe_none", c_write_pipe_none, r_write_pipe_none},
	{"accept", c_accept, r_accept},
	{"connect", c_connect, r_connect},
	{"flock", c_flock, r_flock},
	{"ofd_setlkw", c_ofd_setlkw, r_ofd_setlkw},
	{"open_fifo", c_open_fifo, r_open_fifo},
	{"read_eventfd", c_read_eventfd, r_read_eventfd},
	{"read_inotify", c_read_inotify, r_read_inotify},
	{0, 0, 0},
};
