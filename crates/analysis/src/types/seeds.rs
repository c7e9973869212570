//! Where the search begins: what tells its type by itself.

use std::collections::BTreeMap;

use goheap_golang::Kind;
use goheap_golang::catalogue::{FrameVariable, GoType, TypeId};

use super::How;
use super::body::{Body, body};
use super::codes::Of;
use super::sizes::{HEADER, LARGEST_CLASS, largest_without_header};
use super::walk::{Claim, Walk, level};
use crate::dump::{Frame, ObjectId, word_at};
use crate::nodes::package_of;
use crate::{Interrupted, Watch};

const PHASE: &str = "finding types";

/// Global variables of the runtime's whose types need no DWARF (runtime/runtime2.go: `allgs`, `allp`).
const LISTS: [(&str, &str); 2] = [
    ("runtime.allgs", "runtime.g"),
    ("runtime.allp", "runtime.p"),
];

impl<'d> Walk<'d, '_> {
    /// Types that the allocator wrote in front of objects.
    pub(super) fn headers(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        if !self.know.headers {
            return Ok(());
        }
        let total = self.dump.object_count();
        for object in self.dump.objects() {
            if object.0.is_multiple_of(1 << 14) {
                watch.step(PHASE, object.0.into(), total.into())?;
            }
            let size = self.dump.size(object);
            if size > largest_without_header(self.know.model.word) && size <= LARGEST_CLASS {
                self.header(object);
            }
        }
        Ok(())
    }

    fn header(&mut self, object: ObjectId) {
        let know = self.know;
        let extent = self.extent(object.0);
        if extent.base != HEADER {
            return;
        }
        let contents = self.dump.contents(object);
        let Some(ty) = word_at(know.model, contents, 0).and_then(|at| know.catalogue.at(at)) else {
            return;
        };
        let first = word_at(know.model, contents, HEADER).unwrap_or(0);
        // A closure's type is a struct that begins with the entry.
        let closure = know.catalogue.get(ty).is_some_and(GoType::is_closure);
        if closure
            && know.function_at(first).is_some()
            && self.closure_of(object.0, extent, How::Header)
        {
            return;
        }
        let (code, level) = match know.map_of_slots.get(&ty) {
            // Whose map it is, the map tells better.
            Some(&map) if know.map(map).is_some() => {
                let of = if know.swiss { Of::Groups } else { Of::Buckets };
                (know.codes.of(of, map), level::FITS)
            }
            _ => {
                let one = know.sizes.fits(HEADER + know.size_of(ty), extent.size);
                let of = if one { Of::Value } else { Of::Array };
                (know.codes.of(of, ty), level::TOLD)
            }
        };
        let claim = Claim {
            code,
            level,
            how: How::Header,
        };
        self.claim(object.0, extent, claim);
    }

    /// Global variables that DWARF gives a type, and those whose types are always the same.
    pub(super) fn variables(&mut self) {
        let catalogue = self.know.catalogue;
        for variable in &catalogue.variables {
            if let Some(ty) = variable.ty {
                let bytes = self.know.size_of(ty).min(variable.size.max(1));
                self.place(variable.address, ty, bytes, How::Variable);
                continue;
            }
            let list = LISTS.iter().find(|(name, _)| *name == variable.name);
            if let Some((_, of)) = list
                && let Some(ty) = catalogue.named(&format!("[]*{of}"))
            {
                self.place(variable.address, ty, variable.size, How::Runtime);
            }
        }
    }

    /// Goroutines and threads: the dump's own records lead to them.
    pub(super) fn goroutines(&mut self) {
        let catalogue = self.know.catalogue;
        let (g, m) = (catalogue.named("runtime.g"), catalogue.named("runtime.m"));
        for goroutine in self.dump.goroutines() {
            if let Some(g) = g {
                self.pointer(goroutine.address, g, How::Runtime);
            }
            if let (Some(m), 1..) = (m, goroutine.m) {
                self.pointer(goroutine.m, m, How::Runtime);
            }
        }
    }

    /// Objects with finalizers: the runtime keeps the type that was given with the pointer.
    pub(super) fn finalizers(&mut self) {
        let catalogue = self.know.catalogue;
        for (object, pointer) in self.dump.finalized() {
            let ty = catalogue.at(pointer).and_then(|ty| catalogue.get(ty));
            if let Some(ty) = ty.filter(|ty| ty.kind == Kind::Pointer)
                && let Some(elem) = ty.elem
            {
                self.pointer(object, elem, How::Runtime);
            }
        }
    }

    /// Variables of frames, where DWARF tells of them: the words alone that the stack map has.
    pub(super) fn frames(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        let total = self.dump.frames().len() as u64;
        let mut callee: Option<&Frame> = None;
        for (frame, done) in self.dump.frames().iter().zip(0u64..) {
            if done.is_multiple_of(1 << 12) {
                watch.step(PHASE, done, total)?;
            }
            callee = callee.filter(|callee| callee.goroutine == frame.goroutine);
            self.frame(frame, callee);
            callee = Some(frame);
        }
        Ok(())
    }

    /// The variables of a frame, and the arguments of the function that it called, which lie in it.
    fn frame(&mut self, frame: &Frame, callee: Option<&Frame>) {
        // A variable by its place in the frame; of two that share one, neither is believed.
        let mut places: BTreeMap<u64, Option<&FrameVariable>> = BTreeMap::new();
        for of in [Some(frame), callee].into_iter().flatten() {
            // Where variables are counted from: on amd64 a frame ends behind the return address.
            let end = of.sp.wrapping_add(of.len).wrapping_sub(frame.sp);
            for variable in self.variables_of(of) {
                let Some(offset) = end.checked_add_signed(variable.cfa_offset) else {
                    continue;
                };
                places
                    .entry(offset)
                    .and_modify(|known| {
                        *known = known.filter(|known| known.ty == variable.ty);
                    })
                    .or_insert(Some(variable));
            }
        }
        if places.is_empty() {
            return;
        }
        let Some(record) = self.dump.frame_record(frame) else {
            return;
        };
        let live: Vec<u64> = record.fields.iter().map(|(_, offset)| offset).collect();
        for (offset, variable) in places {
            let Some(variable) = variable else { continue };
            self.frame_variable(record.contents, &live, offset, variable.ty);
        }
    }

    /// The variables that a function has where a frame of it stands.
    fn variables_of(&self, frame: &Frame) -> impl Iterator<Item = &'d FrameVariable> + use<'d> {
        let all = &self.know.catalogue.frame_variables;
        let (entry, pc) = (frame.entry, frame.pc);
        let from = all.partition_point(|v| v.function < entry);
        let of = all.get(from..).unwrap_or(&[]);
        let of = of.get(..of.partition_point(|v| v.function == entry));
        let holds = move |v: &&FrameVariable| v.from < pc && pc <= v.to || v.from == pc;
        of.unwrap_or(&[]).iter().filter(holds)
    }

    /// A variable at an offset of a frame.
    fn frame_variable(&mut self, contents: &[u8], live: &[u64], offset: u64, ty: TypeId) {
        let know = self.know;
        let size = know.size_of(ty);
        let end = offset.saturating_add(size);
        let behind = live.partition_point(|at| *at < offset);
        let lives = live.get(behind).is_some_and(|at| *at < end);
        if !lives || know.programs.of(ty).is_empty() {
            return;
        }
        let (Ok(from), Ok(to)) = (usize::try_from(offset), usize::try_from(end)) else {
            return;
        };
        let Some(bytes) = contents.get(from..to) else {
            return;
        };
        // What the stack map does not have is dead, and may be anything.
        let dead = (0..size).step_by(know.word.max(1) as usize).any(|at| {
            let word = word_at(know.model, bytes, at).unwrap_or(0);
            live.binary_search(&(offset + at)).is_err() && self.dump.find(word).is_some()
        });
        if !dead {
            self.value_at(bytes, ty, How::Variable);
        }
    }

    /// Interfaces in words that no type is known of: the first word is an itab or a type descriptor.
    pub(super) fn root_words(&mut self) {
        let dump = self.dump;
        let word = self.know.word;
        for pointer in dump.root_pointers() {
            let Some(at) = pointer.at.checked_sub(word).filter(|_| pointer.at >= word) else {
                continue;
            };
            if self.are_apart(at, pointer.at) {
                continue;
            }
            if let Some(told) = dump.word(at) {
                self.interface(told, pointer.target, How::Interface);
            }
        }
    }

    /// Whether two words that follow one another are of two variables: a pointer to a type descriptor
    /// (`reflect.uint8Type`) and what the linker has put behind it are no interface. Of variables that
    /// are called by a function that uses them, one may be a part of another, but not of another
    /// package's.
    fn are_apart(&self, first: u64, second: u64) -> bool {
        let catalogue = self.know.catalogue;
        let at = |address| catalogue.variable_at(address);
        let (Some(first), Some(second)) = (at(first), at(second)) else {
            return false;
        };
        let by_use = |name: &str| name.contains("@0x");
        let named = !by_use(&first.name) && !by_use(&second.name);
        first.address != second.address
            && (named || package_of(&first.name) != package_of(&second.name))
    }

    /// The same in objects that no type is known of, and closures among these.
    pub(super) fn untyped(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        let total = self.dump.object_count();
        for object in self.dump.objects() {
            if object.0.is_multiple_of(1 << 14) {
                watch.step(PHASE, object.0.into(), total.into())?;
            }
            if self.level(object.0) > 0 {
                continue;
            }
            let extent = self.extent(object.0);
            if self.closure_of(object.0, extent, How::Closure) {
                continue;
            }
            let Some(record) = body(self.dump, object.0) else {
                continue;
            };
            self.interfaces(&record);
        }
        Ok(())
    }

    /// Interfaces among the words of an object.
    pub(super) fn interfaces(&mut self, record: &Body<'_>) {
        let know = self.know;
        for (_, offset) in record.fields.iter() {
            let Some(at) = offset.checked_sub(know.word) else {
                continue;
            };
            let told = word_at(know.model, record.contents, at).unwrap_or(0);
            if know.told(told).is_some() {
                let data = word_at(know.model, record.contents, offset).unwrap_or(0);
                self.interface(told, data, How::Interface);
            }
        }
    }
}
