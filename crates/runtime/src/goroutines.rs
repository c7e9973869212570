//! Goroutines: each with its frames, deferred calls and panics (runtime/heapdump.go: `dumpgs`,
//! `dumpgoroutine`).
//!
//! The runtime's own dumper knows goroutines that wait, that are ready to run, and that are in a
//! system call; it kills the program where it meets another. A program that is stopped from outside
//! has others, so goheap has a rule for them, and keeps to it in exact dumps too:
//!
//! - A goroutine in a system call (its `syscallsp` says so, whatever its status) is written as the
//!   runtime writes it. From go1.26 on it can be `_Grunning`: then the runtime writes it and throws
//!   (runtime/heapdump.go: the `fallthrough` behind `dumpgoroutine`), and goheap goes on.
//! - So is one that was preempted, that leaked, or whose stack is being copied or scanned: its saved
//!   context is as good as that of one that waits. The status is written as it is, scan bit included.
//! - A running goroutine is written with the frames that its thread tells (`context.rs` has the
//!   rules). Where none of them finds its frames, its record has none, and that is a gap.
//! - Dead goroutines are left out, which is what the runtime does.
//!
//! A mended dump has roots behind the goroutines that the runtime's own has not: what the threads'
//! registers and the scheduler's stacks hold.

mod context;
mod frames;
mod heap_words;
mod ids;
mod layout;
mod machine;
mod registers;
mod scheduler_stack;
mod signal_frame;
mod system;
mod threads;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

use goheap_format::{Goroutine, Record};
use goheap_memory::Addr;

pub use self::context::Rule;
use self::context::{Context, Contexts, Lost};
use self::frames::Mended;
pub(crate) use self::heap_words::HeapWords;
use self::ids::Ids;
use self::layout::{G, Layout};
use self::machine::MLayout;
use self::registers::Owner;
use self::system::SystemGoroutines;
use self::threads::Threads;
use crate::arena::Arenas;
use crate::chain::Chain;
use crate::gap::Gaps;
use crate::stack::Sites;
use crate::stack_frame::FrameWriter;
use crate::unwind::{Stack, Unwinder};
use crate::wait_reason::WaitReasons;
use crate::{Fidelity, Sink, WalkError, World, limit};

/// What a goroutine is doing (runtime/runtime2.go, go1.19 to go1.27: `_Gidle` and so on, without
/// `_Gscan`; the numbers stay the same, and 10 and 11 came with go1.26). As text, it is what people
/// are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GoroutineState {
    /// Made, but not ready yet.
    Idle,
    /// Ready to run.
    Runnable,
    /// Running.
    Running,
    /// In a system call, or in C code.
    Syscall,
    /// Waiting.
    Waiting,
    /// Dead: it has no record.
    Dead,
    /// Its stack is being moved.
    CopyStack,
    /// Stopped by the collector.
    Preempted,
    /// Found to be leaked by a goroutine-leak profile (go1.26 and later).
    Leaked,
    /// Waiting for a call from C; it has no record either (go1.26 and later).
    DeadExtra,
    /// A number that no version uses.
    Unknown(u64),
}

/// So many entries of `allgs` in a row that are no goroutines are the end of it: where its length
/// is damaged, all that lies behind it would be taken for goroutines.
const MOST_STRANGE: u64 = 1 << 12;

/// `_Gscan`: somebody looks at the stack.
const SCAN: u64 = 0x1000;

impl GoroutineState {
    /// The state that `g.atomicstatus` tells.
    pub fn from_status(status: u64) -> GoroutineState {
        match status & !SCAN {
            0 => GoroutineState::Idle,
            1 => GoroutineState::Runnable,
            2 => GoroutineState::Running,
            3 => GoroutineState::Syscall,
            4 => GoroutineState::Waiting,
            6 => GoroutineState::Dead,
            8 => GoroutineState::CopyStack,
            9 => GoroutineState::Preempted,
            10 => GoroutineState::Leaked,
            11 => GoroutineState::DeadExtra,
            _ => GoroutineState::Unknown(status),
        }
    }

    /// Whether the goroutine has no record.
    fn is_dead(self) -> bool {
        matches!(self, GoroutineState::Dead | GoroutineState::DeadExtra)
    }
}

impl fmt::Display for GoroutineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GoroutineState::Idle => "idle",
            GoroutineState::Runnable => "runnable",
            GoroutineState::Running => "running",
            GoroutineState::Syscall => "in system call",
            GoroutineState::Waiting => "waiting",
            GoroutineState::Dead => "dead",
            GoroutineState::CopyStack => "copying its stack",
            GoroutineState::Preempted => "preempted",
            GoroutineState::Leaked => "leaked",
            GoroutineState::DeadExtra => "spare for cgo",
            GoroutineState::Unknown(status) => return write!(f, "status {status:#x}"),
        })
    }
}

/// What a walk over the goroutines met.
#[derive(Debug, Default, Clone)]
pub struct GoroutineSummary {
    /// How many there are of each state, dead ones included.
    pub states: BTreeMap<GoroutineState, u64>,
    /// How many records of goroutines were written.
    pub goroutines: u64,
    /// How many of those belong to the runtime itself.
    pub system: u64,
    /// How many frames were written.
    pub frames: u64,
    /// Of these, frames of which each word that looks like a pointer is one (mended dumps).
    pub conservative_frames: u64,
    /// How many stack objects are alive (mended dumps).
    pub stack_objects: u64,
    /// How many running goroutines have the frames that their thread's registers tell.
    pub from_registers: u64,
    /// What told where their frames begin, and how often.
    pub told: BTreeMap<Rule, u64>,
    /// How many threads were in a signal handler.
    pub interrupted: u64,
    /// How many roots were found in threads' registers and on their own stacks.
    pub thread_roots: u64,
    /// What could not be seen.
    pub gaps: Gaps,
}

/// Writes the records of all goroutines in the order of `allgs`: each followed by its frames
/// (innermost first), its deferred calls and its panics.
///
/// What cannot be read of one goroutine is a gap, and the walk goes on with the next part of it.
///
/// # Errors
/// The layouts or symbols lack what is needed, `allgs` makes no sense, or the sink fails.
pub(crate) fn write_goroutines(
    world: &World<'_>,
    arenas: &Arenas,
    heap: &HeapWords<'_, '_>,
    fidelity: Fidelity,
    sink: &mut dyn Sink,
) -> Result<GoroutineSummary, WalkError> {
    let sites = Sites::new(world);
    let layout = Layout::new(&world.structs)?;
    let mut summary = GoroutineSummary::default();
    let ms = MLayout::new(&world.structs)?.read_all(world, &mut summary.gaps)?;
    let threads = Threads::new(world, ms);
    let mut walk = Walk {
        world,
        layout: &layout,
        sites: &sites,
        wait_reasons: WaitReasons::new(world)?,
        system: SystemGoroutines::new(world, &sites)?,
        threads: &threads,
        contexts: Contexts::new(world, &sites, &threads),
        ids: Ids::new(world, &mut summary.gaps)?,
        running: HashMap::new(),
        frame_writer: FrameWriter::new(world),
        mended: match fidelity {
            Fidelity::Exact => None,
            Fidelity::Mended => Some(Mended::new(world, heap, arenas.total())?),
        },
        room: arenas.total(),
        moving_room: arenas.total(),
        sink,
        summary,
    };
    let at = world.global("runtime.allgs")?;
    let (allgs, count) = world.slice(at, "allgs")?;
    if count > limit::GOROUTINES {
        let expected = "a sane length";
        return Err(WalkError::Implausible {
            what: "allgs",
            at,
            found: count,
            expected,
        });
    }
    // The runtime keeps the length a second time, and sets that when it has added one
    // (runtime/proc.go: `allgadd`).
    let known = world.global("runtime.allglen")?;
    // The one that is being added; it is dead until it has been.
    let mut added = None;
    match world.word(known, "allglen") {
        Ok(known) if known == count => {}
        Ok(known) if known.checked_add(1) == Some(count) => added = Some(known),
        Ok(known) => {
            let why = format_args!("allgs has {count} of them, allglen says {known}");
            walk.summary.gaps.add("goroutines", at, why);
        }
        Err(error) => walk.summary.gaps.add("goroutines", known, error),
    }
    // Each is an object of the heap (runtime/proc.go: `malg`).
    let fit = arenas.total() / layout.size.max(1);
    if count > fit {
        let why = format_args!("allgs has {count} of them, the heap has room for {fit}");
        walk.summary.gaps.add("goroutines", at, why);
    }
    let mut strange = 0;
    for i in 0..count.min(fit) {
        let entry = allgs.offset(i * world.model.word_size());
        match world.ptr(entry, "allgs") {
            // `append` counts it before it writes it.
            Ok(g) if g.is_nil() && added == Some(i) => {}
            Ok(g) => match walk.goroutine(g)? {
                true => strange = 0,
                false => strange += 1,
            },
            Err(error) => {
                let why = format_args!("{} of {count} are lost: {error}", count - i);
                walk.summary.gaps.add("goroutines", entry, why);
                break;
            }
        }
        if strange >= MOST_STRANGE {
            let left = count - i - 1;
            let why = format_args!("{left} of {count} are lost: {strange} in a row are none");
            walk.summary.gaps.add("goroutines", entry, why);
            break;
        }
    }
    walk.summary.told = walk.contexts.told();
    let interrupted = threads.list.iter().filter(|t| t.interrupted.is_some());
    walk.summary.interrupted = interrupted.count() as u64;
    if fidelity == Fidelity::Mended {
        walk.thread_roots(heap)?;
    }
    Ok(walk.summary)
}

/// A goroutine that some `m` says that it runs.
#[derive(Debug, Clone, Copy)]
struct Running {
    id: u64,
    stack: Stack,
    state: GoroutineState,
}

struct Walk<'w, 's> {
    world: &'w World<'w>,
    layout: &'s Layout,
    sites: &'s Sites<'w>,
    wait_reasons: WaitReasons<'w>,
    system: SystemGoroutines<'s>,
    threads: &'s Threads,
    contexts: Contexts<'s>,
    ids: Ids,
    running: HashMap<Addr, Running>,
    frame_writer: FrameWriter<'w>,
    /// Bytes that further frames may have: stacks lie in the heap's arenas, and do not overlap.
    room: u64,
    /// Bytes that further stacks may have that are being moved.
    moving_room: u64,
    mended: Option<Mended<'w, 'w>>,
    sink: &'s mut dyn Sink,
    summary: GoroutineSummary,
}

impl Walk<'_, '_> {
    /// Writes what `address` leads to, and tells whether that can be a goroutine.
    fn goroutine(&mut self, address: Addr) -> Result<bool, WalkError> {
        let status = match self
            .world
            .field(address, self.layout.status, "g.atomicstatus")
        {
            Ok(status) => status,
            Err(error) => {
                self.summary.gaps.add("goroutine", address, error);
                return Ok(false);
            }
        };
        let state = GoroutineState::from_status(status);
        *self.summary.states.entry(state).or_default() += 1;
        if state.is_dead() {
            return Ok(true);
        }
        let mut g = match G::read(self.world, self.layout, address) {
            Ok(g) => g,
            Err(error) => {
                self.summary.gaps.add("goroutine", address, error);
                return Ok(false);
            }
        };
        self.ids.check(&g, state, &mut self.summary.gaps);
        g.moving = g.untear(&self.world.arch) || state == GoroutineState::CopyStack;
        if let Some((m, _)) = self.threads.running(&g) {
            ids::check_m(&g, state, m.address, &mut self.summary.gaps);
            let running = Running {
                id: g.id,
                stack: g.stack,
                state,
            };
            self.running.insert(address, running);
        }
        let context = self.contexts.of(state, &g);
        let sp = context.map_or(g.sched.sp, |context| context.place().sp);
        let system = self.system.contains(&g);
        self.sink.record(&Record::Goroutine(Goroutine {
            address: address.get(),
            sp: sp.get(),
            id: g.id,
            created_at: g.gopc,
            status,
            system,
            background: false,
            waiting_since: g.waitsince,
            wait_reason: &self.wait_reasons.name(g.waitreason),
            context: g.ctxt,
            m: g.m.get(),
            defers: g.defers.get(),
            panics: g.panics.get(),
        }))?;
        self.summary.goroutines += 1;
        self.summary.system += u64::from(system);
        match self.mended.take() {
            mended if self.room == 0 => {
                self.mended = mended;
                self.too_many_frames(&g);
            }
            None => self.frames(&g, context)?,
            Some(mended) => {
                let written = self.mended_frames(&mended, &g, context);
                self.mended = Some(mended);
                written?;
            }
        }
        self.list(
            &g,
            g.defers,
            "deferred calls of a goroutine",
            Layout::read_defer,
        )?;
        self.list(&g, g.panics, "panics of a goroutine", Layout::read_panic)?;
        // None is in the list before it is dead (runtime/proc.go: `newproc1`).
        Ok(!matches!(
            state,
            GoroutineState::Idle | GoroutineState::Unknown(_)
        ))
    }

    /// Writes the roots that threads hold, and the notes of their registers.
    fn thread_roots(&mut self, heap: &HeapWords<'_, '_>) -> Result<(), WalkError> {
        let room = Cell::new(scheduler_stack::MOST_OF_ALL);
        for thread in &self.threads.list {
            let m = thread.m.and_then(|m| self.threads.ms.get(m));
            let running = m.and_then(|m| Some((m.curg, self.running.get(&m.curg)?)));
            let on_its_stack = running.filter(|(_, g)| g.stack.contains(thread.code().sp));
            let in_system_call = running.is_some_and(|(_, g)| g.state == GoroutineState::Syscall);
            let owner = Owner {
                thread,
                g: on_its_stack.map(|(address, g)| (address, g.id)),
                busy: m.is_some_and(|m| registers::is_busy(m, in_system_call)),
                room: &room,
            };
            registers::note(&self.world.arch, &owner, self.sink)?;
            let (Some(m), true) = (m, owner.busy) else {
                continue;
            };
            let gaps = &mut self.summary.gaps;
            let arch = &self.world.arch;
            registers::check_move(arch, &owner, self.sites, heap, gaps);
            self.summary.thread_roots += registers::write_roots(arch, &owner, heap, self.sink)?;
            self.summary.thread_roots +=
                scheduler_stack::write_roots(self.world, &owner, m, heap, self.sink, gaps)?;
        }
        // Whoever has a P runs. One of C's threads that has left Go leaves its P there and has no
        // thread any more (runtime/proc.go: `dropm`, `unminit`).
        let lost = self.threads.lost();
        for m in lost.filter(|m| !m.p.is_nil() && m.procid != 0) {
            let why = "it has a P, and no thread is known to be its";
            self.summary
                .gaps
                .add("registers of a thread", m.address, why);
        }
        Ok(())
    }

    fn frames(&mut self, g: &G, context: Result<Context, Lost>) -> Result<(), WalkError> {
        let at = match context {
            Ok(Context::Saved(at)) => at,
            Ok(Context::Registers(at)) => {
                self.summary.from_registers += 1;
                if let Some(doubt) = self.sites.doubt(at.pc) {
                    self.gap(g, "frames of a goroutine", doubt);
                }
                at
            }
            Err(lost) => {
                self.gap(g, "frames of a goroutine", lost);
                return Ok(());
            }
        };
        let (memory, arch) = (&self.world.memory, self.world.arch);
        let mut unwinder = Unwinder::new(memory, arch, self.sites, g.stack, g.top, at);
        self.frame_writer.reset();
        loop {
            let frame = match unwinder.next() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.gap(g, "frames of a goroutine", error);
                    return Ok(());
                }
            };
            match self.frame_writer.record(&frame) {
                Ok(record) => {
                    let Some(room) = self.room.checked_sub(record.contents.len() as u64) else {
                        self.too_many_frames(g);
                        return Ok(());
                    };
                    self.room = room;
                    self.sink.record(&Record::StackFrame(record))?;
                }
                Err(error) => {
                    self.gap(g, "frames of a goroutine", error);
                    return Ok(());
                }
            }
            self.summary.frames += 1;
        }
    }

    /// Writes a record for each node of a list: of deferred calls, or of panics.
    fn list(
        &mut self,
        g: &G,
        first: Addr,
        what: &'static str,
        node: impl Fn(&Layout, &World<'_>, Addr, Addr) -> Result<(Record<'static>, Addr), WalkError>,
    ) -> Result<(), WalkError> {
        let mut chain = Chain::new(first);
        while let Some(at) = chain.at() {
            match node(self.layout, self.world, g.address, at) {
                Ok((record, link)) => {
                    self.sink.record(&record)?;
                    if chain.advance(link).is_err() {
                        self.gap(
                            g,
                            what,
                            format_args!("the one at {at} leads back to an earlier one"),
                        );
                        return Ok(());
                    }
                }
                Err(error) => {
                    self.gap(g, what, error);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Says so, and that no further frame is read.
    fn too_many_frames(&mut self, g: &G) {
        self.room = 0;
        let why = "all stacks together have more bytes than the heap's arenas";
        self.gap(g, "frames of a goroutine", why);
    }

    fn gap(&mut self, g: &G, what: &'static str, why: impl fmt::Display) {
        self.summary
            .gaps
            .add(what, g.address, format_args!("goroutine {}: {why}", g.id));
    }
}

#[cfg(test)]
mod tests;
