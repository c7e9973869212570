//! Writing on a thread of its own, so that the walk and the disk do not wait for each other.
//!
//! The walk writes into buffers of 1 MiB; full ones go through a short queue to the thread, which
//! does the `write` calls (and the compression, where there is some), and come back empty. What is
//! in flight is bounded by [`BUFFERS`], however slow the disk is.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of one buffer.
const BUFFER: usize = 1 << 20;

/// How many full buffers may wait: a small heap is read, and its process let go, before the disk is
/// done with it.
const BUFFERS: usize = 32;

/// How often a writer that waits for the disk looks whether it was asked to stop.
const LOOK_UP: Duration = Duration::from_millis(20);

/// How long [`Threaded`] waits, after a failure, for a write under way to return.
const PATIENCE: Duration = Duration::from_secs(2);

/// A writer whose writes happen on another thread.
///
/// An error of the inner writer comes back from a later write, or from [`Threaded::finish`].
/// Dropped without `finish`, it discards what waits and lets go of the inner writer.
pub(crate) struct Threaded<W> {
    shared: Arc<Shared>,
    filling: Vec<u8>,
    thread: Option<JoinHandle<W>>,
    stop_requested: fn() -> Option<i32>,
}

struct Shared {
    state: Mutex<State>,
    /// Told when a buffer was taken from the queue, or when the thread ends.
    room: Condvar,
    /// Told when a buffer was put into the queue, or when there will be no more.
    work: Condvar,
}

#[derive(Default)]
struct State {
    full: VecDeque<Vec<u8>>,
    empty: Vec<Vec<u8>>,
    /// No buffer will follow.
    closed: bool,
    /// What waits is not wanted any more.
    discard: bool,
    error: Option<io::Error>,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock; if one did, the state would still be sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write + Send + 'static> Threaded<W> {
    /// Hands `inner` to a new thread. While the queue is full, `stop_requested` is asked now and
    /// then; the signal number that it gives ends the write with [`io::ErrorKind::Interrupted`]'s
    /// cause, [`Stopped`].
    ///
    /// # Errors
    /// If no thread can be had.
    pub(crate) fn new(inner: W, stop_requested: fn() -> Option<i32>) -> io::Result<Threaded<W>> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            room: Condvar::new(),
            work: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("goheap-write".to_owned())
            .spawn(move || write_all(&theirs, inner))?;
        Ok(Threaded {
            shared,
            filling: Vec::with_capacity(BUFFER),
            thread: Some(thread),
            stop_requested,
        })
    }

    /// Waits until everything is written, and gives the inner writer back.
    ///
    /// # Errors
    /// The first error of the inner writer, or that it was asked to stop.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.filling.is_empty() {
            self.hand_over()?;
        }
        self.close(false);
        let mut state = self.shared.lock();
        while !state.ended {
            if let Some(signal) = (self.stop_requested)() {
                return Err(Stopped(signal).into());
            }
            state = self.shared.wait(&self.shared.room, state);
        }
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        drop(state);
        let thread = self.thread.take().ok_or_else(thread_gone)?;
        thread.join().map_err(|_| thread_gone())
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let mut state = self.shared.lock();
        while state.full.len() >= BUFFERS && !state.ended {
            if let Some(signal) = (self.stop_requested)() {
                return Err(Stopped(signal).into());
            }
            state = self.shared.wait(&self.shared.room, state);
        }
        if state.ended {
            return Err(state.error.take().unwrap_or_else(thread_gone));
        }
        let empty = state
            .empty
            .pop()
            .unwrap_or_else(|| Vec::with_capacity(BUFFER));
        state
            .full
            .push_back(std::mem::replace(&mut self.filling, empty));
        drop(state);
        self.shared.work.notify_one();
        Ok(())
    }
}

impl<W> Threaded<W> {
    fn close(&self, discard: bool) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.discard |= discard;
        drop(state);
        self.shared.work.notify_one();
    }
}

impl Shared {
    fn wait<'s>(&self, what: &Condvar, state: MutexGuard<'s, State>) -> MutexGuard<'s, State> {
        what.wait_timeout(state, LOOK_UP)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}

impl<W: Write + Send + 'static> Write for Threaded<W> {
    #[inline]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.filling.len() == BUFFER {
            self.hand_over()?;
        }
        let n = buf.len().min(BUFFER - self.filling.len());
        self.filling.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    #[inline]
    fn write_all(&mut self, mut buf: &[u8]) -> io::Result<()> {
        if buf.len() <= BUFFER - self.filling.len() {
            self.filling.extend_from_slice(buf);
            return Ok(());
        }
        while !buf.is_empty() {
            let n = self.write(buf)?;
            buf = &buf[n..];
        }
        Ok(())
    }

    /// Does nothing: [`Threaded::finish`] is what waits.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<W> Drop for Threaded<W> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else {
            return;
        };
        self.close(true);
        // A write to a pipe that nobody reads never returns. Whoever waits for this drop may hold a
        // stopped process, so the wait has an end; the thread dies with goheap then.
        let until = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        while !state.ended && Instant::now() < until {
            state = self.shared.wait(&self.shared.room, state);
        }
        if state.ended {
            drop(state);
            let _inner = thread.join();
        }
    }
}

fn write_all<W: Write>(shared: &Shared, mut inner: W) -> W {
    /// Says that the thread ended, however it ended.
    struct End<'s>(&'s Shared);
    impl Drop for End<'_> {
        fn drop(&mut self) {
            self.0.lock().ended = true;
            self.0.room.notify_all();
        }
    }
    let _end = End(shared);
    let mut written = 0;
    loop {
        let mut state = shared.lock();
        let mut buffer = loop {
            if state.discard {
                return inner;
            }
            if let Some(buffer) = state.full.pop_front() {
                break buffer;
            }
            if state.closed {
                return inner;
            }
            state = shared
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(state);
        shared.room.notify_one();
        let result = write_counted(&mut inner, &buffer, &mut written);
        buffer.clear();
        let mut state = shared.lock();
        match result {
            Ok(()) => state.empty.push(buffer),
            Err(error) => {
                let kind = error.kind();
                state.error = Some(io::Error::new(
                    kind,
                    WriteFailed {
                        written,
                        source: error,
                    },
                ));
                return inner;
            }
        }
    }
}

/// As `write_all`, and tells how much the writer took.
fn write_counted(out: &mut impl Write, mut buf: &[u8], written: &mut u64) -> io::Result<()> {
    while !buf.is_empty() {
        match out.write(buf) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                *written += n as u64;
                buf = buf.get(n..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The inner writer of a [`Threaded`] failed. The error is told later than it happened, so it
/// brings along where that was.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub(crate) struct WriteFailed {
    /// How many bytes the writer had taken.
    pub(crate) written: u64,
    /// Its own error.
    pub(crate) source: io::Error,
}

/// A signal asked goheap to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted by signal {0}")]
pub(crate) struct Stopped(pub(crate) i32);

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> io::Error {
        // Not ErrorKind::Interrupted: `write_all` takes that for "try again".
        io::Error::other(stopped)
    }
}

/// The signal that `error` stands for, if it is a [`Stopped`].
pub(crate) fn signal_of(error: &io::Error) -> Option<i32> {
    let stopped = error.get_ref()?.downcast_ref::<Stopped>()?;
    Some(stopped.0)
}

fn thread_gone() -> io::Error {
    io::Error::other("the writing thread ended early")
}

#[cfg(test)]
mod tests;
