//! Where the pointers of a stack are, as the collector would find them (runtime/mgcmark.go:
//! `scanstack`). A mended dump lists these in the records of the frames that they lie in.
//!
//! It takes two walks over the frames: the first finds all that leads to stack objects, which tells
//! which of those are alive; the second lists pointers frame by frame. So no more is held than the
//! places of the stack objects.
//!
//! Of words that may be pointers, those are listed that lead to an object of the heap or into the
//! stack that they lie in, as the collector follows those alone (`scanConservative`).

use std::cell::Cell;

use goheap_format::{Fields, StackFrame};
use goheap_memory::{Addr, PageCache, Target};

use crate::World;
use crate::frame_walk::{FrameWalk, Scan, ScanFrame, Searches, Start, has_locals};
use crate::reflect_call::ReflectCall;
use crate::stack::{ArgsLen, Site, Sites};
use crate::stack_frame::read_contents;
use crate::stack_liveness::{Known, ObjectError, StackObjects, Words};
use crate::stack_map::{Bits, PointerMap};
use crate::stack_objects::{ObjectRecord, WorldMasks, reflect_record};
use crate::unwind::UnwindError;

/// What leads into a stack from elsewhere.
#[derive(Debug, Default)]
pub(crate) struct StackRoots {
    /// Pointers: the context of the goroutine, and what its deferred calls and panics hold.
    pub(crate) pointers: Vec<u64>,
    /// Words that may be pointers: registers.
    pub(crate) words: Vec<u64>,
}

/// What went wrong with a part of a stack; the rest of it was scanned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanProblem {
    #[error(transparent)]
    Frame(#[from] UnwindError),
    #[error("stack objects: {0}")]
    Object(#[from] ObjectError),
}

/// Where a frame may have pointers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slots {
    /// There is one.
    Pointer(Addr),
    /// Each word from here up to there may be one.
    Words(Addr, Addr),
}

/// Scans stacks.
pub(crate) struct StackScanner<'a, 'w> {
    world: &'a World<'w>,
    sites: &'a Sites<'a>,
    masks: &'a WorldMasks<'a, 'w>,
    limits: &'a ScanLimits,
    /// Whether a word leads to an object of the heap.
    in_heap: &'a dyn Fn(u64) -> bool,
}

/// What all stacks together may take.
#[derive(Debug)]
pub(crate) struct ScanLimits {
    searches: Searches,
    /// Records of stack objects that are still looked at.
    records: Cell<u64>,
    /// Bytes of frames that are still scanned.
    room: Cell<u64>,
}

impl ScanLimits {
    /// `room` is the number of bytes that all stacks together have at most.
    pub(crate) fn new(room: u64) -> ScanLimits {
        ScanLimits {
            searches: Searches::new(),
            records: Cell::new(1 << 28),
            room: Cell::new(room),
        }
    }
}

impl<'a, 'w> StackScanner<'a, 'w> {
    pub(crate) fn new(
        world: &'a World<'w>,
        sites: &'a Sites<'a>,
        masks: &'a WorldMasks<'a, 'w>,
        limits: &'a ScanLimits,
        in_heap: &'a dyn Fn(u64) -> bool,
    ) -> StackScanner<'a, 'w> {
        StackScanner {
            world,
            sites,
            masks,
            limits,
            in_heap,
        }
    }

    /// Begins to scan the stack of `start`: finds the live objects of it. What goes wrong with a
    /// frame is told when that is listed; what goes wrong with an object is told to `problem`, now.
    pub(crate) fn scan<'s>(
        &'s self,
        start: Start,
        roots: &StackRoots,
        problem: &mut dyn FnMut(ScanProblem),
    ) -> StackScan<'s, 'w> {
        let (memory, model) = (&self.world.memory, self.world.model);
        let arch = self.world.arch;
        let mut objects = StackObjects::new(start.stack);
        let mut words = Words::new(memory, model);
        let mut walk = FrameWalk::new(memory, arch, self.sites, &self.limits.searches, start);
        while let Some(frame) = walk.next() {
            // Whoever writes the frames tells where they are too many.
            let room = self.limits.room.get();
            let Some(left) = room.checked_sub(frame.fp.since(frame.sp).unwrap_or(0)) else {
                break;
            };
            self.limits.room.set(left);
            self.slots(&frame, start, &mut |slots| match slots {
                Ok(Slots::Pointer(at)) => {
                    if let Some(word) = words.get(at) {
                        objects.found(word, Known::Surely);
                    }
                }
                Ok(Slots::Words(from, to)) => {
                    each_word(from, to, model.word_size(), &mut |at| {
                        let word = words.get(at);
                        objects.found(word.unwrap_or(0), Known::Maybe);
                        word.is_some()
                    });
                }
                Err(_) => {}
            });
            if let Err(error) = self.add_objects(&frame, &mut objects) {
                problem(error);
            }
        }
        for word in &roots.pointers {
            objects.found(*word, Known::Surely);
        }
        for word in &roots.words {
            objects.found(*word, Known::Maybe);
        }
        objects.trace(memory, model, self.masks, &mut |error| {
            problem(error.into());
        });
        StackScan {
            scanner: self,
            start,
            objects,
            walk: FrameWalk::new(memory, arch, self.sites, &self.limits.searches, start),
            passed_on: Vec::new(),
            contents: Vec::new(),
            offsets: Vec::new(),
            frame: None,
            depth: 0,
            child_sp: Addr::NIL,
        }
    }

    /// Adds the stack objects of `frame`. Those of a frame whose words may all be pointers are
    /// scanned with it.
    fn add_objects(
        &self,
        frame: &ScanFrame,
        objects: &mut StackObjects,
    ) -> Result<(), ScanProblem> {
        let Scan::Maps(site) = &frame.scan else {
            return Ok(());
        };
        let add = |objects: &mut StackObjects, record: ObjectRecord| {
            let offset = i64::from(record.offset).cast_unsigned();
            let base = match record.offset < 0 {
                true => frame.varp,
                false => frame.argp,
            };
            let at = base.offset(offset);
            // Below the stack pointer: the frame does not have it yet.
            match at < frame.sp {
                true => Ok(()),
                false => objects.add(at, record),
            }
        };
        if site.args_len == ArgsLen::Reflect {
            if self.reflect_call(site, frame)?.is_some() {
                add(objects, reflect_record(self.world, frame.pc)?)?;
            }
            return Ok(());
        }
        let records = self.sites.objects(site)?;
        let left = self.limits.records.get();
        let left = left.checked_sub(records.len() as u64);
        self.limits.records.set(left.ok_or(ObjectError::TooMany)?);
        for record in records.iter() {
            add(objects, *record)?;
        }
        Ok(())
    }

    fn reflect_call(
        &self,
        site: &Site,
        frame: &ScanFrame,
    ) -> Result<Option<ReflectCall>, UnwindError> {
        ReflectCall::read(self.world, site, (frame.pc, frame.sp, frame.fp))
    }

    /// Tells `each` where `frame` may have pointers: in its locals, and in its arguments.
    fn slots(
        &self,
        frame: &ScanFrame,
        start: Start,
        each: &mut dyn FnMut(Result<Slots, UnwindError>),
    ) {
        let word = self.world.model.word_size();
        let pointers = |base: Addr, bits: &Bits, each: &mut dyn FnMut(_)| {
            for index in &bits.pointers {
                each(Ok(Slots::Pointer(base.offset(u64::from(*index) * word))));
            }
        };
        match &frame.scan {
            Scan::Dead => {}
            Scan::Words => {
                each(Ok(Slots::Words(frame.sp, frame.varp)));
                let len = match frame.site.as_ref().map(|site| (site, site.args_len)) {
                    None => Ok(0),
                    Some((_, ArgsLen::Fixed(len))) => Ok(len),
                    Some((site, ArgsLen::Reflect)) => self
                        .reflect_call(site, frame)
                        .map(|call| call.map_or(0, |call| call.words.saturating_mul(word))),
                };
                // The top of the stack is the end of all.
                let args = frame.argp;
                let room = start.stack.hi.since(args).unwrap_or(0);
                each(len.map(|len| Slots::Words(args, args.offset(len.min(room)))));
            }
            Scan::Maps(site) => {
                let Ok(maps) = &site.maps else {
                    return;
                };
                if let PointerMap::Bits(bits) = &maps.locals
                    && has_locals(self.world.arch, frame.sp, frame.varp)
                {
                    pointers(frame.varp.before(bits.words * word), bits, each);
                }
                match (site.args_len, &maps.args) {
                    (ArgsLen::Fixed(len), Some(bits)) if len >= word => {
                        pointers(frame.argp, bits, each);
                    }
                    (ArgsLen::Fixed(_), _) => {}
                    (ArgsLen::Reflect, _) => {
                        let call = self.reflect_call(site, frame).and_then(|call| {
                            call.map_or(Ok(Vec::new()), |call| call.pointers(self.world, frame.pc))
                        });
                        match call {
                            Ok(indexes) => {
                                for index in indexes {
                                    each(Ok(Slots::Pointer(frame.argp.offset(index * word))));
                                }
                            }
                            Err(error) => each(Err(error)),
                        }
                    }
                }
            }
        }
    }
}

/// The second walk over a stack: its frames, with their pointers.
pub(crate) struct StackScan<'s, 'w> {
    scanner: &'s StackScanner<'s, 'w>,
    start: Start,
    objects: StackObjects,
    walk: FrameWalk<'s, PageCache<&'w dyn Target>, Sites<'s>>,
    /// Where the arguments of the last frame have pointers: they lie in the next one.
    passed_on: Vec<Slots>,
    contents: Vec<u8>,
    offsets: Vec<u64>,
    frame: Option<ScanFrame>,
    depth: u64,
    child_sp: Addr,
}

impl StackScan<'_, '_> {
    /// How many objects of the stack are alive.
    pub(crate) fn live_objects(&self) -> u64 {
        self.objects.alive()
    }

    /// The record of the next frame, and whether each of its words may be a pointer; `None` behind
    /// the last. What cannot be had of a frame is told to `problem`; one whose bytes cannot be read
    /// has no record.
    pub(crate) fn next(
        &mut self,
        problem: &mut dyn FnMut(ScanProblem),
    ) -> Option<(StackFrame<'_>, bool)> {
        loop {
            let frame = self.walk.next();
            for error in self.walk.problems() {
                problem(error.into());
            }
            let frame = frame?;
            let read = read_contents(
                self.scanner.world,
                (frame.pc, frame.sp, frame.fp),
                &mut self.contents,
            );
            if let Err(error) = read {
                problem(error.into());
                self.passed_on.clear();
                continue;
            }
            self.list(&frame, problem);
            let depth = self.depth;
            self.depth += 1;
            let child_sp = std::mem::replace(&mut self.child_sp, frame.sp);
            let frame = self.frame.insert(frame);
            let (entry, function) = match &frame.site {
                Some(site) => (site.step.entry, &*site.name),
                None => (Addr::NIL, b"unknown function".as_slice()),
            };
            let record = StackFrame {
                sp: frame.sp.get(),
                depth,
                child_sp: child_sp.get(),
                contents: &self.contents,
                entry: entry.get(),
                pc: frame.pc.get(),
                continue_pc: frame.continue_pc.get(),
                function,
                fields: Fields::Offsets(&self.offsets),
            };
            return Some((record, matches!(frame.scan, Scan::Words)));
        }
    }

    /// Lists the offsets of the pointers of `frame`, ascending, each once.
    fn list(&mut self, frame: &ScanFrame, problem: &mut dyn FnMut(ScanProblem)) {
        let world = self.scanner.world;
        let word = world.model.word_size();
        let mut slots = std::mem::take(&mut self.passed_on);
        let mut passed_on = Vec::new();
        self.scanner
            .slots(frame, self.start, &mut |slot| match slot {
                Ok(slot @ Slots::Pointer(at)) if at >= frame.fp => passed_on.push(slot),
                Ok(slot @ Slots::Words(at, _)) if at >= frame.fp => passed_on.push(slot),
                Ok(slot) => slots.push(slot),
                Err(error) => problem(error.into()),
            });
        let (stack, in_heap) = (self.start.stack, self.scanner.in_heap);
        let mut words = Words::new(&world.memory, world.model);
        let mut leads_somewhere = |at: Addr| {
            let value = words.get(at).unwrap_or(0);
            stack.contains(Addr::new(value)) || in_heap(value)
        };
        let offsets = &mut self.offsets;
        offsets.clear();
        let mut add = |at: Addr| {
            if at < frame.fp
                && let Some(offset) = at.since(frame.sp)
            {
                offsets.push(offset);
            }
        };
        for slot in slots {
            match slot {
                Slots::Pointer(at) => add(at),
                Slots::Words(from, to) => {
                    each_word(from, to.min(frame.fp), word, &mut |at| {
                        if leads_somewhere(at) {
                            add(at);
                        }
                        true
                    });
                    // Arguments that reach beyond the caller's frame.
                    if to > frame.fp && from < frame.fp {
                        passed_on.push(Slots::Words(frame.fp, to));
                    }
                }
            }
        }
        let part = (frame.sp, frame.fp);
        self.objects
            .pointers(part, word, self.scanner.masks, &mut |at, known| {
                if known == Known::Surely || leads_somewhere(at) {
                    add(at);
                }
            });
        offsets.sort_unstable();
        offsets.dedup();
        self.passed_on = passed_on;
    }
}

/// Calls `each` with the address of each word, until it says no.
fn each_word(from: Addr, to: Addr, word: u64, each: &mut dyn FnMut(Addr) -> bool) {
    let len = to.since(from).unwrap_or(0) / word;
    for i in 0..len {
        if !each(from.offset(i * word)) {
            return;
        }
    }
}
