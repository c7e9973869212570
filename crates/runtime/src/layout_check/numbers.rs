//! Whether the numbers that threads (`m`) have of the kernel are those of the process's threads.
//!
//! `m.procid` is what gettid(2) said to the thread itself (runtime/os_linux.go: `minit`, go1.19 to
//! go1.27), so it counts in the program's own pid namespace. A live target's threads are numbered so
//! too, and a core that the kernel wrote has them so (fs/binfmt_elf.c: `fill_prstatus`). A debugger
//! that writes a core from outside a container has others: then nothing is the same, and what the
//! threads say has to be such numbers at least.
//!
//! Which thread belongs to which `m` is told by its stack pointer, which has nothing to do with
//! numbers. C's threads that have left Go keep an `m` in reserve, of no thread or of an earlier one:
//! its goroutine is dead (runtime/proc.go: `dropm`), and nothing is asked of it.

use std::collections::HashSet;

use goheap_golang::Place;
use goheap_memory::{Addr, Thread};

use super::{DEAD, Misfit, SCAN, STATES, misfit};
use crate::World;
use crate::chain::Chain;

/// The kernel gives no higher number (include/linux/threads.h: `PID_MAX_LIMIT`).
const HIGHEST: u64 = 1 << 22;

/// The size of the largest stack that is looked at.
const LARGEST: u64 = 1 << 30;

const WHAT: &str = "a thread (m)";

/// What is looked at of an `m` and its goroutines.
struct Places {
    number: Place,
    id: Place,
    next: Place,
    stacks: [Place; 3],
    curg: Place,
    lo: Place,
    hi: Place,
    status: Place,
}

/// Checks the numbers of all threads, of a program that stands still.
pub(super) fn numbers(world: &World<'_>) -> Result<(), Misfit> {
    let mut threads: Vec<&Thread> = world.target.threads().iter().collect();
    if threads.is_empty() {
        return Ok(());
    }
    threads.sort_by_key(|thread| thread.registers.sp);
    let places = Places::of(world)?;
    let mut seen = HashSet::new();
    // Those whose thread is known: how many have its number, have another one, have none.
    let (mut same, mut other, mut without) = (0_u64, 0_u64, 0_u64);
    let mut example = None;
    // Whether what there is could be numbers of another namespace, and how many are the same as those by
    // which the runtime counts threads. Where a process is the first of its namespace, most may be, for
    // then the kernel counts as well; but not that of `m0`, which is 0.
    let mut could_be = true;
    let mut as_ids = 0_u64;
    let mut chain = Chain::new(world.ptr(world.global("runtime.allm")?, "runtime.allm")?);
    while let Some(at) = chain.at() {
        if !places.is_reserve(world, at)? {
            let number = world.field(at, places.number, WHAT)?;
            if number > HIGHEST {
                let what = format!(
                    "a thread (m) has the number {number} (procid), which is none of the kernel's"
                );
                return misfit(at, what);
            }
            could_be &= number == 0 || seen.insert(number);
            as_ids += u64::from(number != 0 && number == world.field(at, places.id, WHAT)?);
            match places.thread(world, at, &threads)? {
                Some(thread) if u64::from(thread.tid) == number => same += 1,
                Some(_) if number == 0 => without += 1,
                Some(thread) => {
                    other += 1;
                    example.get_or_insert((at, number, thread.tid));
                }
                None => {}
            }
        }
        let next = world.field(at, places.next, "m.alllink")?;
        chain.follow(Addr::new(next), "m.alllink")?;
    }
    // One that was just made has none yet.
    if seen.is_empty() || without > 1 + same + other {
        let first = world.global("runtime.allm")?;
        return misfit(first, "the threads (m) have no numbers (procid)");
    }
    could_be &= as_ids < seen.len() as u64;
    let elsewhere = same == 0 && without <= 1 && could_be && {
        let mut known = threads.iter().map(|thread| u64::from(thread.tid));
        !known.any(|tid| seen.contains(&tid))
    };
    match example {
        Some((at, number, tid)) if other.saturating_mul(8) > same + other && !elsewhere => {
            let what = format!(
                "a thread (m) has the number {number} (procid), and the one on its stack is {tid}; \
                 so with {other} of {}",
                same + other
            );
            misfit(at, what)
        }
        _ => Ok(()),
    }
}

impl Places {
    fn of(world: &World<'_>) -> Result<Places, Misfit> {
        let m = |path: &str| world.structs.place("runtime.m", path);
        let g = |path: &str| world.structs.place("runtime.g", path);
        Ok(Places {
            number: m("procid")?,
            id: m("id")?,
            next: m("alllink")?,
            stacks: [m("g0")?, m("gsignal")?, m("curg")?],
            curg: m("curg")?,
            lo: g("stack.lo")?,
            hi: g("stack.hi")?,
            status: g("atomicstatus")?,
        })
    }

    /// Whether the `m` waits for a thread of C's to call Go: `_Gdead`, and from go1.26 `_Gdeadextra`
    /// (runtime/proc.go: `oneNewExtraM`, `dropm`).
    fn is_reserve(&self, world: &World<'_>, m: Addr) -> Result<bool, Misfit> {
        let g = Addr::new(world.field(m, self.curg, WHAT)?);
        if g.is_nil() {
            return Ok(false);
        }
        let state = world.field(g, self.status, WHAT)? & !SCAN;
        Ok(matches!(state, DEAD | STATES))
    }

    /// The only thread whose stack pointer is in one of the stacks of the `m`.
    fn thread<'t>(
        &self,
        world: &World<'_>,
        m: Addr,
        threads: &[&'t Thread],
    ) -> Result<Option<&'t Thread>, Misfit> {
        let mut found: Option<&Thread> = None;
        for place in self.stacks {
            let g = Addr::new(world.field(m, place, WHAT)?);
            if g.is_nil() {
                continue;
            }
            let lo = Addr::new(world.field(g, self.lo, WHAT)?);
            let hi = Addr::new(world.field(g, self.hi, WHAT)?);
            // Of one that C made, they may be anything.
            if lo.is_nil() || hi.since(lo).is_none_or(|size| size > LARGEST) {
                continue;
            }
            let first = threads.partition_point(|thread| thread.registers.sp < lo);
            let inside = threads.get(first..).unwrap_or_default();
            for thread in inside.iter().take_while(|thread| thread.registers.sp < hi) {
                match found {
                    Some(known) if known.tid != thread.tid => return Ok(None),
                    _ => found = Some(thread),
                }
            }
        }
        Ok(found)
    }
}
