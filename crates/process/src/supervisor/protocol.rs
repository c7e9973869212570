//! What goheap and the supervisor say to each other, over a pair of sockets: frames of native words.
//!
//! Both are the same program on the same machine, one forked from the other, so nothing here is
//! negotiated; what does not parse ends the conversation, and with it the supervisor.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::sys;

/// The most words of a frame: a million threads would need 28 million.
const MOST_WORDS: u64 = 1 << 26;

/// The words of a thread's general registers (`user_regs_struct`; on arm64 `user_pt_regs`).
pub(crate) type RegisterWords = [u64; WORDS];

/// How many there are.
pub(crate) const WORDS: usize = match cfg!(target_arch = "aarch64") {
    true => 34,
    false => 27,
};

/// What goheap asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Stop all threads: one try holds nobody longer than `deadline` while others do not stop, and
    /// once all stand still they do so for `limit` at most, counted from the first.
    Stop { deadline: Duration, limit: Duration },
    /// Let all threads run on.
    LetGo,
    /// Make a copy of the stopped process that never runs, and let the process itself run on.
    Fork(Hosts),
    /// End that copy, without a trace of it in the process.
    EndChild(Hosts),
    /// Get a userfaultfd of the process.
    Track(Hosts),
    /// Take back what was registered with that, in slices, and close it.
    Untrack,
}

/// In which threads a system call may be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// Code in which a wait may come back early without harm.
    pub(crate) sites: Vec<Range<u64>>,
    /// Suspend the thread's seccomp filters meanwhile.
    pub(crate) suspend_seccomp: bool,
}

/// What the supervisor answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// All threads stand still.
    Held {
        since_ns: u64,
        threads: Vec<(u32, RegisterWords)>,
    },
    /// They did not, and run on.
    NotStopped { why: NotStopped, held_ns: u64 },
    /// They run on since then; `early` if that was so before it was asked for.
    LetGone {
        since_ns: u64,
        at_ns: u64,
        early: bool,
    },
    /// There is a copy, and the process runs on since then.
    Forked {
        child: u32,
        since_ns: u64,
        at_ns: u64,
    },
    /// The copy is gone; `reaped` if the process has no trace of it either. It was ended before that was
    /// asked for, when no more than `short` bytes of memory were left for it.
    ChildGone { reaped: bool, short: Option<u64> },
    /// The userfaultfd follows.
    Tracking,
    /// Nothing is registered any more.
    Untracked { longest_ns: u64 },
    /// It could not be done. What was held is held still.
    Failed { why: Failure, errno: i32 },
}

/// Why a process was not stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotStopped {
    /// This thread did not stop before the deadline.
    Slow { tid: u32 },
    /// No thread of it is left.
    Gone,
    /// The kernel refused to let this process trace it.
    Refused,
    /// Its threads cannot be listed.
    List { errno: i32 },
    /// A request failed in a way that should not be.
    Request { tid: u32, doing: Doing, errno: i32 },
}

/// What a ptrace request was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing {
    Seize,
    Interrupt,
    Wait,
    Registers,
}

impl Doing {
    const ALL: [Doing; 4] = [
        Doing::Seize,
        Doing::Interrupt,
        Doing::Wait,
        Doing::Registers,
    ];

    /// As a verb, in front of "thread N".
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Doing::Seize => "seize",
            Doing::Interrupt => "interrupt",
            Doing::Wait => "wait for",
            Doing::Registers => "read the registers of",
        }
    }
}

/// Why something other than a stop could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The process was let go before, for its time was over.
    TooLate,
    /// No thread waits where a system call can be made in it.
    NoHost,
    /// The system call failed in the process, with this errno.
    Call,
    /// A request to the kernel about the thread failed.
    Trace,
    /// The process is gone.
    Gone,
    /// There is no copy, or no userfaultfd.
    Nothing,
    /// A descriptor, whose number stands in place of the errno, could not be closed in the process.
    LeftOpen,
}

impl Failure {
    const ALL: [Failure; 7] = [
        Failure::TooLate,
        Failure::NoHost,
        Failure::Call,
        Failure::Trace,
        Failure::Gone,
        Failure::Nothing,
        Failure::LeftOpen,
    ];
}

/// Reads words of a frame from its front.
struct Words<'w>(&'w [u64]);

impl Words<'_> {
    fn next(&mut self) -> io::Result<u64> {
        let (&word, rest) = self.0.split_first().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(word)
    }

    fn number<N: TryFrom<u64>>(&mut self) -> io::Result<N> {
        N::try_from(self.next()?).map_err(|_| damaged())
    }

    fn errno(&mut self) -> io::Result<i32> {
        self.number::<u32>().map(u32::cast_signed)
    }

    fn duration(&mut self) -> io::Result<Duration> {
        self.next().map(Duration::from_nanos)
    }

    fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> io::Result<T> {
        let index = self.number::<usize>()?;
        all.get(index).copied().ok_or_else(damaged)
    }

    fn hosts(&mut self) -> io::Result<Hosts> {
        let suspend_seccomp = self.next()? != 0;
        let count = self.number::<usize>()?;
        let mut sites = Vec::new();
        for _ in 0..count {
            sites.push(self.next()?..self.next()?);
        }
        Ok(Hosts {
            sites,
            suspend_seccomp,
        })
    }

    fn registers(&mut self) -> io::Result<RegisterWords> {
        let (words, rest) = self.0.split_first_chunk::<WORDS>().ok_or_else(damaged)?;
        self.0 = rest;
        Ok(*words)
    }
}

fn damaged() -> io::Error {
    ErrorKind::InvalidData.into()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn errno_word(errno: i32) -> u64 {
    u64::from(errno.cast_unsigned())
}

fn index_of<T: PartialEq>(all: &[T], one: &T) -> u64 {
    all.iter()
        .position(|other| other == one)
        .unwrap_or(all.len()) as u64
}

/// One side's message as words, and back.
pub(crate) trait Message: Sized {
    /// Its words.
    fn words(&self) -> Vec<u64>;
    /// The message that has these words.
    fn parse(words: &[u64]) -> io::Result<Self>;
}

impl Message for Request {
    fn words(&self) -> Vec<u64> {
        let with_hosts = |kind: u64, hosts: &Hosts| {
            let mut words = vec![kind, hosts.suspend_seccomp.into(), hosts.sites.len() as u64];
            words.extend(hosts.sites.iter().flat_map(|site| [site.start, site.end]));
            words
        };
        match self {
            Request::Stop { deadline, limit } => {
                vec![0, nanoseconds(*deadline), nanoseconds(*limit)]
            }
            Request::LetGo => vec![1],
            Request::Fork(hosts) => with_hosts(2, hosts),
            Request::EndChild(hosts) => with_hosts(3, hosts),
            Request::Track(hosts) => with_hosts(4, hosts),
            Request::Untrack => vec![5],
        }
    }

    fn parse(words: &[u64]) -> io::Result<Request> {
        let mut words = Words(words);
        Ok(match words.next()? {
            0 => Request::Stop {
                deadline: words.duration()?,
                limit: words.duration()?,
            },
            1 => Request::LetGo,
            2 => Request::Fork(words.hosts()?),
            3 => Request::EndChild(words.hosts()?),
            4 => Request::Track(words.hosts()?),
            5 => Request::Untrack,
            _ => return Err(damaged()),
        })
    }
}

impl Message for Reply {
    fn words(&self) -> Vec<u64> {
        match self {
            Reply::Held { since_ns, threads } => {
                let mut words = vec![0, *since_ns, threads.len() as u64];
                for (tid, registers) in threads {
                    words.push(u64::from(*tid));
                    words.extend(registers);
                }
                words
            }
            Reply::NotStopped { why, held_ns } => {
                let [kind, tid, doing, errno] = match *why {
                    NotStopped::Slow { tid } => [0, u64::from(tid), 0, 0],
                    NotStopped::Gone => [1, 0, 0, 0],
                    NotStopped::Refused => [2, 0, 0, 0],
                    NotStopped::List { errno } => [3, 0, 0, errno_word(errno)],
                    NotStopped::Request { tid, doing, errno } => {
                        let doing = index_of(&Doing::ALL, &doing);
                        [4, u64::from(tid), doing, errno_word(errno)]
                    }
                };
                vec![1, *held_ns, kind, tid, doing, errno]
            }
            Reply::LetGone {
                since_ns,
                at_ns,
                early,
            } => vec![2, *since_ns, *at_ns, (*early).into()],
            Reply::Forked {
                child,
                since_ns,
                at_ns,
            } => vec![3, u64::from(*child), *since_ns, *at_ns],
            Reply::ChildGone { reaped, short } => {
                let (is_short, bytes) = (short.is_some().into(), short.unwrap_or_default());
                vec![4, (*reaped).into(), is_short, bytes]
            }
            Reply::Tracking => vec![5],
            Reply::Untracked { longest_ns } => vec![6, *longest_ns],
            Reply::Failed { why, errno } => {
                vec![7, index_of(&Failure::ALL, why), errno_word(*errno)]
            }
        }
    }

    fn parse(words: &[u64]) -> io::Result<Reply> {
        let mut words = Words(words);
        Ok(match words.next()? {
            0 => {
                let since_ns = words.next()?;
                let count = words.number::<usize>()?;
                let mut threads = Vec::new();
                for _ in 0..count {
                    threads.push((words.number()?, words.registers()?));
                }
                Reply::Held { since_ns, threads }
            }
            1 => {
                let held_ns = words.next()?;
                let kind = words.next()?;
                let tid = words.number()?;
                let doing = words.one_of(Doing::ALL)?;
                let errno = words.errno()?;
                let why = match kind {
                    0 => NotStopped::Slow { tid },
                    1 => NotStopped::Gone,
                    2 => NotStopped::Refused,
                    3 => NotStopped::List { errno },
                    4 => NotStopped::Request { tid, doing, errno },
                    _ => return Err(damaged()),
                };
                Reply::NotStopped { why, held_ns }
            }
            2 => Reply::LetGone {
                since_ns: words.next()?,
                at_ns: words.next()?,
                early: words.next()? != 0,
            },
            3 => Reply::Forked {
                child: words.number()?,
                since_ns: words.next()?,
                at_ns: words.next()?,
            },
            4 => Reply::ChildGone {
                reaped: words.next()? != 0,
                short: match (words.next()?, words.next()?) {
                    (0, _) => None,
                    (_, bytes) => Some(bytes),
                },
            },
            5 => Reply::Tracking,
            6 => Reply::Untracked {
                longest_ns: words.next()?,
            },
            7 => Reply::Failed {
                why: words.one_of(Failure::ALL)?,
                errno: words.errno()?,
            },
            _ => return Err(damaged()),
        })
    }
}

/// What is left until then; `None` if there is no such time.
fn left_until(until: Option<Instant>) -> Option<Duration> {
    until.map(|until| until.saturating_duration_since(Instant::now()))
}

/// One end of the line.
#[derive(Debug)]
pub(crate) struct Line(OwnedFd);

impl Line {
    /// Both ends of a new one. They are closed on exec.
    pub(crate) fn pair() -> io::Result<(Line, Line)> {
        let (one, other) = sys::socket_pair().map_err(io::Error::from_raw_os_error)?;
        Ok((Line(one), Line(other)))
    }

    /// The end that has this descriptor.
    pub(crate) fn of(fd: OwnedFd) -> Line {
        Line(fd)
    }

    /// The descriptor alone.
    pub(crate) fn into_fd(self) -> OwnedFd {
        self.0
    }

    /// Its descriptor.
    pub(crate) fn fd(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Whether there is something to be received (or nobody left to send it) within this time;
    /// `None` waits as long as it takes.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        sys::poll(self.fd(), libc::POLLIN, timeout).map_err(io::Error::from_raw_os_error)
    }

    /// Sends a message, within this time: the other side may stand still, with its buffer full.
    ///
    /// # Errors
    /// The other side is gone, or does not read.
    pub(crate) fn send(&self, message: &impl Message, within: Duration) -> io::Result<()> {
        let words = message.words();
        let mut bytes = Vec::with_capacity(words.len() * 8 + 8);
        bytes.extend_from_slice(&(words.len() as u64).to_ne_bytes());
        bytes.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        self.put(&bytes, within)
    }

    fn put(&self, mut bytes: &[u8], within: Duration) -> io::Result<()> {
        let until = Instant::now().checked_add(within);
        while !bytes.is_empty() {
            match sys::send(self.fd(), bytes) {
                Ok(sent) => bytes = bytes.get(sent..).unwrap_or_default(),
                Err(libc::EAGAIN) => {
                    let ready = sys::poll(self.fd(), libc::POLLOUT, left_until(until));
                    if !ready.map_err(io::Error::from_raw_os_error)? {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                Err(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
        Ok(())
    }

    /// Receives a message, within this time; `None` if the other side is gone.
    ///
    /// # Errors
    /// What came is no message, or it did not come.
    pub(crate) fn receive_within<M: Message>(&self, within: Duration) -> io::Result<Option<M>> {
        let until = Instant::now().checked_add(within);
        let mut head = [0; 8];
        if !self.fill(&mut head, until)? {
            return Ok(None);
        }
        let count = u64::from_ne_bytes(head);
        if count > MOST_WORDS {
            return Err(damaged());
        }
        let mut bytes = vec![0; count as usize * 8];
        if !self.fill(&mut bytes, until)? {
            return Ok(None);
        }
        let (words, _) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_ne_bytes(*word)).collect();
        M::parse(&words).map(Some)
    }

    /// Fills the buffer; `false` if the other side is gone.
    fn fill(&self, mut buf: &mut [u8], until: Option<Instant>) -> io::Result<bool> {
        while !buf.is_empty() {
            if !self.wait(left_until(until))? {
                return Err(ErrorKind::TimedOut.into());
            }
            match sys::receive(self.fd(), buf) {
                Ok(0) | Err(libc::ECONNRESET) => return Ok(false),
                Ok(got) => buf = buf.get_mut(got..).unwrap_or_default(),
                Err(errno) => return Err(io::Error::from_raw_os_error(errno)),
            }
        }
        Ok(true)
    }

    /// Sends a descriptor.
    ///
    /// # Errors
    /// The other side is gone.
    pub(crate) fn send_fd(&self, fd: i32) -> io::Result<()> {
        sys::send_fd(self.fd(), fd).map_err(io::Error::from_raw_os_error)
    }

    /// Receives a descriptor.
    ///
    /// # Errors
    /// The other side is gone, or sent none.
    pub(crate) fn receive_fd(&self) -> io::Result<OwnedFd> {
        self.wait(None)?;
        sys::receive_fd(self.fd()).map_err(io::Error::from_raw_os_error)
    }
}

#[cfg(test)]
mod tests;
