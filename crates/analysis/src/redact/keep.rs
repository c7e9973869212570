//! What is kept of values whose types are known: lengths, capacities, and what maps and channels are
//! read by.

use std::collections::HashSet;

use goheap_format::{Object, Segment, StackFrame};
use goheap_golang::catalogue::{GoType, TypeId};
use goheap_golang::{Features, GoVersion, HeapBits, Kind, SlotPlaces, Structs};

use super::{copy, first_pointer};
use crate::dump::{Dump, ObjectId, word_at};
use crate::types::{MapPart, Types, What};
use crate::{Interrupted, Watch};

/// Types that are nested deeper are not followed.
const DEPTH: u8 = 32;
/// How many values outside of the heap are looked at, for each byte that is there.
const LOOKS: u64 = 4;

/// A field of one of the runtime's structs that is no user data: its offset and its size.
type Part = (u64, u64);

pub(super) struct Keep<'d> {
    dump: &'d Dump,
    types: &'d Types,
    word: u64,
    headers: bool,
    /// Of each type, whether there is something to be kept in it, or to be followed.
    matters: Vec<bool>,
    map_header: Vec<Part>,
    table: Vec<Part>,
    channel: Vec<Part>,
    /// Addresses of goroutines, and where the bounds of their stacks are.
    goroutines: HashSet<u64>,
    stack: Vec<Part>,
    /// Values in data and bss that are still to be looked at: address, type, how many.
    work: Vec<(u64, TypeId, u64)>,
    seen: HashSet<(u64, TypeId)>,
    looks: u64,
    /// What is to be kept of data and bss: address and bytes.
    outside: Vec<(u64, u64)>,
    /// What is to be kept of a value: offset and bytes.
    kept: Vec<Part>,
}

impl<'d> Keep<'d> {
    pub(super) fn new(dump: &'d Dump, types: &'d Types) -> Self {
        let features = dump
            .params()
            .go_version
            .parse::<GoVersion>()
            .ok()
            .and_then(|version| Features::of(&version).ok());
        let structs = Structs::new(&dump.catalogue().layouts);
        let parts = |strukt: &str, fields: &[&str]| -> Vec<Part> {
            fields
                .iter()
                .filter_map(|field| {
                    let place = structs.place(strukt, field).ok()?;
                    Some((place.offset, place.size))
                })
                .collect()
        };
        // runtime/map.go, go1.19: `hmap`; internal/runtime/maps/map.go, go1.24: `Map`. The seeds are
        // not kept.
        let mut map_header = parts(
            "runtime.hmap",
            &["count", "flags", "B", "noverflow", "nevacuate"],
        );
        map_header.extend(parts(
            "internal/runtime/maps.Map",
            &["used", "dirLen", "globalDepth", "globalShift", "writing"],
        ));
        Keep {
            dump,
            types,
            word: u64::from(dump.params().model.word),
            headers: features.is_some_and(|features| features.heap_bits == HeapBits::Headers),
            matters: matters(dump),
            map_header,
            table: parts(
                "internal/runtime/maps.table",
                &[
                    "used",
                    "capacity",
                    "growthLeft",
                    "localDepth",
                    "index",
                    "groups.lengthMask",
                ],
            ),
            channel: parts(
                "runtime.hchan",
                &["qcount", "dataqsiz", "elemsize", "closed", "sendx", "recvx"],
            ),
            goroutines: dump.goroutines().iter().map(|g| g.address).collect(),
            stack: parts("runtime.g", &["stack.lo", "stack.hi"]),
            work: Vec::new(),
            seen: HashSet::new(),
            looks: LOOKS * dump.outside_bytes(),
            outside: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn ty(&self, id: TypeId) -> Option<&'d GoType> {
        self.dump.catalogue().get(id)
    }

    fn size(&self, id: TypeId) -> u64 {
        self.ty(id).map_or(0, |ty| ty.size)
    }

    fn word_of(&self, bytes: &[u8], at: u64) -> u64 {
        word_at(self.dump.params().model, bytes, at).unwrap_or(0)
    }

    /// Keeps what an object needs.
    pub(super) fn object(&mut self, id: ObjectId, object: &Object<'_>, buffer: &mut [u8]) {
        let contents = object.contents;
        if self.goroutines.contains(&object.address) {
            parts(&self.stack, contents, buffer);
        }
        let Some(class) = self.types.class(self.types.class_of(id)) else {
            return;
        };
        let size = contents.len() as u64;
        // runtime/mbitmap.go, go1.22: between 512 bytes and 32 KiB, with pointers: the type comes
        // first, and the value behind it.
        let first = first_pointer(&object.fields);
        let base = match (self.headers && size > 512 && size <= 32 << 10, first) {
            (true, Some(first)) if first != 0 => self.word,
            _ => 0,
        };
        match class.what {
            What::Value(ty) => self.values(ty, contents, base, 1, buffer),
            What::Array(ty) => self.values(ty, contents, base, u64::MAX, buffer),
            What::Closure(function) => {
                let functions = &self.dump.catalogue().functions;
                if let Some(ty) = functions.get(function as usize).and_then(|f| f.closure) {
                    self.values(ty, contents, base, 1, buffer);
                }
                for (offset, size) in self.types.captured_lengths(function) {
                    copy(contents, buffer, base + offset, *size);
                }
            }
            What::Map(_) => parts(&self.map_header, contents, buffer),
            What::Chan(_) => parts(&self.channel, contents, buffer),
            What::MapPart(map, part) => self.map_part(map, part, contents, base, buffer),
            What::Unknown { .. } | What::StringBytes | What::Tiny | What::Runtime(_) => {}
        }
    }

    fn map_part(
        &mut self,
        map: TypeId,
        part: MapPart,
        contents: &[u8],
        base: u64,
        buffer: &mut [u8],
    ) {
        let Some(ty) = self.ty(map) else { return };
        match part {
            MapPart::Table => parts(&self.table, contents, buffer),
            MapPart::Directory => {}
            MapPart::Key => {
                if let Some(key) = ty.key {
                    self.values(key, contents, base, 1, buffer);
                }
            }
            MapPart::Elem => {
                if let Some(elem) = ty.elem {
                    self.values(elem, contents, base, 1, buffer);
                }
            }
            MapPart::Buckets | MapPart::Groups => {
                if let Some(places) = self.types.slot_places(map)
                    && places.size > 0
                {
                    let mut at = base;
                    while at + places.size <= contents.len() as u64 {
                        self.slots(ty, part, places, contents, at, buffer);
                        at += places.size;
                    }
                }
            }
        }
    }

    /// Keeps what a bucket or a group needs.
    fn slots(
        &mut self,
        map: &GoType,
        part: MapPart,
        places: SlotPlaces,
        contents: &[u8],
        at: u64,
        buffer: &mut [u8],
    ) {
        for slot in at..at + 8 {
            let slot = slot as usize;
            if let (Some(from), Some(to)) = (contents.get(slot), buffer.get_mut(slot)) {
                *to = match part {
                    // runtime/map.go, go1.19: below `minTopHash` it tells what the slot is; 5 is
                    // the smallest hash.
                    MapPart::Buckets => (*from).min(5),
                    // internal/runtime/maps/group.go, go1.24: the top bit tells that it is empty or
                    // deleted, else there are seven bits of the hash.
                    _ if *from >= 0x80 => *from,
                    _ => 0,
                };
            }
        }
        for slot in 0..8 {
            if let Some(key) = map.key.filter(|_| !places.indirect_key) {
                let at = at + places.keys + slot * places.key_stride;
                self.values(key, contents, at, 1, buffer);
            }
            if let Some(elem) = map.elem.filter(|_| !places.indirect_elem) {
                let at = at + places.elems + slot * places.elem_stride;
                self.values(elem, contents, at, 1, buffer);
            }
        }
        if part == MapPart::Buckets {
            // The next one, which is no pointer to the collector if there are none in the bucket.
            let next = at + places.size - self.word;
            if self.dump.find(self.word_of(contents, next)).is_some() {
                copy(contents, buffer, next, self.word);
            }
        }
    }

    /// Keeps what values of a type need that lie one behind the other: so many, or up to the end.
    fn values(&mut self, ty: TypeId, contents: &[u8], from: u64, count: u64, buffer: &mut [u8]) {
        let size = self.size(ty);
        if size == 0 || !self.does_matter(ty) {
            return;
        }
        let mut at = from;
        for _ in 0..count {
            if at
                .checked_add(size)
                .is_none_or(|end| end > contents.len() as u64)
            {
                return;
            }
            self.value(ty, contents, at, DEPTH);
            let kept = std::mem::take(&mut self.kept);
            for &(at, len) in &kept {
                copy(contents, buffer, at, len);
            }
            self.kept = kept;
            self.kept.clear();
            at += size;
        }
    }

    fn does_matter(&self, ty: TypeId) -> bool {
        self.matters.get(ty.0 as usize).copied().unwrap_or(false)
    }

    /// Lists what a value needs, and what it leads to in data and bss.
    fn value(&mut self, id: TypeId, bytes: &[u8], at: u64, depth: u8) {
        let (Some(ty), true, Some(deeper)) =
            (self.ty(id), self.does_matter(id), depth.checked_sub(1))
        else {
            return;
        };
        let word = self.word;
        match ty.kind {
            Kind::String => self.kept.push((at + word, word)),
            Kind::Slice => {
                self.kept.push((at + word, 2 * word));
                if let Some(elem) = ty.elem {
                    let capacity = self.word_of(bytes, at + 2 * word);
                    self.follow(self.word_of(bytes, at), elem, capacity);
                }
            }
            Kind::Pointer => {
                if let Some(elem) = ty.elem {
                    self.follow(self.word_of(bytes, at), elem, 1);
                }
            }
            Kind::Interface => {
                let told = self.word_of(bytes, at);
                let catalogue = self.dump.catalogue();
                let of = catalogue
                    .at(told)
                    .or_else(|| catalogue.itabs.get(&told).copied());
                if let Some(of) = of {
                    self.follow(self.word_of(bytes, at + word), of, 1);
                }
            }
            Kind::Array => {
                if let Some(elem) = ty.elem
                    && self.does_matter(elem)
                {
                    let size = self.size(elem);
                    let end = (at + ty.size).min(bytes.len() as u64);
                    let mut at = at;
                    for _ in 0..ty.len {
                        if size == 0 || at + size > end {
                            break;
                        }
                        self.value(elem, bytes, at, deeper);
                        at += size;
                    }
                }
            }
            Kind::Struct => {
                for field in &ty.fields {
                    if field.offset >= ty.size.max(1) {
                        continue;
                    }
                    let at = at + field.offset;
                    if is_bookkeeping(&ty.name, &field.name) {
                        self.kept.push((at, self.size(field.ty).min(word)));
                    }
                    self.value(field.ty, bytes, at, deeper);
                }
            }
            _ => {}
        }
    }

    /// Notes values that a pointer leads to, if that is outside of the heap.
    fn follow(&mut self, address: u64, ty: TypeId, count: u64) {
        if address != 0
            && self.does_matter(ty)
            && self.dump.is_in_segment(address)
            && self.seen.insert((address, ty))
        {
            self.work.push((address, ty, count));
        }
    }

    /// Notes the variables.
    pub(super) fn variables(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        for variable in &self.dump.catalogue().variables {
            if let Some(ty) = variable.ty {
                self.follow(variable.address, ty, 1);
            }
        }
        self.places(watch)
    }

    /// Goes through all that was noted.
    pub(super) fn places(&mut self, watch: &dyn Watch) -> Result<(), Interrupted> {
        let mut steps = 0u64;
        while let Some((address, ty, count)) = self.work.pop() {
            let size = self.size(ty);
            let Some((bytes, offset)) = self.dump.bytes_at(address) else {
                continue;
            };
            let mut at = offset;
            for _ in 0..count {
                let end = at
                    .checked_add(size)
                    .filter(|end| *end <= bytes.len() as u64);
                let (Some(end), Some(looks)) = (end, self.looks.checked_sub(size.max(1))) else {
                    break;
                };
                steps += 1;
                if steps.is_multiple_of(1 << 14) {
                    watch.step("finding what is to be kept", steps, 0)?;
                }
                self.looks = looks;
                self.value(ty, bytes, at, DEPTH);
                let start = address.wrapping_sub(offset);
                let kept = self.kept.drain(..);
                self.outside
                    .extend(kept.map(|(at, len)| (start.wrapping_add(at), len)));
                if size == 0 {
                    break;
                }
                at = end;
            }
        }
        self.outside.sort_unstable();
        self.outside.dedup();
        Ok(())
    }

    /// Keeps what was found of a segment.
    pub(super) fn segment(&self, segment: &Segment<'_>, buffer: &mut [u8]) {
        let from = self
            .outside
            .partition_point(|(address, _)| *address < segment.address);
        for &(address, len) in self.outside.get(from..).unwrap_or_default() {
            let at = address - segment.address;
            if at >= segment.contents.len() as u64 {
                break;
            }
            copy(segment.contents, buffer, at, len);
        }
    }

    /// Keeps what the variables of a frame need.
    pub(super) fn frame(&mut self, frame: &StackFrame<'_>, buffer: &mut [u8]) {
        let variables = &self.dump.catalogue().frame_variables;
        let from = variables.partition_point(|variable| variable.function < frame.entry);
        for variable in variables.get(from..).unwrap_or_default() {
            if variable.function != frame.entry {
                break;
            }
            if !(variable.from..variable.to).contains(&frame.pc) {
                continue;
            }
            // The contents end where the caller's begin, behind the return address.
            let end = frame.contents.len() as u64;
            let at = end.checked_add_signed(variable.cfa_offset);
            if let Some(at) = at.filter(|at| *at < end) {
                self.values(variable.ty, frame.contents, at, 1, buffer);
            }
        }
    }
}

/// Keeps parts of one of the runtime's structs.
fn parts(parts: &[Part], contents: &[u8], buffer: &mut [u8]) {
    for &(at, len) in parts {
        copy(contents, buffer, at, len);
    }
}

/// Fields of the standard library that tell what lies beside them.
fn is_bookkeeping(of: &str, field: &str) -> bool {
    match field {
        // internal/sync/hashtriemap.go, go1.24; internal/concurrent/hashtriemap.go, go1.23: `node`.
        "isEntry" => {
            of.starts_with("internal/sync.node[") || of.starts_with("internal/concurrent.node[")
        }
        // sync/pool.go: how many of `poolLocal` there are.
        "localSize" | "victimSize" => of == "sync.Pool",
        // reflect/value.go: `Value`: whether its word is the value.
        "flag" => of == "reflect.Value",
        _ => false,
    }
}

/// Of each type, whether something of it is kept, or followed.
fn matters(dump: &Dump) -> Vec<bool> {
    let catalogue = dump.catalogue();
    let mut matters: Vec<bool> = catalogue
        .types()
        .map(|(_, ty)| {
            matches!(
                ty.kind,
                Kind::String | Kind::Slice | Kind::Interface | Kind::Pointer
            ) || ty
                .fields
                .iter()
                .any(|field| is_bookkeeping(&ty.name, &field.name))
        })
        .collect();
    // What contains such a type; types are nested a few times.
    for _ in 0..DEPTH {
        let mut more = false;
        for (id, ty) in catalogue.types() {
            let of = |id: TypeId| matters.get(id.0 as usize).copied().unwrap_or(false);
            let does = match ty.kind {
                Kind::Struct => ty.fields.iter().any(|field| of(field.ty)),
                Kind::Array => ty.elem.is_some_and(of),
                _ => false,
            };
            if let Some(place) = matters.get_mut(id.0 as usize)
                && does
                && !*place
            {
                *place = true;
                more = true;
            }
        }
        if !more {
            break;
        }
    }
    matters
}
