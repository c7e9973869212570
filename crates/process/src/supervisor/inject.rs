//! A system call made in a thread of the target: the one way to ask its kernel for what only it can
//! ask for (a copy of itself, a userfaultfd).
//!
//! The thread must wait in a futex or a sleep. It is let go on to where the kernel restarts that wait,
//! by *its own* system call instruction; at the entry of the call, number and arguments are replaced,
//! and at its exit all registers are put back, those included by which the kernel restarts an
//! interrupted call (`rax`, `orig_rax`). Then it is led through another stop of ours, since only the way
//! out of such a stop restarts the call: a wait with a time limit goes on for what was left of it, and
//! one whose value was changed meanwhile by whoever wanted to wake it comes back at once (futex(2):
//! EAGAIN).
//!
//! Nothing is written into its text or its memory, and its signal mask is left alone. What if this
//! process is killed?
//! - Before the entry: the thread restarts its own wait.
//! - Between the entry and the exit: it makes the call without us.
//! - Behind that: it goes on behind the instruction as if its wait had come back early. Only code that
//!   takes this for what it may always be is used: [`Hosts::sites`], which whoever knows the program
//!   names.
//!
//! A signal that comes before the entry is handed on, and no call was made. Within a call none is
//! delivered; what the kernel did not begin because of one (clone(2): ERESTARTNOINTR) was not made
//! either. The reports of all these stops are left with the kernel ([`sys::wait_until`]), so that a
//! signal is not lost if we are killed before it was handed on.

use std::time::{Duration, Instant};

use goheap_memory::{Addr, Memory};

use super::protocol::{Hosts, RegisterWords};
use super::tracer::Tracer;
use crate::LiveMemory;
use crate::proc;
use crate::sys::{self, Errno, Stop};

/// Places of registers in a `user_regs_struct`.
mod at {
    pub(super) const R10: usize = 7;
    pub(super) const R9: usize = 8;
    pub(super) const R8: usize = 9;
    pub(super) const RAX: usize = 10;
    pub(super) const RDX: usize = 12;
    pub(super) const RSI: usize = 13;
    pub(super) const RDI: usize = 14;
    pub(super) const ORIG_RAX: usize = 15;
    pub(super) const RIP: usize = 16;
}

/// The waits in which a call may be made, by their numbers. One with a time limit that was interrupted
/// before goes by the last of them (restart_syscall(2)).
const WAITS: [u64; 4] = [
    libc::SYS_futex.cast_unsigned(),
    libc::SYS_nanosleep.cast_unsigned(),
    libc::SYS_clock_nanosleep.cast_unsigned(),
    libc::SYS_restart_syscall.cast_unsigned(),
];

/// What `rax` holds of a wait that a stop interrupted and that will be restarted: ERESTARTSYS,
/// ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK (include/linux/errno.h).
const RESTARTS: [i64; 4] = [-512, -513, -514, -516];

/// `syscall`
const INSTRUCTION: [u8; 2] = [0x0f, 0x05];

/// How long one call may take in all: clone(2) copies the page tables of the whole process, about 30 ms
/// for a gigabyte. A thread that is not back then is left alone by the end of this process.
const STUCK: Duration = Duration::from_secs(60);

/// How often a thread may stop for nothing on its way.
const IDLE_STOPS: u32 = 16;

/// A stopped thread in which a call can be made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Host {
    pub(super) tid: u32,
    saved: RegisterWords,
    options: i32,
}

/// A system call: its number and arguments.
pub(super) type Call = [u64; 7];

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// It returned this. The thread is stopped, with its own registers.
    Returned(i64),
    /// It was not made: a signal came first. The thread is stopped, with its own registers.
    Prevented,
    /// The thread ended.
    Ended,
    /// A request to the kernel failed.
    Failed(Errno),
}

/// The stopped thread `tid`, if a call can be made in it.
pub(super) fn host(pid: u32, tid: u32, hosts: &Hosts) -> Option<Host> {
    let saved = sys::register_words(tid).ok()?;
    let site = saved[at::RIP].checked_sub(INSTRUCTION.len() as u64)?;
    let waits = WAITS.contains(&saved[at::ORIG_RAX])
        && RESTARTS.contains(&saved[at::RAX].cast_signed())
        && is_site(site, hosts);
    let mut code = [0; INSTRUCTION.len()];
    let memory = LiveMemory::new(pid, &[]);
    let is_call = waits && memory.read(Addr::new(site), &mut code).is_ok() && code == INSTRUCTION;
    let options = match hosts.suspend_seccomp {
        true => sys::SUSPEND_SECCOMP,
        false => 0,
    };
    // Filters are a matter of each thread.
    let free = is_call && (hosts.suspend_seccomp || !is_filtered(pid, tid));
    free.then_some(Host {
        tid,
        saved,
        options,
    })
}

/// Whether seccomp judges the calls of a thread, or might.
fn is_filtered(pid: u32, tid: u32) -> bool {
    let text = std::fs::read_to_string(proc::path(pid, &format!("task/{tid}/status")));
    let text = text.unwrap_or_default();
    // A kernel without seccomp has no such line.
    let mode = text.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    text.is_empty() || mode.is_some_and(|mode| mode.trim() != "0")
}

fn is_site(site: u64, hosts: &Hosts) -> bool {
    hosts.sites.iter().any(|range| range.contains(&site))
}

/// Threads that wait where a call could be made, told without stopping any.
pub(super) fn candidates(pid: u32, hosts: &Hosts) -> Vec<u32> {
    let tids = proc::tids(pid).unwrap_or_default();
    let fits = |tid: &u32| {
        // proc(5): "NUMBER ARGUMENTS.. SP PC" of a thread that sleeps in a system call.
        let text = std::fs::read_to_string(proc::path(pid, &format!("task/{tid}/syscall")));
        let text = text.unwrap_or_default();
        let mut fields = text.split_whitespace();
        let number = fields.next().and_then(|number| number.parse().ok());
        let pc = fields.next_back().and_then(|pc| pc.strip_prefix("0x"));
        let pc = pc.and_then(|pc| u64::from_str_radix(pc, 16).ok());
        let site = pc.and_then(|pc| pc.checked_sub(INSTRUCTION.len() as u64));
        number.is_some_and(|number| WAITS.contains(&number))
            && site.is_some_and(|site| is_site(site, hosts))
    };
    tids.into_iter().filter(fits).collect()
}

/// Makes `call` in a host that `tracer` holds. `on_child` hears of a child that the call makes, while
/// the call has not returned yet. If that takes until `until`, all other threads are let go, and only
/// this one is waited for.
pub(super) fn make(
    tracer: &mut Tracer,
    host: &Host,
    call: Call,
    until: Instant,
    on_child: &mut dyn FnMut(&mut Tracer, u32),
) -> Made {
    let mut way = Way {
        tracer,
        tid: host.tid,
        until,
        stuck: Instant::now() + STUCK,
    };
    match way.make(host, call, on_child) {
        // Even then its own registers are what it must go on with.
        Ok(Made::Failed(errno)) | Err(errno) => {
            let _best = sys::set_register_words(host.tid, &host.saved);
            Made::Failed(errno)
        }
        Ok(made) => made,
    }
}

/// A host's way through a call.
struct Way<'t> {
    tracer: &'t mut Tracer,
    tid: u32,
    until: Instant,
    stuck: Instant,
}

impl Way<'_> {
    fn make(
        &mut self,
        host: &Host,
        [number, arguments @ ..]: Call,
        on_child: &mut dyn FnMut(&mut Tracer, u32),
    ) -> Result<Made, Errno> {
        let tid = self.tid;
        let options = host.options | libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE;
        sys::set_options(tid, options)?;
        let mut idle = 0;
        loop {
            sys::run_to_call(tid)?;
            match self.wait()? {
                Stop::Call => break,
                // What was left of an interruption; one that stands still with its group, and was seized
                // so, has another. It may run on to the entry all the same, and stays stopped after.
                Stop::Event | Stop::Group if idle < IDLE_STOPS => idle += 1,
                stop => return Ok(self.prevented(stop)),
            }
        }
        let mut registers = sys::register_words(tid)?;
        let entered = registers[at::ORIG_RAX];
        let is_its_wait = registers[at::RIP] == host.saved[at::RIP] && WAITS.contains(&entered);
        if !is_its_wait {
            return Ok(self.prevented(Stop::Call));
        }
        registers[at::ORIG_RAX] = number;
        let places = [at::RDI, at::RSI, at::RDX, at::R10, at::R8, at::R9];
        for (place, argument) in places.into_iter().zip(arguments) {
            registers[place] = argument;
        }
        sys::set_register_words(tid, &registers)?;
        let returned = loop {
            sys::run_to_call(tid)?;
            match self.wait()? {
                Stop::Call => break sys::register_words(tid)?[at::RAX].cast_signed(),
                Stop::Child => {
                    let child = sys::event_message(tid)?;
                    on_child(self.tracer, u32::try_from(child).map_err(|_| libc::EINVAL)?);
                }
                Stop::Event if idle < IDLE_STOPS => idle += 1,
                Stop::Ended => return Ok(self.prevented(Stop::Ended)),
                Stop::Event | Stop::Signal(_) | Stop::Group => return Err(libc::EPROTO),
            }
        };
        sys::set_register_words(tid, &host.saved)?;
        sys::set_options(tid, host.options)?;
        sys::interrupt(tid)?;
        sys::run_on(tid)?;
        let stop = self.wait()?;
        if stop == Stop::Ended {
            return Ok(self.prevented(stop));
        }
        self.tracer.set_signal(tid, Some(signal_of(stop)));
        if sys::register_words(tid)? != host.saved {
            sys::set_register_words(tid, &host.saved)?;
            if sys::register_words(tid)? != host.saved {
                return Err(libc::EUCLEAN);
            }
        }
        match RESTARTS.contains(&returned) {
            true => Ok(Made::Prevented),
            false => Ok(Made::Returned(returned)),
        }
    }

    /// Waits for the next stop. Who holds others for too long lets them go.
    fn wait(&mut self) -> Result<Stop, Errno> {
        if let Some(stop) = sys::wait_until(self.tid, self.until.min(self.stuck))? {
            return Ok(stop);
        }
        self.tracer.let_go_but(self.tid);
        if let Some(stop) = sys::wait_until(self.tid, self.stuck)? {
            return Ok(stop);
        }
        self.tracer.set_running(self.tid);
        Err(libc::ETIMEDOUT)
    }

    /// What is to be said, and kept, of a thread that stopped before a call was made in it: its
    /// registers are its own.
    fn prevented(&mut self, stop: Stop) -> Made {
        let ended = stop == Stop::Ended;
        self.tracer
            .set_signal(self.tid, (!ended).then(|| signal_of(stop)));
        match ended {
            true => Made::Ended,
            false => Made::Prevented,
        }
    }
}

/// The signal that a stopped thread must be let go with.
fn signal_of(stop: Stop) -> i32 {
    match stop {
        Stop::Signal(signal) => signal,
        // A thread that is let go out of its group's stop stays in that.
        Stop::Group | Stop::Event | Stop::Call | Stop::Child | Stop::Ended => 0,
    }
}
