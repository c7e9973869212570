//! The frames of a goroutine in a mended dump: with all pointers that the collector would find in
//! them, stack objects included.

use goheap_format::{OtherRoot, Record};
use goheap_golang::Place;
use goheap_memory::Addr;

use super::context::{Context, Lost};
use super::layout::{G, Layout};
use super::{Walk, heap_words::HeapWords};
use crate::chain::Chain;
use crate::error::Doing;
use crate::frame_walk::Start;
use crate::stack_objects::WorldMasks;
use crate::stack_scan::{ScanLimits, ScanProblem, StackRoots, StackScanner};
use crate::unwind::Saved;
use crate::{WalkError, World};

/// What gaps say that they are about.
const FRAMES: &str = "frames of a goroutine";

/// What a mended walk over stacks needs beside the exact one's.
pub(super) struct Mended<'s, 't> {
    pub(super) heap: &'s HeapWords<'s, 't>,
    pub(super) masks: WorldMasks<'s, 't>,
    limits: ScanLimits,
    extended: Option<ExtendedRegisters>,
}

/// Where the vector registers of a goroutine are that was stopped between two instructions: not on
/// its stack, and the collector looks at them (runtime/preempt_xreg.go, go1.27: `xRegScan`).
#[derive(Debug)]
struct ExtendedRegisters {
    /// `g.xRegs.state`, nil for any other goroutine.
    state: Place,
    /// Where the registers are in what it leads to, and their bytes.
    offset: u64,
    len: u64,
}

impl<'s, 't> Mended<'s, 't> {
    pub(super) fn new(
        world: &'s World<'t>,
        heap: &'s HeapWords<'s, 't>,
        room: u64,
    ) -> Result<Mended<'s, 't>, WalkError> {
        let kept = world.arch.keeps_extended_registers();
        let extended = match world.features.extended_registers_scanned && kept {
            true => Some(ExtendedRegisters {
                state: world.structs.place("runtime.g", "xRegs.state")?,
                offset: world.structs.offset("runtime.xRegState", "regs")?,
                len: world.structs.size("runtime.xRegs")?,
            }),
            false => None,
        };
        Ok(Mended {
            heap,
            masks: WorldMasks::new(world)?,
            limits: ScanLimits::new(room),
            extended,
        })
    }
}

/// The largest stack of which each word is taken for a place that is pointed to, in bytes.
const MOST_MOVING: u64 = 8 << 20;

impl Walk<'_, '_> {
    /// While a stack is moved, pointers to it may still lead to where it was (runtime/stack.go:
    /// `copystack`, which adjusts frame after frame), so whatever is on it may be alive.
    fn all_of_a_moving_stack(&mut self, g: &G, words: &mut Vec<u64>) {
        let len = g.stack.hi.since(g.stack.lo).unwrap_or(0);
        let room = self.moving_room.checked_sub(len);
        let Some(room) = room.filter(|_| len <= MOST_MOVING) else {
            let why = "its stack is being moved, and is too large to take all of it for alive";
            self.gap(g, FRAMES, why);
            return;
        };
        self.moving_room = room;
        let word = self.world.model.word_size();
        words.extend((0..len / word).map(|i| g.stack.lo.offset(i * word).get()));
    }

    /// Writes the frames of `g`, each with its pointers, and the roots beside them.
    pub(super) fn mended_frames(
        &mut self,
        mended: &Mended<'_, '_>,
        g: &G,
        context: Result<Context, Lost>,
    ) -> Result<(), WalkError> {
        let start = match context {
            Ok(context) => {
                let at_call = context.at_call();
                self.summary.from_registers += u64::from(!at_call);
                Start {
                    at: context.place(),
                    at_call,
                    lost: false,
                    stack: g.stack,
                    top: g.top,
                }
            }
            Err(lost) => {
                self.gap(g, FRAMES, lost);
                Start {
                    at: Saved::on_stack(Addr::NIL, g.stack.lo),
                    at_call: false,
                    lost: true,
                    stack: g.stack,
                    top: g.top,
                }
            }
        };
        let mut roots = StackRoots {
            pointers: self.pointers(g),
            words: Vec::new(),
        };
        if !start.at_call
            && let Some((_, Some(thread))) = self.threads.running(g)
        {
            let registers = &thread.code().general;
            roots
                .words
                .extend(registers.iter().map(|(_, value)| *value));
        }
        if g.moving {
            self.all_of_a_moving_stack(g, &mut roots.words);
        }
        let extended = self.extended_registers(mended, g);
        roots.words.extend(&extended);

        let heap = mended.heap;
        let in_heap = |word: u64| heap.object(word).is_some();
        let scanner = StackScanner::new(
            self.world,
            self.sites,
            &mended.masks,
            &mended.limits,
            &in_heap,
        );
        let mut problems: Vec<ScanProblem> = Vec::new();
        let mut scan = scanner.scan(start, &roots, &mut |problem| problems.push(problem));
        self.summary.stack_objects += scan.live_objects();
        loop {
            let next = scan.next(&mut |problem| problems.push(problem));
            for problem in problems.drain(..) {
                self.gap(g, FRAMES, problem);
            }
            let Some((record, words)) = next else {
                break;
            };
            let Some(room) = self.room.checked_sub(record.contents.len() as u64) else {
                self.too_many_frames(g);
                return Ok(());
            };
            self.room = room;
            self.sink.record(&Record::StackFrame(record))?;
            self.summary.frames += 1;
            self.summary.conservative_frames += u64::from(words);
        }

        let description = format!("vector registers of goroutine {}", g.id);
        for target in extended.into_iter().filter(|word| in_heap(*word)) {
            self.sink.record(&Record::OtherRoot(OtherRoot {
                description: description.as_bytes(),
                target,
            }))?;
        }
        Ok(())
    }

    /// What leads into the stack of `g` from elsewhere: its context, and what its deferred calls
    /// and panics hold (runtime/mgcmark.go: `scanstack`). Where a list cannot be read, the records
    /// of it tell.
    fn pointers(&self, g: &G) -> Vec<u64> {
        let mut pointers = vec![g.ctxt, g.panics.get()];
        let mut chain = Chain::new(g.defers);
        while let Some(at) = chain.at() {
            let Ok((Record::Defer(defer), link)) =
                Layout::read_defer(self.layout, self.world, g.address, at)
            else {
                break;
            };
            pointers.extend([defer.closure, defer.link]);
            if chain.advance(link).is_err() {
                break;
            }
        }
        pointers
    }

    /// The words of the vector registers of `g`.
    fn extended_registers(&mut self, mended: &Mended<'_, '_>, g: &G) -> Vec<u64> {
        let Some(place) = &mended.extended else {
            return Vec::new();
        };
        match read_extended(self.world, place, g.address) {
            Ok(words) => words,
            Err(error) => {
                self.gap(g, "vector registers of a goroutine", error);
                Vec::new()
            }
        }
    }
}

fn read_extended(
    world: &World<'_>,
    place: &ExtendedRegisters,
    g: Addr,
) -> Result<Vec<u64>, WalkError> {
    const WHAT: &str = "g.xRegs";
    let state = Addr::new(world.field(g, place.state, WHAT)?);
    if state.is_nil() {
        return Ok(Vec::new());
    }
    let word = world.model.word_size();
    // 32 registers of 64 bytes.
    let len = place.len.min(1 << 12);
    let at = state.offset(place.offset);
    (0..len / word)
        .map(|i| {
            world
                .model
                .read_word(&world.memory, at.offset(i * word))
                .doing(WHAT)
        })
        .collect()
}
