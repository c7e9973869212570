// What a capture must not change: live registers, signals, children, timers.

#ifndef TRACES_H
#define TRACES_H

struct counts {
	long spins;      // rounds with all registers live in a loop
	long naps;       // rounds with all registers live in a sleep
	long wrong;      // registers that were not as they should be afterwards
	long sigchld;    // SIGCHLD that came
	long children;   // what wait4(-1) gave other than ECHILD
	long alarms;     // SIGALRM of an interval timer
	long expired;    // expirations of a timer of timer_create, those that were overrun included
	long due;        // how many are due
	long ticks;      // expirations of a timerfd
};

void set_up(void);
struct counts count(void);
// A vfork whose child lives for so long; its exit status.
int long_vfork(long ms);

#endif
