//! goheap, or its supervisor, killed or stopped for a while at its n-th system call.
//!
//! This is what strace's injection does, for one process of two: calls are counted of one of them
//! alone, and the blow falls before the kernel begins the call. Whoever waits by asking again and again
//! makes the more calls the busier the machine is, and no two of them differ: a question that is repeated
//! with nothing but such questions in between counts once. A sweep may also take a row of calls that
//! change nothing outside goheap as one ([`Counted::Rows`]).

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::{Error, Result};

/// How long a goheap may take in all.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long to sleep when none of the traced has anything to report.
const SLEEP: Duration = Duration::from_micros(20);

/// Calls by which a process waits: clock_nanosleep, nanosleep, waitid, wait4, poll, ppoll.
const WAITS: [i64; 6] = [
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_waitid,
    libc::SYS_wait4,
    libc::SYS_poll,
    libc::SYS_ppoll,
];

/// Calls that change nothing outside goheap: reads of memory, at a place of a file and of a process,
/// writes of copied pages at theirs, and waiting for another of its threads.
const ALONE: [i64; 4] = [
    libc::SYS_pread64,
    libc::SYS_process_vm_readv,
    libc::SYS_pwrite64,
    libc::SYS_futex,
];

/// Which calls are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Each one.
    Each,
    /// Of those that change nothing outside goheap, made by one thread in a row, the first alone: between
    /// them nothing is otherwise than before the first.
    Rows,
}

/// Who is struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// goheap itself.
    Goheap,
    /// The process that it forks, which traces the target.
    Supervisor,
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    /// Nothing: calls are counted.
    None,
    /// SIGKILL. Of goheap the calls of all threads are counted.
    Kill,
    /// SIGSTOP, and SIGCONT after this time. Of goheap the calls of its main thread are counted.
    Stop(Duration),
}

/// What came of it.
#[derive(Debug)]
pub struct Struck {
    /// How many system calls of the victim were counted, the one before which it was struck included.
    pub calls: u64,
    /// The number of that call; `None` if there were not so many.
    pub hit: Option<u64>,
    /// How goheap ended.
    pub ended: WaitStatus,
    /// What it said.
    pub said: String,
}

/// Runs goheap, and strikes the victim before its `at`th system call, counted from 1.
///
/// # Errors
/// If goheap cannot be run or traced, or does not end.
pub fn strike(
    goheap: &Path,
    arguments: &[&str],
    victim: Victim,
    at: u64,
    blow: Blow,
    counted: Counted,
) -> Result<Struck> {
    // It stops itself, so that nothing is missed.
    let mut child = Command::new("sh")
        .args(["-c", "kill -STOP $$; exec \"$0\" \"$@\""])
        .arg(goheap)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Spawn {
            program: "sh".to_owned(),
            source,
        })?;
    let main = Pid::from_raw(child.id().cast_signed());
    let stderr = child.stderr.take();
    let mut run = Run {
        main,
        victim,
        at,
        blow,
        counted,
        last: BTreeMap::new(),
        tracees: BTreeMap::from([(main, Victim::Goheap)]),
        runs_goheap: false,
        calls: 0,
        asked: BTreeSet::new(),
        hit: None,
        ended: None,
        wake: None,
    };
    let ended = run.until_all_ended().map_err(|errno| {
        // It is ours still, whatever failed.
        let _ = kill(main, Signal::SIGKILL);
        Error::Spawn {
            program: goheap.display().to_string(),
            source: errno.into(),
        }
    })?;
    let mut said = String::new();
    if let Some(mut stderr) = stderr {
        // What is no text is of no use here.
        let _ = stderr.read_to_string(&mut said);
    }
    Ok(Struck {
        calls: run.calls,
        hit: run.hit,
        ended,
        said,
    })
}

/// A goheap under way.
struct Run {
    main: Pid,
    victim: Victim,
    at: u64,
    blow: Blow,
    counted: Counted,
    /// The call that each thread made last.
    last: BTreeMap<Pid, i64>,
    /// Who is traced, and of whom it is a thread.
    tracees: BTreeMap<Pid, Victim>,
    /// Whether the shell is over.
    runs_goheap: bool,
    calls: u64,
    /// What each of its threads has asked since it did anything else: call, and its first two arguments.
    asked: BTreeSet<(Pid, [u64; 3])>,
    hit: Option<u64>,
    ended: Option<WaitStatus>,
    /// Who must be sent SIGCONT, and when.
    wake: Option<(Pid, Instant)>,
}

impl Run {
    fn until_all_ended(&mut self) -> nix::Result<WaitStatus> {
        waitpid(self.main, Some(WaitPidFlag::WUNTRACED))?;
        let mut options = Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL;
        if self.blow == Blow::Kill {
            options |= Options::PTRACE_O_TRACECLONE;
        }
        ptrace::seize(self.main, options)?;
        kill(self.main, Signal::SIGCONT)?;
        let patience = Instant::now() + PATIENCE;
        loop {
            if let Some((whom, when)) = self.wake
                && Instant::now() >= when
            {
                self.wake = None;
                match kill(whom, Signal::SIGCONT) {
                    // A supervisor that stands still is given up by goheap, and killed.
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(errno) => return Err(errno),
                }
            }
            let mut any = false;
            for pid in self.tracees.keys().copied().collect::<Vec<_>>() {
                let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
                match waitpid(pid, Some(flags)) {
                    Ok(WaitStatus::StillAlive) => {}
                    Ok(status) => {
                        any = true;
                        match self.report(pid, status) {
                            // Killed while it stood still.
                            Ok(()) | Err(Errno::ESRCH) => {}
                            Err(errno) => return Err(errno),
                        }
                    }
                    Err(Errno::ECHILD) => {
                        self.tracees.remove(&pid);
                    }
                    Err(errno) => return Err(errno),
                }
            }
            match self.ended {
                Some(ended) if self.tracees.is_empty() && self.wake.is_none() => return Ok(ended),
                _ if Instant::now() >= patience => return Err(Errno::ETIMEDOUT),
                _ if any => {}
                _ => thread::sleep(SLEEP),
            }
        }
    }

    fn report(&mut self, pid: Pid, status: WaitStatus) -> nix::Result<()> {
        let role = self.tracees.get(&pid).copied().unwrap_or(Victim::Goheap);
        match status {
            WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                self.tracees.remove(&pid);
                if pid == self.main {
                    self.ended = Some(status);
                }
                Ok(())
            }
            WaitStatus::PtraceEvent(_, _, event) => {
                match event {
                    libc::PTRACE_EVENT_EXEC => self.runs_goheap = true,
                    libc::PTRACE_EVENT_FORK => self.born(pid, Victim::Supervisor)?,
                    libc::PTRACE_EVENT_CLONE => self.born(pid, role)?,
                    // The first stop of the one that is of no interest, and must not be slowed down.
                    libc::PTRACE_EVENT_STOP
                        if role == Victim::Supervisor && self.victim == Victim::Goheap =>
                    {
                        self.tracees.remove(&pid);
                        return ptrace::detach(pid, None);
                    }
                    _ => {}
                }
                self.run_on(pid, role, None)
            }
            WaitStatus::PtraceSyscall(_) => self.at_call(pid, role),
            WaitStatus::Stopped(_, signal) => self.run_on(pid, role, Some(signal)),
            _ => self.run_on(pid, role, None),
        }
    }

    fn born(&mut self, parent: Pid, role: Victim) -> nix::Result<()> {
        let child = Pid::from_raw(ptrace::getevent(parent)? as libc::pid_t);
        self.tracees.insert(child, role);
        Ok(())
    }

    fn run_on(&self, pid: Pid, role: Victim, signal: Option<Signal>) -> nix::Result<()> {
        match role == self.victim {
            true => ptrace::syscall(pid, signal),
            false => ptrace::cont(pid, signal),
        }
    }

    /// Whether a call is a wait that this thread has made already, and nothing else since.
    fn is_asked_again(&mut self, pid: Pid, registers: &libc::user_regs_struct) -> bool {
        let number = registers.orig_rax;
        if WAITS.contains(&number.cast_signed()) {
            // How long it sleeps says nothing.
            let what = match number.cast_signed() {
                libc::SYS_clock_nanosleep | libc::SYS_nanosleep => [number, 0, 0],
                _ => [number, registers.rdi, registers.rsi],
            };
            return !self.asked.insert((pid, what));
        }
        self.asked.retain(|(of, _)| *of != pid);
        false
    }

    /// Whether a call is not the first of its row.
    fn is_in_a_row(&mut self, pid: Pid, number: i64) -> bool {
        let before = self.last.insert(pid, number);
        self.counted == Counted::Rows && before == Some(number) && ALONE.contains(&number)
    }

    fn at_call(&mut self, pid: Pid, role: Victim) -> nix::Result<()> {
        let registers = ptrace::getregs(pid)?;
        // What the kernel puts there before a call (arch/x86/entry); nothing that is called here fails
        // like that.
        let is_entry = registers.rax.cast_signed() == -i64::from(libc::ENOSYS);
        if !self.runs_goheap || role != self.victim || !is_entry || self.hit.is_some() {
            return self.run_on(pid, role, None);
        }
        let asked_again = self.is_asked_again(pid, &registers);
        if asked_again || self.is_in_a_row(pid, registers.orig_rax.cast_signed()) {
            return self.run_on(pid, role, None);
        }
        self.calls += 1;
        if self.calls != self.at {
            return self.run_on(pid, role, None);
        }
        let number = registers.orig_rax;
        match self.blow {
            Blow::None => self.run_on(pid, role, None),
            Blow::Kill => {
                self.hit = Some(number);
                let whom = if role == Victim::Goheap {
                    self.main
                } else {
                    pid
                };
                kill(whom, Signal::SIGKILL)
            }
            Blow::Stop(time) => {
                self.hit = Some(number);
                self.wake = Some((pid, Instant::now() + time));
                if pid != self.main {
                    self.tracees.remove(&pid);
                }
                ptrace::detach(pid, Signal::SIGSTOP)
            }
        }
    }
}
