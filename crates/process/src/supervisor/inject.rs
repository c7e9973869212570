//! A system call made in a thread of the target: the one way to ask its kernel for what only it can
//! ask for (a copy of itself, a userfaultfd).
//!
//! The thread must wait in a futex or a sleep, and the call is made by *its own* system call
//! instruction, the one that it waits in. Nothing is written into its text or its memory, and its
//! signal mask is left alone. So if this process is killed at any moment here, the thread goes on
//! behind that instruction as if its wait had come back early, and only code that takes this for what
//! it may always be is used: [`Hosts::sites`], which whoever knows the program names.
//!
//! Afterwards the registers are as they were, those included by which the kernel restarts an
//! interrupted call (`rax`, `orig_rax`), and the thread is led through another stop of ours, since
//! only the way out of such a stop restarts the call. A wait with a time limit then goes on for what
//! was left of it.

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

/// The waits in which a call may be made, by their numbers.
const WAITS: [u64; 3] = [
    libc::SYS_futex.cast_unsigned(),
    libc::SYS_nanosleep.cast_unsigned(),
    libc::SYS_clock_nanosleep.cast_unsigned(),
];

/// What `rax` holds of a wait that a stop interrupted and that will be restarted: ERESTARTSYS,
/// ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK (include/linux/errno.h).
const RESTARTS: [i64; 4] = [-512, -513, -514, -516];

/// `syscall`
const INSTRUCTION: [u8; 2] = [0x0f, 0x05];

/// PTRACE_O_SUSPEND_SECCOMP (include/uapi/linux/ptrace.h), which libc names for glibc alone.
const SUSPEND_SECCOMP: i32 = 1 << 21;

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
    NotMade,
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
    let options = match hosts.suspend_seccomp {
        true => SUSPEND_SECCOMP,
        false => 0,
    };
    (waits && memory.read(Addr::new(site), &mut code).is_ok() && code == INSTRUCTION).then_some(
        Host {
            tid,
            saved,
            options,
        },
    )
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
/// the call has not returned yet.
pub(super) fn make(
    tracer: &mut Tracer,
    host: &Host,
    call: Call,
    on_child: &mut dyn FnMut(&mut Tracer, u32),
) -> Made {
    let made = run(tracer, host, call, on_child);
    match made {
        // Even then its own registers are what it must go on with.
        Ok(Made::Failed(errno)) | Err(errno) => {
            let _best = sys::set_register_words(host.tid, &host.saved);
            Made::Failed(errno)
        }
        Ok(made) => made,
    }
}

fn run(
    tracer: &mut Tracer,
    host: &Host,
    [number, arguments @ ..]: Call,
    on_child: &mut dyn FnMut(&mut Tracer, u32),
) -> Result<Made, Errno> {
    let tid = host.tid;
    let mut registers = host.saved;
    registers[at::RIP] -= INSTRUCTION.len() as u64;
    registers[at::RAX] = number;
    // Not in a system call: nothing of the interrupted one is restarted on the way.
    registers[at::ORIG_RAX] = u64::MAX;
    let places = [at::RDI, at::RSI, at::RDX, at::R10, at::R8, at::R9];
    for (place, argument) in places.into_iter().zip(arguments) {
        registers[place] = argument;
    }
    let options = host.options | libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE;
    sys::set_options(tid, options)?;
    sys::set_register_words(tid, &registers)?;
    let mut entered = false;
    let returned = loop {
        sys::run_to_call(tid)?;
        match sys::wait(tid)? {
            Stop::Call if !entered => entered = true,
            Stop::Call => break sys::register_words(tid)?[at::RAX].cast_signed(),
            Stop::Child => {
                let child = sys::event_message(tid)?;
                on_child(tracer, u32::try_from(child).map_err(|_| libc::EINVAL)?);
            }
            // What was left of an interruption.
            Stop::Event => {}
            stop @ (Stop::Signal(_) | Stop::Group) => {
                sys::set_register_words(tid, &host.saved)?;
                tracer.set_signal(tid, Some(signal_of(stop)));
                return Ok(Made::NotMade);
            }
            Stop::Ended => {
                tracer.set_signal(tid, None);
                return Ok(Made::Ended);
            }
        }
    };
    sys::set_register_words(tid, &host.saved)?;
    sys::set_options(tid, host.options)?;
    sys::interrupt(tid)?;
    sys::run_on(tid)?;
    match sys::wait(tid)? {
        Stop::Ended => {
            tracer.set_signal(tid, None);
            Ok(Made::Ended)
        }
        stop => {
            tracer.set_signal(tid, Some(signal_of(stop)));
            Ok(Made::Returned(returned))
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
