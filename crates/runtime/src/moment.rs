//! Whether the moment at which a program was stopped is one at which its runtime's structures hold
//! together, told from few words, so that a stop at a bad moment can be given up for another.
//!
//! A walk reads structures that the stopped threads were changing. Most changes are published by one
//! store of a word, or are undone by a rule of the walk; what is neither is looked for here:
//!
//! | seen here | what it may tear |
//! |---|---|
//! | an `m` in malloc (`m.mallocing`) | the object in flight: counted, and not cleared or typed yet; the cache's span |
//! | a sweeper at work (`sweep.active`) | a span whose bits, counts and specials are halfway exchanged; specials that wait in no list |
//! | `mheap_.lock` held | `mheap_.allspans` and the tables of arenas; a span that is made or given back |
//! | a goroutine's stack being copied | stack bounds, `sched` and the frames' pointers disagree |
//! | a thread on its signal stack | what the thread was at stands in the signal's frame only |
//! | `allglock` held | `allgs`, three words that are not changed at once |
//! | `finlock` held | a queued finalizer that is counted before it is filled in |
//! | `profMemActiveLock` held | counts of the memory profile, in the middle of a flush |
//!
//! And what is not, with its reason (as of go1.19.8 to go1.27.3):
//! - `sched.lock`: `allm` grows and shrinks by single stores (runtime/proc.go: `mcommoninit`,
//!   `mexit`), and of the scheduler's other lists the walk reads none.
//! - `allpLock`: sysmon takes it at each of its rounds to read (runtime/proc.go: `retake`); `allp`
//!   changes when GOMAXPROCS does.
//! - `itabLock`: an itab is in the table by one store, after it is made, and is counted behind that
//!   (runtime/iface.go: `itabAdd`, `add`); a table that grew is published whole.
//! - `mspan.speciallock`, `mheap_.speciallock`: a special is linked by one store when it is whole
//!   (runtime/mheap.go: `addspecial`), and taken out by one.
//! - `profInsertLock`: likewise (runtime/mprof.go: `stkbucket`).
//! - `gcCleanups`: a block's count grows behind its entry (runtime/mcleanup.go, go1.25: `enqueue`).
//!   It is filled by sweepers, who are seen here.
//! - The mark phase: it changes mark bits, which matter only once it is over.
//! - A world that is stopped or about to be (`sched.gcwaiting`): it is quieter than a running one.
//! - A span in mid-sweep tells itself (`sweepgen == mheap_.sweepgen - 1`), but only to whoever reads
//!   all spans.

use std::fmt;

use goheap_golang::{MutexKey, Place};
use goheap_memory::{Addr, DataModel, Part, Target, Thread};

use crate::chain::Chain;
use crate::limit::THREADS;
use crate::{GoroutineState, WalkError, World};

mod copying;
mod threads;

#[cfg(test)]
mod tests;

use copying::StackCopiers;
use threads::{M, Threads};

/// The bit of `sweep.active.state` that is no count (runtime/mgcsweep.go, go1.19:
/// `sweepDrainedMask`).
const SWEEP_DRAINED: u64 = 1 << 31;

/// What makes a moment unsafe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Hazard {
    /// A thread is in malloc (or another part of the runtime that bars malloc).
    Malloc,
    /// A span is being swept.
    Sweep,
    /// `mheap_.lock` is held.
    Heap,
    /// A goroutine's stack is being copied.
    StackCopy,
    /// A thread is on its signal stack.
    SignalStack,
    /// `allgs` is being changed.
    Goroutines,
    /// The queue of finalizers is being changed.
    Finalizers,
    /// The memory profile is being flushed.
    Profile,
    /// The words that would tell cannot be read.
    Unseen,
}

impl Hazard {
    /// A short name, as JSON and tables have it.
    pub fn name(self) -> &'static str {
        match self {
            Hazard::Malloc => "malloc",
            Hazard::Sweep => "sweep",
            Hazard::Heap => "heap lock",
            Hazard::StackCopy => "stack copy",
            Hazard::SignalStack => "signal stack",
            Hazard::Goroutines => "goroutines",
            Hazard::Finalizers => "finalizers",
            Hazard::Profile => "memory profile",
            Hazard::Unseen => "unseen",
        }
    }
}

/// One reason why a moment is not safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What kind.
    pub hazard: Hazard,
    /// The word that told it.
    pub at: Addr,
    /// The same for people: `thread 4711 is in malloc: ...`.
    pub text: String,
}

/// What a look at a stopped program said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moment {
    /// Why it is not safe; empty if it is. In the order of [`Hazard`], then of threads.
    pub reasons: Vec<Reason>,
}

impl Moment {
    /// Whether nothing that a walk reads was being changed.
    pub fn is_safe(&self) -> bool {
        self.reasons.is_empty()
    }

    fn add(&mut self, hazard: Hazard, at: Addr, text: impl fmt::Display) {
        self.reasons.push(Reason {
            hazard,
            at,
            text: text.to_string(),
        });
    }
}

/// A lock whose holder changes what a walk reads.
#[derive(Debug)]
struct Lock {
    hazard: Hazard,
    key: Addr,
    text: &'static str,
}

/// Where the words are that tell whether a moment is safe.
///
/// It is made while the program still runs, since looking up layouts takes longer than looking at
/// the words.
#[derive(Debug)]
pub struct MomentCheck {
    model: DataModel,
    mutex: MutexKey,
    locks: Vec<Lock>,
    /// `sweep.active.state`.
    sweepers: (Addr, Place),
    threads: Threads,
    copiers: StackCopiers,
}

impl MomentCheck {
    /// Looks up all that [`look`](MomentCheck::look) needs. The program may be running: what is read
    /// of it does not change.
    ///
    /// # Errors
    /// The layouts or symbols lack something that each known version has.
    pub fn prepare(world: &World<'_>) -> Result<MomentCheck, WalkError> {
        let key = world.structs.place("runtime.mutex", "key")?.offset;
        let heap_lock = world.structs.offset("runtime.mheap", "lock")?;
        let mut locks = vec![Lock {
            hazard: Hazard::Heap,
            key: world.global("runtime.mheap_")?.offset(heap_lock + key),
            text: "mheap_.lock is held: spans or arenas are being made or given back",
        }];
        for (hazard, name, text) in [
            (
                Hazard::Goroutines,
                "runtime.allglock",
                "allglock is held: a goroutine is being added to allgs",
            ),
            (
                Hazard::Finalizers,
                "runtime.finlock",
                "finlock is held: a finalizer is being queued, or the queue taken",
            ),
            (
                Hazard::Profile,
                "runtime.profMemActiveLock",
                "profMemActiveLock is held: the memory profile is being flushed or read",
            ),
        ] {
            // The linker drops what a program has no use for: then nobody takes it.
            if let Ok(lock) = world.global(name) {
                let key = lock.offset(key);
                locks.push(Lock { hazard, key, text });
            }
        }
        let sweepers = world.structs.place("runtime.sweepdata", "active.state")?;
        Ok(MomentCheck {
            model: world.model,
            mutex: world.features.mutex,
            locks,
            sweepers: (
                world.global("runtime.sweep")?.offset(sweepers.offset),
                Place {
                    offset: 0,
                    size: sweepers.size,
                },
            ),
            threads: Threads::prepare(world)?,
            copiers: StackCopiers::prepare(world)?,
        })
    }

    /// Looks whether the moment at which `stopped` stands still is safe. What cannot be read makes it
    /// unsafe.
    pub fn look(&self, stopped: &dyn Target) -> Moment {
        let mut moment = Moment::default();
        self.look_at_words(stopped, &mut moment);
        let ms = self.threads.read(self.model, stopped, &mut moment);
        self.look_at_threads(stopped, &ms, &mut moment);
        moment.reasons.sort_by_key(|reason| reason.hazard);
        moment
    }

    /// The locks and the sweepers: one read.
    fn look_at_words(&self, stopped: &dyn Target, moment: &mut Moment) {
        let word = usize::from(self.model.word);
        let (sweepers, place) = self.sweepers;
        let mut words = vec![[0_u8; 8]; self.locks.len() + 1];
        let mut sizes = vec![word.min(8); self.locks.len()];
        sizes.push((place.size as usize).min(8));
        let places = self.locks.iter().map(|lock| lock.key).chain([sweepers]);
        let mut parts: Vec<Part<'_>> = words
            .iter_mut()
            .zip(&sizes)
            .zip(places)
            .map(|((buf, &size), at)| Part {
                at,
                buf: &mut buf[..size],
            })
            .collect();
        if let Err(fault) = stopped.read_parts(&mut parts) {
            let text = format_args!("the runtime's locks cannot be read: {fault}");
            return moment.add(Hazard::Unseen, fault.at, text);
        }
        let value = |i: usize| -> u64 {
            let size = sizes.get(i).copied().unwrap_or_default();
            let bytes = words.get(i).and_then(|word| word.get(..size));
            self.model.uint(bytes.unwrap_or_default())
        };
        for (i, lock) in self.locks.iter().enumerate() {
            if self.mutex.is_held(value(i)) {
                moment.add(lock.hazard, lock.key, lock.text);
            }
        }
        match value(self.locks.len()) & !SWEEP_DRAINED {
            0 => {}
            count => {
                let text = format_args!("sweepers at work: {count}; a span may be half swept");
                moment.add(Hazard::Sweep, sweepers, text);
            }
        }
    }

    fn look_at_threads(&self, stopped: &dyn Target, ms: &[M], moment: &mut Moment) {
        let stacks = self.threads.read_more(self.model, stopped, ms, moment);
        let mut threads: Vec<&Thread> = stopped.threads().iter().collect();
        threads.sort_by_key(|thread| thread.registers.sp);
        // Threads are matched by their stacks: the numbers of a core from a container are others.
        let on = |(lo, hi): (Addr, Addr)| {
            let first = threads.partition_point(|thread| thread.registers.sp < lo);
            let thread = threads.get(first).copied();
            thread.filter(|thread| thread.registers.sp < hi)
        };
        for (m, more) in ms.iter().zip(&stacks) {
            let thread = m.procid;
            // A thread that ends the program counts its panics there too (runtime/panic.go, go1.19:
            // startpanic_m adds one to `mallocing` each time that it raises `dying`).
            if m.mallocing > m.dying {
                let text = format_args!(
                    "thread {thread} is in malloc: an object may be counted and not made yet"
                );
                moment.add(Hazard::Malloc, m.at.offset(self.threads.mallocing()), text);
            }
            if GoroutineState::from_status(more.status) == GoroutineState::CopyStack {
                let text = format_args!("thread {thread} is copying its goroutine's stack");
                moment.add(Hazard::StackCopy, m.curg, text);
            } else if m.has_p
                && let Some(thread) = on(more.g0)
                && let Some(at) = self
                    .copiers
                    .is_copying(self.model, stopped, thread, more.g0)
            {
                let text = format_args!(
                    "thread {} is copying a goroutine's stack, or setting where it goes on",
                    thread.tid
                );
                moment.add(Hazard::StackCopy, at, text);
            }
            if let Some(handler) = on(more.gsignal) {
                let text =
                    format_args!("thread {thread} is handling a signal, on a stack of its own");
                moment.add(Hazard::SignalStack, handler.registers.sp, text);
            }
        }
    }
}

/// Walks the chain of `allm`, calling `each` with each `m` until that says no.
fn each_m(
    first: Addr,
    mut each: impl FnMut(Addr) -> Result<Addr, String>,
) -> Result<(), (Addr, String)> {
    let mut chain = Chain::new(first);
    let mut count = 0;
    while let Some(m) = chain.at() {
        count += 1;
        if count > THREADS {
            return Err((m, format!("there are more than {THREADS} of them")));
        }
        let next = each(m).map_err(|why| (m, why))?;
        if chain.advance(next).is_err() {
            return Err((m, "the chain leads back to an earlier link".to_owned()));
        }
    }
    Ok(())
}
