//! The entry twin: a Go program stopped where its `debug.WriteHeapDump` has stopped the world and
//! done nothing else yet, so that caches are not flushed and spans not swept.
//!
//! The place is the entry of `runtime.readmemstats_m` (runtime/heapdump.go, go1.19 to go1.27: the
//! first thing behind stopTheWorld). It is found by a breakpoint of the processor, set on every
//! thread by ptrace: nothing is written into the program. A process has one tracer, so the harness
//! lets go before anybody else looks: it leaves the process in a SIGSTOP that was pending when its
//! threads were let go, so that none of them runs an instruction in between.

use std::collections::{HashMap, HashSet};
use std::ffi::c_void;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::program::Program;
use crate::symbols::Symbols;
use crate::target::{PATIENCE, Running};
use crate::{Error, Result, procfs, second_reader};

/// The function at whose entry the program is stopped.
const FUNCTION: &str = "runtime.readmemstats_m";

/// Offset of `u_debugreg` in `struct user` on x86-64 (sys/user.h).
const DEBUG_REGISTERS: usize = 848;

/// Bit 0 of DR7 turns breakpoint 0 on for the thread; zeroes in bits 16 to 19 mean "when executed".
const ENABLE_FIRST: i64 = 1;

/// A program that is stopped, by SIGSTOP, at the entry of `runtime.readmemstats_m`, its world
/// stopped by its own `WriteHeapDump`.
#[derive(Debug)]
pub struct Entry {
    running: Running,
    program: Program,
    load_bias: u64,
    dump: PathBuf,
}

impl Entry {
    /// Starts the program, lets it set itself up, orders a dump, and stops it where that begins. The
    /// dump will be written into `folder`.
    ///
    /// # Errors
    /// A program that ends, or does not come by in two minutes; a kernel that forbids ptrace.
    pub fn start(
        program: &Program,
        environment: &[(&str, &str)],
        folder: &std::path::Path,
    ) -> Result<Entry> {
        let symbols = Symbols::of(program)?;
        let Some(function) = symbols.named(FUNCTION).map(|s| s.address) else {
            let executable = program.executable.clone();
            return Err(Error::NoSymbol {
                executable,
                name: FUNCTION.to_owned(),
            });
        };
        let none: [&str; 0] = [];
        let mut running = Running::start(program, none, environment, Stdio::null())?;
        running.hear("ready", "be ready")?;
        let load_bias = procfs::load_bias(running.pid(), &program.executable, &symbols)?;
        let dump = folder.join(format!("runtime.{}", running.pid()));
        let mut trap = Trap {
            pid: Pid::from_raw(running.pid().cast_signed()),
            address: function.wrapping_add(load_bias),
            traced: HashSet::new(),
        };
        trap.seize()?;
        running.tell(&format!("dump {}", dump.display()))?;
        trap.wait_for_hit(&mut running)?;
        trap.leave_stopped()?;
        Ok(Entry {
            running,
            program: program.clone(),
            load_bias,
            dump,
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What must be added to an address of the executable to get the one in the process.
    pub fn load_bias(&self) -> u64 {
        self.load_bias
    }

    /// Lets it go on to the end of its dump, and gives that.
    ///
    /// # Errors
    /// A program that dies on the way, or a dump that is not whole.
    pub fn finish(self) -> Result<Vec<u8>> {
        let pid = self.running.pid().cast_signed();
        kill(Pid::from_raw(pid), Signal::SIGCONT).map_err(Error::thread("continue", pid))?;
        self.running.hear("took", "finish its dump")?;
        let dump = std::fs::read(&self.dump).map_err(Error::io("read", &self.dump))?;
        second_reader::read(&dump).map_err(|source| Error::Dump {
            program: self.program.name,
            source,
        })?;
        Ok(dump)
    }
}

/// A breakpoint on all threads of a process.
struct Trap {
    pid: Pid,
    address: u64,
    traced: HashSet<i32>,
}

impl Trap {
    /// Attaches to all threads, and sets the breakpoint in each.
    fn seize(&mut self) -> Result<()> {
        loop {
            let mut fresh = false;
            for tid in procfs::thread_ids(self.pid.as_raw().cast_unsigned())? {
                if self.traced.contains(&tid) {
                    continue;
                }
                match ptrace::seize(Pid::from_raw(tid), Options::PTRACE_O_TRACECLONE) {
                    Ok(()) => {}
                    // It has ended, or it was born of a traced thread and is attached already.
                    Err(Errno::ESRCH) => continue,
                    Err(Errno::EPERM) if !self.traced.is_empty() => {}
                    Err(errno) => return Err(Error::thread("attach to", tid)(errno)),
                }
                self.traced.insert(tid);
                fresh = true;
                // Where it is stopped already, this changes nothing.
                let _ = ptrace::interrupt(Pid::from_raw(tid));
                self.arm_when_stopped(tid)?;
            }
            if !fresh {
                return Ok(());
            }
        }
    }

    /// Waits for a thread to stop, sets the breakpoint and lets it go on.
    fn arm_when_stopped(&mut self, tid: i32) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match poll(tid)? {
                Some(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => return Ok(()),
                Some(WaitStatus::PtraceEvent(_, _, event)) => {
                    self.arm(tid)?;
                    resume(tid, None)?;
                    if event == nix::libc::PTRACE_EVENT_STOP {
                        return Ok(());
                    }
                }
                Some(WaitStatus::Stopped(_, signal)) => {
                    self.arm(tid)?;
                    resume(tid, Some(signal))?;
                }
                Some(_) => {}
                None if Instant::now() > deadline => {
                    return Err(Error::thread("stop", tid)(Errno::ETIMEDOUT));
                }
                None => std::thread::sleep(Duration::from_micros(100)),
            }
        }
    }

    fn arm(&self, tid: i32) -> Result<()> {
        // The address is a number of another process; it is stored bit for bit.
        write_debug_register(tid, 0, self.address.cast_signed())?;
        write_debug_register(tid, 7, ENABLE_FIRST)
    }

    /// Lets threads run until one of them comes by.
    fn wait_for_hit(&mut self, running: &mut Running) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for tid in procfs::thread_ids(running.pid())? {
                // A thread that is born is attached by the kernel, and stops first of all.
                self.traced.insert(tid);
                match poll(tid)? {
                    Some(WaitStatus::Stopped(_, Signal::SIGTRAP)) if self.is_hit(tid)? => {
                        return Ok(());
                    }
                    Some(WaitStatus::Stopped(_, signal)) => resume(tid, Some(signal))?,
                    Some(WaitStatus::PtraceEvent(_, _, event)) => {
                        if event == nix::libc::PTRACE_EVENT_STOP {
                            self.arm(tid)?;
                        }
                        resume(tid, None)?;
                    }
                    Some(WaitStatus::Exited(..) | WaitStatus::Signaled(..))
                        if tid == self.pid.as_raw() =>
                    {
                        return Err(running.ended("come by the breakpoint"));
                    }
                    _ => {}
                }
            }
            if Instant::now() > deadline {
                return Err(running.stuck("come by the breakpoint", PATIENCE));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    fn is_hit(&self, tid: i32) -> Result<bool> {
        let registers =
            ptrace::getregs(Pid::from_raw(tid)).map_err(Error::thread("read registers of", tid))?;
        Ok(registers.rip == self.address)
    }

    /// Stops all other threads, and lets go of all of them with a SIGSTOP pending.
    fn leave_stopped(self) -> Result<()> {
        let pid = self.pid.as_raw().cast_unsigned();
        // Signals that a thread was about to be given when it stopped: they are handed on.
        let mut signals: HashMap<i32, Signal> = HashMap::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let threads = procfs::threads(pid)?;
            let running: Vec<_> = threads.iter().filter(|t| t.state != 't').collect();
            if running.is_empty() {
                break;
            }
            for thread in running {
                match ptrace::interrupt(Pid::from_raw(thread.tid)) {
                    Ok(()) | Err(Errno::ESRCH) => {}
                    Err(errno) => return Err(Error::thread("interrupt", thread.tid)(errno)),
                }
            }
            if Instant::now() > deadline {
                return Err(Error::thread("stop", self.pid.as_raw())(Errno::ETIMEDOUT));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        for tid in procfs::thread_ids(pid)? {
            if let Some(WaitStatus::Stopped(_, signal)) = poll(tid)?
                && signal != Signal::SIGTRAP
            {
                signals.insert(tid, signal);
            }
        }
        kill(self.pid, Signal::SIGSTOP).map_err(Error::thread("stop", self.pid.as_raw()))?;
        for tid in procfs::thread_ids(pid)? {
            write_debug_register(tid, 7, 0)?;
            // The SIGTRAP of the breakpoint is swallowed, an interrupt has no signal.
            ptrace::detach(Pid::from_raw(tid), signals.get(&tid).copied())
                .map_err(Error::thread("let go of", tid))?;
        }
        let deadline = Instant::now() + PATIENCE;
        while !procfs::threads(pid)?.iter().all(|t| t.state == 'T') {
            if Instant::now() > deadline {
                return Err(Error::thread("stop", self.pid.as_raw())(Errno::ETIMEDOUT));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }
}

fn write_debug_register(tid: i32, number: usize, value: i64) -> Result<()> {
    let offset = DEBUG_REGISTERS + number * size_of::<u64>();
    ptrace::write_user(Pid::from_raw(tid), offset as *mut c_void, value)
        .map_err(Error::thread("set a debug register of", tid))
}

/// What a traced thread has to tell, if anything. Never waits for children at large: other tests of
/// this process have theirs.
fn poll(tid: i32) -> Result<Option<WaitStatus>> {
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::__WALL;
    match waitpid(Pid::from_raw(tid), Some(flags)) {
        Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD | Errno::EINTR) => Ok(None),
        Ok(status) => Ok(Some(status)),
        Err(errno) => Err(Error::thread("wait for", tid)(errno)),
    }
}

fn resume(tid: i32, signal: Option<Signal>) -> Result<()> {
    match ptrace::cont(Pid::from_raw(tid), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Error::thread("resume", tid)(errno)),
    }
}
