//! System calls that a process waits in while it is captured: what each of them gives, how long it
//! takes and what it transfers, as the program itself tells; in threads of C's and of Go's.
//!
//! Most restart by themselves after a stop. Of the others signal(7) says that they come back with
//! EINTR "after the process is stopped by one of the stop signals", which is what any stop by ptrace
//! does to them: those are named in [`Disturbed`], and nothing else is allowed for.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use goheap_testkit::obedient::Obedient;

use crate::{METHODS, capture, is_open, program};

const EINTR: i64 = 4;
const EAGAIN: i64 = 11;
const ETIMEDOUT: i64 = 110;

/// How a stop may show in a call, at most once for each stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disturbed {
    /// Not at all.
    Never,
    /// EINTR. signal(7), of stop signals: epoll_wait, semop and semtimedop, sigtimedwait and
    /// sigwaitinfo, and what waits for sockets with SO_RCVTIMEO. io_getevents as well, by the kernel's
    /// source (fs/aio.c: `if (!ret && signal_pending(current)) ret = -EINTR`).
    Interrupted,
    /// It returns short after it has transferred a part (write(2): "interrupted by a signal handler
    /// after having written some bytes"; the kernel looks at whether anything is pending).
    Short,
}

use Disturbed::{Interrupted, Never, Short};

/// What each call must come to: what it returns, errno if that is -1, and how a stop may show.
const CALLS: &[(&str, i64, i64, Disturbed)] = &[
    ("c nanosleep", 0, 0, Never),
    ("c clock_nanosleep", 0, 0, Never),
    ("c clock_nanosleep_until", 0, 0, Never),
    ("c poll", 0, 0, Never),
    ("c ppoll", 0, 0, Never),
    ("c select", 0, 0, Never),
    ("c pselect", 0, 0, Never),
    ("c epoll_wait", 0, 0, Interrupted),
    ("c futex_timed", -1, ETIMEDOUT, Never),
    ("c futex_bitset_timed", -1, ETIMEDOUT, Never),
    ("c sem_timedwait", -1, ETIMEDOUT, Never),
    ("c cond_timedwait", -1, ETIMEDOUT, Never),
    ("c recv_timeout", -1, EAGAIN, Interrupted),
    ("c accept_timeout", -1, EAGAIN, Interrupted),
    ("c sigtimedwait", -1, EAGAIN, Interrupted),
    ("c semtimedop", -1, EAGAIN, Interrupted),
    ("c mq_timedreceive", -1, ETIMEDOUT, Never),
    ("c io_getevents", 0, 0, Interrupted),
    ("c timerfd_read", 8, 0, Never),
    ("c read_pipe", 5, 0, Never),
    ("c read_socket", 5, 0, Never),
    ("c recv", 5, 0, Never),
    ("c read_terminal", 6, 0, Never),
    ("c write_pipe_part", 1 << 20, 0, Short),
    ("c write_socket_part", 1 << 20, 0, Short),
    ("c write_pipe_none", 4096, 0, Never),
    ("c accept", 0, 0, Never),
    ("c connect", 0, 0, Never),
    ("c flock", 0, 0, Never),
    ("c ofd_setlkw", 0, 0, Never),
    ("c open_fifo", 0, 0, Never),
    ("c read_eventfd", 8, 0, Never),
    ("c read_inotify", 0, 0, Never),
    ("c futex", 0, 0, Never),
    ("c futex_bitset", 0, 0, Never),
    ("c sem_wait", 0, 0, Never),
    ("c cond_wait", 0, 0, Never),
    ("c wait4", 0, 0, Never),
    ("c waitid", 0, 0, Never),
    ("c setlkw", 0, 0, Never),
    // The signal that ends them is the program's own; it comes once.
    ("c pause", -1, EINTR, Never),
    ("c sigsuspend", -1, EINTR, Never),
    ("c sigwaitinfo", 0, 0, Interrupted),
    ("c read_signalfd", 128, 0, Never),
    ("c msgrcv", 8, 0, Never),
    ("c msgsnd", 0, 0, Never),
    ("c semop", 0, 0, Interrupted),
    ("c mq_receive", 6, 0, Never),
    ("c getrandom", 0, 0, Never),
    ("c vfork", 0, 0, Never),
    ("go time.Sleep", 0, 0, Never),
    ("go time.After", 0, 0, Never),
    ("go Nanosleep", 0, 0, Never),
    ("go Select", 0, 0, Never),
    ("go EpollWait", 0, 0, Interrupted),
    ("go net.Conn.Read/deadline", 0, 0, Never),
    ("go Read", 5, 0, Never),
    ("go os.File.Read", 5, 0, Never),
    // Go goes on with the rest by itself.
    ("go os.File.Write/part", 1 << 20, 0, Never),
    ("go net.Conn.Read", 5, 0, Never),
    ("go net.Accept", 0, 0, Never),
    ("go Flock", 0, 0, Never),
    ("go exec.Cmd.Wait", 0, 0, Never),
    ("go sync.Mutex", 0, 0, Never),
    ("go channel", 0, 0, Never),
];

/// What a call came to, as the program tells.
#[derive(Debug)]
struct Came {
    timed: bool,
    result: i64,
    errno: i64,
    interrupted: u64,
    short: u64,
    sound: bool,
    waited_ms: u64,
}

impl Came {
    /// `call LANGUAGE NAME HOW RESULT ERRNO EINTR SHORTS SOUND WAITED`
    fn parse(line: &str) -> Option<(String, Came)> {
        let words: Vec<&str> = line.strip_prefix("call ")?.split(' ').collect();
        let [
            language,
            name,
            how,
            result,
            errno,
            interrupted,
            short,
            sound,
            waited,
        ] = words[..]
        else {
            return None;
        };
        let came = Came {
            timed: how == "timed",
            result: result.parse().ok()?,
            errno: errno.parse().ok()?,
            interrupted: interrupted.parse().ok()?,
            short: short.parse().ok()?,
            sound: sound.parse().ok()?,
            waited_ms: waited.parse().ok()?,
        };
        Some((format!("{language} {name}"), came))
    }

    /// What is wrong with it, if something is.
    fn wrong(
        &self,
        expected: &(&str, i64, i64, Disturbed),
        stops: u64,
        wait: u64,
    ) -> Option<String> {
        let &(_, result, errno, disturbed) = expected;
        let allowed = |which| if disturbed == which { stops } else { 0 };
        let right = self.result == result
            && self.errno == errno
            && self.sound
            && self.interrupted <= allowed(Interrupted)
            && self.short <= allowed(Short);
        if !right {
            return Some(format!("after {stops} stops not as expected"));
        }
        // One that had begun anew at the last capture, which ends in the second half, would take half
        // as long again. Clocks may be set, by as little as this, meanwhile.
        let in_time = wait.saturating_sub(5)..=wait + wait * 2 / 5;
        (self.timed && !in_time.contains(&self.waited_ms))
            .then(|| format!("{wait} ms was its time"))
    }
}

fn undisturbed_by(method: &str) {
    let program = program("waits", true);
    // On a machine that is so busy that a wait is over before there were captures, a longer wait is
    // tried.
    for wait in [3_000_u64, 9_000, 27_000] {
        // Go's own signals interrupt its system calls, too.
        let quiet = [("GODEBUG", "asyncpreemptoff=1")];
        let mut running = Obedient::start_in(&program, &[], &quiet).expect("a program");
        if !is_open(method, running.pid()) {
            return;
        }
        let begun = Instant::now();
        running
            .ask(&format!("begin {wait}"), "begun")
            .expect("begun");
        let (mut captures, mut stops) = (0, 0);
        while begun.elapsed() < Duration::from_millis(wait * 6 / 10) {
            stops += capture(running.pid(), method);
            captures += 1;
        }
        let in_time = begun.elapsed() < Duration::from_millis(wait * 9 / 10);
        running.ask("release", "over").expect("all come back");
        if captures >= 2 && in_time {
            let said = running.said();
            // A thread is interrupted, too, where it is looked at for whether a call could be made in
            // it. On a busy machine it may be several, and these are not told.
            let looks = match wait == 27_000 {
                true => 0,
                false => more_interrupted(&said, stops, wait),
            };
            if looks > 0 {
                eprintln!("{stops} stops, and {looks} interrupted by more: again");
                continue;
            }
            judge(&said, stops, wait, method);
            return;
        }
        eprintln!("{captures} captures took {:?}: again", begun.elapsed());
    }
    panic!("this machine is too busy");
}

/// How many calls that a stop interrupts were right but for having been interrupted more often than there
/// were stops.
fn more_interrupted(said: &str, stops: u64, wait: u64) -> usize {
    let came: HashMap<String, Came> = said.lines().filter_map(Came::parse).collect();
    let is_one = |expected: &&(&str, i64, i64, Disturbed)| {
        let Some(came) = came.get(expected.0) else {
            return false;
        };
        let more = expected.3 == Interrupted && came.interrupted > stops;
        more && came.wrong(expected, came.interrupted, wait).is_none()
    };
    CALLS.iter().filter(is_one).count()
}

fn judge(said: &str, stops: u64, wait: u64, method: &str) {
    let came: HashMap<String, Came> = said.lines().filter_map(Came::parse).collect();
    let mut wrong = Vec::new();
    for expected in CALLS {
        match came.get(expected.0) {
            None => wrong.push(format!("{}: did not come back", expected.0)),
            Some(came) => {
                let why = came.wrong(expected, stops, wait);
                wrong.extend(why.map(|why| format!("{}: {why}: {came:?}", expected.0)));
            }
        }
    }
    assert_eq!(came.len(), CALLS.len(), "calls that are not in the list");
    assert!(wrong.is_empty(), "--method {method}: {wrong:#?}");
}

#[test]
fn no_call_is_disturbed_by_a_stop() {
    undisturbed_by(METHODS[0]);
}

#[test]
fn no_call_is_disturbed_by_a_fork() {
    undisturbed_by(METHODS[1]);
}

#[test]
fn no_call_is_disturbed_by_a_pre_copy() {
    undisturbed_by(METHODS[2]);
}
