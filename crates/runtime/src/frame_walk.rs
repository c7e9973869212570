//! The frames of one stack as the collector takes them (runtime/mgcmark.go: `scanframeworker`), with
//! what is done where the runtime would throw.
//!
//! - A frame is scanned by its stack maps at the place where it goes on, not at the one where it is
//!   (runtime/stkframe.go: `getStackMap`): a frame that never goes on has no pointers.
//! - `asyncPreempt` and `debugCallV2` have saved the registers of their caller, which was not at a
//!   call: each word of both frames may be a pointer. The same goes for the innermost frame of a
//!   goroutine that was running, and for the caller of what the compiler does not take for a call.
//! - Where a map cannot be had, each word of the frame may be a pointer. Assembly that is never
//!   scanned by the collector has none; any other case is a gap.
//! - Where a frame cannot be unwound, the walk looks up the stack for the first return address from
//!   which the frames lead to the very top, and goes on there. What lies in between, or up to the end
//!   of the stack if there is none, is a frame of an unknown function whose words may be pointers.

use std::cell::Cell;
use std::rc::Rc;

use goheap_golang::Arch;
use goheap_image::pclntab::FuncId;
use goheap_memory::{Addr, Memory};

use crate::stack::{ArgsLen, Site};
use crate::stack_liveness::Words;
use crate::stack_map::PointerMap;
use crate::unwind::{Code, Frame, Saved, Stack, UnwindError, Unwinder};

/// Words of a stack that are looked through for a return address.
const LOOKED_THROUGH: u64 = 1 << 14;

/// Frames that may be tried on one stack when that is done.
const TRIED: u64 = 1 << 16;

/// What all walks over a program's stacks may still spend on searches: a program that is damaged all
/// over must not take for ever.
#[derive(Debug)]
pub(crate) struct Searches(Cell<u64>);

impl Searches {
    pub(crate) fn new() -> Searches {
        Searches(Cell::new(1 << 19))
    }

    /// Takes a step.
    fn step(&self) -> Option<()> {
        self.0.set(self.0.get().checked_sub(1)?);
        Some(())
    }
}

/// How a frame is scanned.
#[derive(Debug)]
pub(crate) enum Scan {
    /// Not at all: it never goes on.
    Dead,
    /// By the maps of this place in its function.
    Maps(Rc<Site>),
    /// Each of its words may be a pointer.
    Words,
}

/// A frame, and how it is scanned.
#[derive(Debug)]
pub(crate) struct ScanFrame {
    /// Its function; `None` if that is not known.
    pub(crate) site: Option<Rc<Site>>,
    pub(crate) pc: Addr,
    pub(crate) continue_pc: Addr,
    pub(crate) sp: Addr,
    pub(crate) fp: Addr,
    pub(crate) argp: Addr,
    pub(crate) varp: Addr,
    pub(crate) scan: Scan,
}

/// Where a walk begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) at: Saved,
    /// Whether that is at a call.
    pub(crate) at_call: bool,
    /// Nobody tells where it begins: all from `sp` on is one frame of an unknown function.
    pub(crate) lost: bool,
    pub(crate) stack: Stack,
    /// Where the topmost frame must be.
    pub(crate) top: Addr,
}

/// Walks the frames of one stack, innermost first.
pub(crate) struct FrameWalk<'a, M: ?Sized, C: Code<Site = Site>> {
    memory: &'a M,
    arch: Arch,
    sites: &'a C,
    start: Start,
    unwinder: Unwinder<'a, M, C>,
    /// Each word of the next frame may be a pointer.
    words: bool,
    /// Where the next frame begins.
    next_sp: Addr,
    /// The program counter of the last frame.
    last_pc: Addr,
    searches: &'a Searches,
    /// Frames that searches of this walk may still try.
    room: u64,
    over: bool,
    /// What went wrong.
    problems: Vec<UnwindError>,
}

impl<'a, M: Memory + ?Sized, C: Code<Site = Site>> FrameWalk<'a, M, C> {
    pub(crate) fn new(
        memory: &'a M,
        arch: Arch,
        sites: &'a C,
        searches: &'a Searches,
        start: Start,
    ) -> Self {
        FrameWalk {
            memory,
            arch,
            sites,
            start,
            unwinder: Unwinder::new(memory, arch, sites, start.stack, start.top, start.at),
            words: !start.at_call,
            next_sp: start.at.sp,
            last_pc: start.at.pc,
            searches,
            room: TRIED,
            over: false,
            problems: Vec::new(),
        }
    }

    /// What went wrong since the last call.
    pub(crate) fn problems(&mut self) -> Vec<UnwindError> {
        std::mem::take(&mut self.problems)
    }

    /// The next frame.
    pub(crate) fn next(&mut self) -> Option<ScanFrame> {
        if self.over {
            return None;
        }
        if self.start.lost {
            return self.unknown();
        }
        match self.unwinder.next() {
            Ok(Some(frame)) => {
                let scan = self.scan(&frame);
                let (mut fp, mut varp) = (frame.fp, frame.varp);
                // What the handler put under it may be a pointer: the link register of whom it
                // interrupted.
                if frame.site.step.injected && self.arch.uses_link_register() {
                    fp = fp
                        .offset(self.arch.injected_frame())
                        .min(self.start.stack.hi);
                    varp = match scan {
                        Scan::Words => fp,
                        Scan::Dead | Scan::Maps(_) => varp,
                    };
                }
                self.next_sp = fp;
                self.last_pc = frame.pc;
                Some(ScanFrame {
                    site: Some(frame.site),
                    pc: frame.pc,
                    continue_pc: frame.continue_pc,
                    sp: frame.sp,
                    fp,
                    argp: frame.argp,
                    varp,
                    scan,
                })
            }
            Ok(None) => {
                self.over = true;
                None
            }
            Err(error) => {
                self.problems.push(error);
                self.unknown()
            }
        }
    }

    fn scan(&mut self, frame: &Frame<Site>) -> Scan {
        let site = &frame.site;
        let saved_registers = matches!(site.id, FuncId::asyncPreempt | FuncId::debugCallV2);
        let words = std::mem::replace(
            &mut self.words,
            saved_registers || site.called_without_map(),
        );
        if words || saved_registers {
            return Scan::Words;
        }
        if frame.continue_pc.is_nil() {
            return Scan::Dead;
        }
        let at = match frame.continue_pc == frame.pc {
            true => Ok(Some(Rc::clone(site))),
            false => self.sites.site(frame.continue_pc),
        };
        let problem = match at {
            Ok(Some(at)) => match has_maps(self.arch, &at, frame) {
                Ok(()) => return Scan::Maps(at),
                Err(UnwindError::NoMap { .. }) if site.assembly => return Scan::Words,
                Err(error) => error,
            },
            Ok(None) => UnwindError::UnknownPc {
                pc: frame.continue_pc,
            },
            Err(error) => error,
        };
        self.problems.push(problem);
        Scan::Words
    }

    /// The frame of what cannot be unwound.
    fn unknown(&mut self) -> Option<ScanFrame> {
        let word = self.arch.word_size();
        let aligned = self.next_sp.get().checked_next_multiple_of(word);
        let sp = aligned.map(Addr::new);
        let Some(sp) = sp.filter(|sp| self.start.stack.contains(*sp)) else {
            self.over = true;
            return None;
        };
        let found = match self.start.lost {
            true => None,
            false => self.look_up(sp),
        };
        let fp = match found {
            Some((pc, at)) => {
                self.unwinder.go_on(pc, at);
                // Whether it is at a call is not known either.
                self.words = true;
                at
            }
            None => {
                self.over = true;
                self.start.stack.hi
            }
        };
        let pc = self.last_pc;
        self.next_sp = fp;
        Some(ScanFrame {
            site: None,
            pc,
            continue_pc: pc,
            sp,
            fp,
            argp: fp,
            varp: fp,
            scan: Scan::Words,
        })
    }

    /// The first word from `sp` on that is a return address of frames that lead to the top, and the
    /// stack pointer behind it. Where it is saved at the bottom of a frame, it does not tell where
    /// that ends.
    fn look_up(&mut self, sp: Addr) -> Option<(Addr, Addr)> {
        if self.arch.uses_link_register() {
            return None;
        }
        let word = self.arch.word_size();
        let mut words = Words::new(self.memory, self.arch.model);
        let len = self.start.stack.hi.since(sp)? / word;
        for i in 0..len.min(LOOKED_THROUGH) {
            self.searches.step()?;
            let at = sp.offset(i * word);
            let Some(pc) = words.get(at).map(Addr::new) else {
                continue;
            };
            let known = matches!(self.sites.site(pc), Ok(Some(_)));
            if known && self.leads_to_top(pc, at.offset(word)) {
                return Some((pc, at.offset(word)));
            }
        }
        None
    }

    fn leads_to_top(&mut self, pc: Addr, sp: Addr) -> bool {
        let Start { stack, top, .. } = self.start;
        let at = Saved::on_stack(pc, sp);
        let mut unwinder = Unwinder::new(self.memory, self.arch, self.sites, stack, top, at);
        unwinder.go_on(pc, sp);
        while let Some(room) = self.room.checked_sub(1) {
            self.room = room;
            if self.searches.step().is_none() {
                return false;
            }
            match unwinder.next() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        false
    }
}

/// Whether a frame from `sp` to `varp` has room for variables, so that a stack map has to tell of them.
pub(crate) fn has_locals(arch: Arch, sp: Addr, varp: Addr) -> bool {
    varp.since(sp).is_some_and(|len| len > arch.empty_frame())
}

/// Whether the stack maps of `at` describe all that `frame` has. The collector throws if not
/// (runtime/stkframe.go: `getStackMap`).
fn has_maps(arch: Arch, at: &Site, frame: &Frame<Site>) -> Result<(), UnwindError> {
    let pc = frame.continue_pc;
    let maps = at.maps.as_ref().map_err(UnwindError::clone)?;
    if has_locals(arch, frame.sp, frame.varp) {
        match &maps.locals {
            PointerMap::Bits(bits) if maps.locals_in_range || bits.words == 0 => {}
            _ => return Err(UnwindError::NoMap { pc }),
        }
    }
    match (at.args_len, &maps.args) {
        (ArgsLen::Reflect, _) => Ok(()),
        (ArgsLen::Fixed(len), _) if len < arch.word_size() => Ok(()),
        (ArgsLen::Fixed(_), Some(_)) if maps.args_in_range => Ok(()),
        (ArgsLen::Fixed(_), _) => Err(UnwindError::NoMap { pc }),
    }
}

#[cfg(test)]
mod tests;
