//! Why a process cannot be looked at, and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a process cannot be found, stopped or read. The message says what to do where something can
/// be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// Nothing has that number.
    #[error("there is no process {pid}")]
    NoSuchProcess {
        /// The number asked for.
        pid: u32,
    },
    /// The process ended while it was looked at.
    #[error("process {pid} ended meanwhile")]
    Gone {
        /// The process.
        pid: u32,
    },
    /// It runs another program than when it was found.
    #[error("process {pid} started another program meanwhile; try again")]
    Changed {
        /// The process.
        pid: u32,
    },
    /// It ended, and only its exit status is left.
    #[error("process {pid} ({name}) has ended (a zombie): it has no memory any more")]
    Zombie {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// Its main thread ended and others go on; the kernel shows the memory of a process through its
    /// main thread. (Go programs never are like that: runtime/proc.go, mexit, wedges it instead.)
    #[error("the main thread of process {pid} ({name}) has ended, so its memory cannot be seen")]
    MainThreadEnded {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// A process cannot trace itself.
    #[error("process {pid} is this one, and cannot stop itself")]
    Itself {
        /// The process.
        pid: u32,
    },
    /// It is a part of the kernel.
    #[error("process {pid} ({name}) is a thread of the kernel, not a program")]
    KernelThread {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// The number is that of a thread.
    #[error("{tid} is a thread of process {pid} ({name}); give the process: {pid}")]
    IsThread {
        /// The number asked for.
        tid: u32,
        /// The process that the thread belongs to.
        pid: u32,
        /// The thread's name.
        name: String,
    },
    /// The kernel does not allow it.
    #[error("not permitted to look into process {pid} ({name}): {why}")]
    NotPermitted {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
        /// The likely reason.
        why: Denied,
    },
    /// Someone else traces it; a thread has one tracer.
    #[error(
        "process {pid} ({name}) is already traced by process {tracer} ({tracer_name}); \
         end that debugger or let it detach, then try again"
    )]
    AlreadyTraced {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
        /// Who traces it; 0 if it is in another pid namespace.
        tracer: u32,
        /// The tracer's name.
        tracer_name: String,
    },
    /// A program for another processor (under emulation), or this is another processor.
    #[error(
        "process {pid} ({name}) runs a program for {machine}, which is not captured live on this \
         machine; make a core of it, and dump that"
    )]
    OtherMachine {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
        /// The processor, from the executable.
        machine: String,
    },
    /// Its executable cannot be read.
    #[error(
        "cannot read the executable of process {pid} ({name}): {source}; give it with --exe PATH"
    )]
    NoExecutable {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
        /// What reading `/proc/PID/exe` said.
        source: io::Error,
    },
    /// Its threads did not all stop in time, in any of the tries.
    #[error(
        "process {pid} ({name}) could not be stopped: in {tries} tries thread {tid} did not stop \
         within {deadline:?} (state {state}); it sits in a long call of the kernel, try again later"
    )]
    DoesNotStop {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
        /// A thread that did not stop.
        tid: u32,
        /// That thread's state, as /proc has it (`D`: uninterruptible).
        state: char,
        /// How often it was tried.
        tries: u32,
        /// How long each try was allowed to hold the other threads.
        deadline: Duration,
    },
    /// The user asked to end before it was stopped.
    #[error("interrupted by signal {signal} before process {pid} was stopped")]
    Interrupted {
        /// The process.
        pid: u32,
        /// The signal.
        signal: i32,
    },
    /// It was let go before the work was done, because it had stood still for as long as it may.
    #[error(
        "process {pid} ({name}) was let go after {max_pause:?}, for which it may stand still at \
         most; allow more with --max-pause"
    )]
    TimeOver {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
        /// What was allowed, all stops together.
        max_pause: Duration,
    },
    /// There is no way to take a snapshot, or not the way that was asked for. The process runs on.
    #[error(
        "cannot capture process {pid} ({name}){}; goheap doctor {pid} tells more",
        passed_over.iter().map(|one| format!("; {}: {}", one.method, one.why))
            .collect::<String>()
    )]
    NoMethod {
        /// The process.
        pid: u32,
        /// Its name.
        name: String,
        /// Each way that was thought of, and what was in its way.
        passed_over: Vec<crate::PassedOver>,
    },
    /// The copy of its memory could not be written.
    #[error(
        "cannot write the copy of the memory of process {pid} to {}: {source}; make room there, or write \
         elsewhere (-o FILE; TMPDIR where there is no file)",
        directory.display()
    )]
    Image {
        /// The process.
        pid: u32,
        /// Where it was written.
        directory: PathBuf,
        /// What writing said.
        source: io::Error,
    },
    /// A copy of it was ended, and is still listed as its child.
    #[error(
        "process {pid} was captured, but {child}, the ended copy of it, is still listed as its child: \
         none of its threads could be made to wait for it"
    )]
    LeftZombie {
        /// The process.
        pid: u32,
        /// The copy, which has ended.
        child: u32,
    },
    /// The copy of it was ended before it was read.
    #[error(
        "process {pid} had no more than {free_mib} MiB of memory left, so the copy of it was ended; \
         try --method pre-copy or stop"
    )]
    CopyEnded {
        /// The process.
        pid: u32,
        /// What was left below the nearest limit.
        free_mib: u64,
    },
    /// The supervisor could not be started, or is gone. The process runs.
    #[error(
        "goheap's supervisor of process {pid} could not be started or is gone, and the process runs on: \
         {source}; try again"
    )]
    Supervisor {
        /// The process.
        pid: u32,
        /// What the line to it said.
        source: io::Error,
    },
    /// A file below /proc could not be read or made sense of.
    #[error("cannot read {}: {source}", path.display())]
    Proc {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A ptrace request failed for a reason that has no variant of its own.
    #[error("cannot {request} thread {tid} of process {pid}: {source}")]
    Ptrace {
        /// The process.
        pid: u32,
        /// The thread.
        tid: u32,
        /// What was asked, as a verb.
        request: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Why the kernel most likely said no, from what can be seen of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// /proc does not show it (it is mounted with hidepid), so it belongs to another user.
    #[error(
        "/proc hides it (hidepid), as it does with other users' processes; \
         run as its user, or with CAP_SYS_PTRACE (sudo)"
    )]
    Hidden,
    /// It belongs to another user.
    #[error(
        "it belongs to user {theirs}, and this is user {ours}; \
         run as that user, or with CAP_SYS_PTRACE (sudo)"
    )]
    OtherUser {
        /// The user of the process.
        theirs: u32,
        /// The user of this process.
        ours: u32,
    },
    /// It is in another group.
    #[error(
        "it is of group {theirs}, and this process of group {ours}; run as its user and its group (for a \
         container --user=UID:GID, runAsGroup), or with CAP_SYS_PTRACE (sudo)"
    )]
    OtherGroup {
        /// The group of the process.
        theirs: u32,
        /// The group of this process.
        ours: u32,
    },
    /// It has capabilities that this process lacks.
    #[error(
        "it has capabilities that this process lacks; run with CAP_SYS_PTRACE (sudo; for a container \
         --cap-add=SYS_PTRACE), or with all of its own"
    )]
    MoreCapabilities,
    /// The Yama security module restricts ptrace.
    #[error(
        "/proc/sys/kernel/yama/ptrace_scope is {scope}{}",
        if *.scope >= 3 {
            ", which forbids it to everyone until the next boot"
        } else {
            "; run with CAP_SYS_PTRACE (sudo), or set it to 0"
        }
    )]
    Yama {
        /// Its setting: 1 own children only, 2 with CAP_SYS_PTRACE only, 3 never.
        scope: u32,
    },
    /// A seccomp filter forbids ptrace to this process.
    #[error(
        "this process may not call ptrace at all: a seccomp filter forbids it (a container's); \
         run it with --cap-add=SYS_PTRACE, which opens it in Docker's default profile, or without a filter"
    )]
    NoPtrace,
    /// CAP_SYS_PTRACE alone does not open the files of another user's process (proc(5): `auxv`, `mem` and
    /// `pagemap` are their owner's).
    #[error(
        "it belongs to user {theirs}, and this is user {ours}, whose CAP_SYS_PTRACE does not open that \
         process's files below /proc; run as that user, or with CAP_DAC_READ_SEARCH as well"
    )]
    Files {
        /// The user of the process.
        theirs: u32,
        /// The user of this process.
        ours: u32,
    },
    /// It is not dumpable (prctl(2), PR_SET_DUMPABLE): its files below /proc are root's, and who is of its
    /// user is nobody.
    #[error(
        "the kernel keeps its files below /proc for user {owner}, and this is user {ours}: it has capabilities \
         of its file (setcap), has changed its user, or has asked for that (PR_SET_DUMPABLE); run with \
         CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH (sudo; for a container --user=0 --cap-add=SYS_PTRACE)"
    )]
    NotDumpable {
        /// Whose these files are.
        owner: u32,
        /// The user of this process.
        ours: u32,
    },
    /// CAP_SYS_PTRACE is not enough.
    #[error(
        "this process has CAP_SYS_PTRACE and is refused nevertheless: a security module (AppArmor, SELinux) \
         keeps the two apart, or the capability is of a user namespace (rootless) that the process is not \
         in; run goheap outside of the container, or in the security profile of the process"
    )]
    Module,
    /// Neither of these: the process made itself unreadable (it changed its user or gained
    /// privileges), or a container or security module forbids it.
    #[error(
        "it may have changed its privileges, or a container's profile forbids ptrace; \
         run with CAP_SYS_PTRACE (sudo; for a container --cap-add=SYS_PTRACE)"
    )]
    Other,
}
