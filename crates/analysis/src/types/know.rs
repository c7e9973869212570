//! What is known of a program before its objects are looked at: made once of its catalogue.

use std::collections::HashMap;

use goheap_golang::catalogue::{Catalogue, GoType, TypeId};
use goheap_golang::{DirectIface, Features, GoVersion, HeapBits, Kind, Maps, SlotPlaces, Structs};
use goheap_memory::DataModel;

use super::codes::{Code, Codes, Kinds, Of};
use super::maps::{MapForm, MapPrograms};
use super::program::{Act, Op, Program, Programs};
use super::sizes::Sizes;
use super::special::Rules;

/// The most types that are believed to hold each other as their first part.
const HEIGHT: u8 = 32;

/// Where the fields of `runtime.hchan` are.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChanForm {
    pub(super) size: u64,
    pub(super) elem_type: u64,
    pub(super) count: u64,
    pub(super) buffer: u64,
}

/// Where the fields of `runtime.mapextra` are.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExtraForm {
    pub(super) overflow: u64,
    pub(super) old_overflow: u64,
    pub(super) next: u64,
}

/// Where the fields of `internal/runtime/maps.Map` and of its tables are.
#[derive(Debug, Clone, Copy)]
pub(super) struct TableForm {
    pub(super) size: u64,
    pub(super) used: u64,
    pub(super) capacity: u64,
    pub(super) groups: u64,
    pub(super) mask: u64,
    pub(super) map_size: u64,
    pub(super) entries: u64,
    pub(super) directory: u64,
    pub(super) tables: u64,
}

/// What an object of a class has in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) program: Program,
    /// Bytes of one value; 0 if that is not known.
    pub(super) size: u64,
    /// Values up to the end of the object, or one.
    pub(super) many: bool,
}

/// All that is known.
pub(super) struct Know<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) model: DataModel,
    pub(super) word: u64,
    pub(super) codes: Codes,
    pub(super) sizes: Sizes,
    pub(super) rules: Rules,
    pub(super) programs: Programs,
    /// Bytes of a value, by type.
    size_of: Vec<u64>,
    /// Whether an interface holds the value itself, by type.
    direct: Vec<bool>,
    /// How many types begin where a value begins, by type.
    height: Vec<u8>,
    /// Place in `maps` or `chans`, by type.
    place: Vec<u32>,
    maps: Vec<MapPrograms>,
    chans: Vec<Program>,
    /// Objects have headers.
    pub(super) headers: bool,
    pub(super) chan: Option<ChanForm>,
    pub(super) extra: Option<ExtraForm>,
    /// The channel type of an element type.
    chan_of: HashMap<TypeId, TypeId>,
    /// The map type of a type of slots.
    pub(super) map_of_slots: HashMap<TypeId, TypeId>,
    /// Entries of functions.
    entries: Vec<u64>,
    /// What closures of a function are, by its place.
    closure_of: Vec<Option<TypeId>>,
    /// Bounds of all descriptors and itabs.
    told: (u64, u64),
    structs: HashMap<(u64, u64), Vec<TypeId>>,
    closures: HashMap<(u64, u64), Vec<TypeId>>,
    /// Maps have groups, not buckets.
    pub(super) swiss: bool,
    pub(super) table: Option<TableForm>,
    /// All types of maps with groups, and where these have their slots.
    pub(super) swiss_maps: Vec<(TypeId, SlotPlaces)>,
}

impl<'a> Know<'a> {
    pub(super) fn new(catalogue: &'a Catalogue, model: DataModel, go_version: &str) -> Know<'a> {
        let features = go_version
            .parse::<GoVersion>()
            .ok()
            .and_then(|version| Features::of(&version).ok());
        let word = model.word_size();
        let rules = Rules::new(catalogue);
        let mut programs = Programs::new(catalogue, &rules);
        let direct = direct(catalogue, &programs, features.as_ref(), word);
        let (chan, waiters) = chan_form(catalogue);
        let form = features
            .as_ref()
            .and_then(|features| MapForm::new(catalogue, features));
        let mut place = vec![u32::MAX; catalogue.len()];
        let (mut maps, mut chans) = (Vec::new(), Vec::new());
        let mut chan_of = HashMap::new();
        let mut map_of_slots = HashMap::new();
        for (id, ty) in catalogue.types() {
            let Some(place) = place.get_mut(id.0 as usize) else {
                continue;
            };
            if let (Kind::Map, Some(form)) = (ty.kind, &form) {
                *place = maps.len() as u32;
                maps.push(form.programs(&mut programs, catalogue, id, ty, word));
                if let Some(slots) = ty.slots {
                    // One without a name of its own stands for all with these slots.
                    let plain = ty.package.is_empty();
                    map_of_slots
                        .entry(slots)
                        .and_modify(|known: &mut (bool, TypeId)| {
                            if plain && !known.0 {
                                *known = (plain, id);
                            }
                        })
                        .or_insert((plain, id));
                }
            }
            if let (Kind::Chan, Some(elem)) = (ty.kind, ty.elem) {
                chan_of
                    .entry(elem)
                    .and_modify(|known: &mut TypeId| {
                        if catalogue.get(*known).is_some_and(is_one_way) && !is_one_way(ty) {
                            *known = id;
                        }
                    })
                    .or_insert(id);
                if let Some(chan) = chan {
                    *place = chans.len() as u32;
                    let mut ops = waiters.clone();
                    ops.push(Op {
                        offset: chan.buffer as u32,
                        act: Act::ChanBuffer(elem),
                    });
                    ops.sort_by_key(|op| op.offset);
                    chans.push(programs.add(&ops, chan.size));
                }
            }
        }
        let made = |name: &str| catalogue.named(name);
        // reflect/makefunc.go: what these stubs find their own data in.
        let (make_func, method) = (made("reflect.makeFuncImpl"), made("reflect.methodValue"));
        let closure_of = catalogue.functions.iter().map(|function| {
            function.closure.or(match function.name.as_str() {
                "reflect.makeFuncStub" => make_func,
                "reflect.methodValueCall" => method,
                _ => None,
            })
        });
        let told = catalogue.types().map(|(_, ty)| ty.address);
        let told = told
            .filter(|at| *at != 0)
            .chain(catalogue.itabs.keys().copied());
        let told = told.fold((u64::MAX, 0), |(low, high), at| (low.min(at), high.max(at)));
        let sizes = Sizes::new();
        let swiss = form.is_some_and(|form| form.maps != Maps::Buckets);
        let mut know = Know {
            structs: structs(catalogue, &sizes, |_| true),
            closures: structs(catalogue, &sizes, |ty| ty.is_closure() && ty.address != 0),
            swiss,
            table: table_form(catalogue).filter(|_| swiss),
            swiss_maps: Vec::new(),
            sizes,
            codes: Codes::new(catalogue.len(), catalogue.functions.len()),
            size_of: catalogue.types().map(|(_, ty)| ty.size).collect(),
            height: heights(catalogue),
            closure_of: closure_of.collect(),
            entries: catalogue.functions.iter().map(|f| f.entry).collect(),
            headers: features.is_some_and(|f| f.heap_bits == HeapBits::Headers),
            extra: extra_form(catalogue),
            map_of_slots: map_of_slots
                .into_iter()
                .map(|(slots, (_, map))| (slots, map))
                .collect(),
            catalogue,
            model,
            word,
            rules,
            programs,
            direct,
            place,
            maps,
            chans,
            chan,
            chan_of,
            told,
        };
        if swiss {
            let maps = catalogue.types().filter(|(_, ty)| ty.kind == Kind::Map);
            let places = maps.filter_map(|(id, _)| Some((id, know.map(id)?.places?)));
            know.swiss_maps = places.collect();
        }
        know
    }

    #[inline]
    pub(super) fn size_of(&self, ty: TypeId) -> u64 {
        self.size_of.get(ty.0 as usize).copied().unwrap_or(0)
    }

    pub(super) fn height(&self, ty: TypeId) -> u8 {
        self.height.get(ty.0 as usize).copied().unwrap_or(0)
    }

    /// What is to be done with the data word of an interface that holds values of the type
    /// themselves.
    #[inline]
    pub(super) fn direct(&self, ty: TypeId) -> Option<Act> {
        self.direct.get(ty.0 as usize).filter(|direct| **direct)?;
        let ops = self.programs.ops(self.programs.of(ty));
        ops.first().map(|op| op.act)
    }

    pub(super) fn map(&self, ty: TypeId) -> Option<&MapPrograms> {
        let place = *self.place.get(ty.0 as usize)?;
        let kind = self.catalogue.get(ty)?.kind;
        self.maps.get(place as usize).filter(|_| kind == Kind::Map)
    }

    /// Where maps of each type have their keys and elements.
    pub(super) fn slot_places(&self) -> HashMap<TypeId, SlotPlaces> {
        let maps = self
            .catalogue
            .types()
            .filter(|(_, ty)| ty.kind == Kind::Map);
        maps.filter_map(|(id, _)| Some((id, self.map(id)?.places?)))
            .collect()
    }

    /// A channel type with elements of a type.
    pub(super) fn chan_of(&self, elem: TypeId) -> Option<TypeId> {
        self.chan_of.get(&elem).copied()
    }

    /// The type that the first word of an interface tells: by its descriptor, or by an itab.
    #[inline]
    pub(super) fn told(&self, word: u64) -> Option<TypeId> {
        if word < self.told.0 || word > self.told.1 {
            return None;
        }
        let itab = || self.catalogue.itabs.get(&word).copied();
        self.catalogue.at(word).or_else(itab)
    }

    /// The function that begins at an address.
    #[inline]
    pub(super) fn function_at(&self, entry: u64) -> Option<u32> {
        let last = *self.entries.last()?;
        if entry > last || entry < *self.entries.first()? {
            return None;
        }
        let place = self.entries.binary_search(&entry).ok()?;
        u32::try_from(place).ok()
    }

    /// The struct that closures of a function are.
    pub(super) fn closure_of(&self, function: u32) -> Option<TypeId> {
        *self.closure_of.get(function as usize)?
    }

    /// What objects of a class have in them.
    pub(super) fn shape(&self, code: Code) -> Shape {
        let none = Shape {
            program: Program::default(),
            size: 0,
            many: false,
        };
        let of = |ty: TypeId, many: bool| Shape {
            program: self.programs.of(ty),
            size: self.size_of(ty),
            many,
        };
        let part = |program: Option<Program>, many: bool| {
            program.map_or(none, |program| Shape {
                program,
                size: program.stride,
                many,
            })
        };
        match self.codes.kind(code) {
            Some(Kinds::Of(what, ty)) => {
                let map = || self.map(ty);
                let held = |ty: Option<TypeId>| ty.map_or(none, |ty| of(ty, false));
                let go = self.catalogue.get(ty);
                match what {
                    Of::Value => of(ty, false),
                    Of::Array => of(ty, true),
                    Of::Map => part(map().map(|map| map.header), false),
                    Of::Buckets | Of::Groups => part(map().map(|map| map.slots), true),
                    Of::Table => part(map().map(|map| map.table), false),
                    Of::Directory => part(map().map(|map| map.directory), true),
                    Of::Key => held(go.and_then(|go| go.key)),
                    Of::Elem => held(go.and_then(|go| go.elem)),
                    Of::Chan => {
                        let place = self.place.get(ty.0 as usize);
                        part(
                            place.and_then(|place| self.chans.get(*place as usize).copied()),
                            false,
                        )
                    }
                }
            }
            Some(Kinds::Closure(function)) => {
                self.closure_of(function).map_or(none, |ty| of(ty, false))
            }
            Some(Kinds::StringBytes | Kinds::Tiny | Kinds::Runtime(_)) | None => none,
        }
    }
}

/// Whether interfaces hold values of a type themselves, by type.
fn direct(
    catalogue: &Catalogue,
    programs: &Programs,
    features: Option<&Features>,
    word: u64,
) -> Vec<bool> {
    let one = |id: TypeId| {
        let ops = programs.ops(programs.of(id));
        matches!(ops, [op] if op.offset == 0 && !matches!(op.act, Act::Repeat { .. }))
    };
    let any = features.is_some_and(|f| f.direct_iface == DirectIface::InFlags);
    let direct = |id: TypeId, ty: &GoType| {
        if ty.size != word || !one(id) {
            return false;
        }
        // cmd/compile/internal/types/type.go, go1.26: `IsDirectIface`: whatever is one pointer.
        // Before, only what has no other part, not even an empty one.
        let mut ty = ty;
        for _ in 0..HEIGHT {
            let part = match ty.kind {
                Kind::Pointer | Kind::Map | Kind::Chan | Kind::Func | Kind::UnsafePointer => {
                    return true;
                }
                _ if any => return true,
                Kind::Array if ty.len == 1 => ty.elem,
                Kind::Struct => match ty.fields.as_slice() {
                    [field] => Some(field.ty),
                    _ => None,
                },
                _ => None,
            };
            match part.and_then(|part| catalogue.get(part)) {
                Some(part) => ty = part,
                None => return false,
            }
        }
        false
    };
    catalogue.types().map(|(id, ty)| direct(id, ty)).collect()
}

fn heights(catalogue: &Catalogue) -> Vec<u8> {
    let first = |ty: &GoType| match ty.kind {
        Kind::Array if ty.len > 0 => ty.elem,
        Kind::Struct => {
            let mut begins = ty.fields.iter().filter(|field| field.offset == 0);
            begins
                .find(|field| catalogue.get(field.ty).is_some_and(|part| part.size > 0))
                .map(|field| field.ty)
        }
        _ => None,
    };
    let height = |mut ty| {
        let mut height = 0;
        while height < HEIGHT
            && let Some(part) = first(ty).and_then(|part| catalogue.get(part))
        {
            ty = part;
            height += 1;
        }
        height
    };
    catalogue.types().map(|(_, ty)| height(ty)).collect()
}

/// Where the fields of a channel are, and what leads to those that wait for it.
fn chan_form(catalogue: &Catalogue) -> (Option<ChanForm>, Vec<Op>) {
    const HCHAN: &str = "runtime.hchan";
    let structs = Structs::new(&catalogue.layouts);
    let offset = |path: &str| structs.offset(HCHAN, path).ok();
    let form = || {
        Some(ChanForm {
            size: structs.size(HCHAN).ok()?,
            elem_type: offset("elemtype")?,
            count: offset("dataqsiz")?,
            buffer: offset("buf")?,
        })
    };
    let mut ops = Vec::new();
    if let Some(sudog) = catalogue.named("runtime.sudog") {
        for path in ["recvq.first", "recvq.last", "sendq.first", "sendq.last"] {
            if let Some(offset) = offset(path) {
                ops.push(Op {
                    offset: offset as u32,
                    act: Act::RuntimePointer(sudog),
                });
            }
        }
    }
    (form(), ops)
}

fn table_form(catalogue: &Catalogue) -> Option<TableForm> {
    const MAP: &str = "internal/runtime/maps.Map";
    const TABLE: &str = "internal/runtime/maps.table";
    let structs = Structs::new(&catalogue.layouts);
    let offset = |strukt: &str, path: &str| structs.offset(strukt, path).ok();
    Some(TableForm {
        size: structs.size(TABLE).ok()?,
        used: offset(TABLE, "used")?,
        capacity: offset(TABLE, "capacity")?,
        groups: offset(TABLE, "groups.data")?,
        mask: offset(TABLE, "groups.lengthMask")?,
        map_size: structs.size(MAP).ok()?,
        entries: offset(MAP, "used")?,
        directory: offset(MAP, "dirPtr")?,
        tables: offset(MAP, "dirLen")?,
    })
}

fn extra_form(catalogue: &Catalogue) -> Option<ExtraForm> {
    const EXTRA: &str = "runtime.mapextra";
    let structs = Structs::new(&catalogue.layouts);
    let offset = |path: &str| structs.offset(EXTRA, path).ok();
    Some(ExtraForm {
        overflow: offset("overflow")?,
        old_overflow: offset("oldoverflow")?,
        next: offset("nextOverflow")?,
    })
}

impl Know<'_> {
    /// Structs whose values end up in objects of a size.
    pub(super) fn structs_of(&self, size: u64, base: u64) -> &[TypeId] {
        self.structs.get(&(size, base)).map_or(&[], Vec::as_slice)
    }

    /// Those of them that are closures, and have a descriptor: of another, which DWARF alone knows,
    /// there are values on stacks only.
    pub(super) fn closures_of(&self, size: u64, base: u64) -> &[TypeId] {
        self.closures.get(&(size, base)).map_or(&[], Vec::as_slice)
    }

    /// Whether a type is one that the compiler makes for maps: no value is of it, for what has it is a
    /// map's, and is told by the map.
    pub(super) fn is_part_of_map(&self, ty: TypeId) -> bool {
        self.catalogue.get(ty).is_some_and(has_entries_of_a_map)
    }

    /// Whether values of a type have, at an offset, one of another type in them.
    pub(super) fn has_at(&self, ty: TypeId, offset: u64, part: TypeId) -> bool {
        let (mut ty, mut offset) = (ty, offset);
        for _ in 0..HEIGHT {
            if ty == part && offset == 0 {
                return true;
            }
            let Some(go) = self.catalogue.get(ty) else {
                return false;
            };
            match go.kind {
                Kind::Array => {
                    let Some(elem) = go.elem else { return false };
                    let each = self.size_of(elem);
                    if each == 0 || offset / each >= go.len {
                        return false;
                    }
                    (ty, offset) = (elem, offset % each);
                }
                Kind::Struct => {
                    let behind = go.fields.partition_point(|field| field.offset <= offset);
                    let fields = go.fields.get(..behind).unwrap_or(&[]);
                    // Fields without bytes may share an offset with one that has some.
                    let held = fields
                        .iter()
                        .rev()
                        .find(|field| offset - field.offset < self.size_of(field.ty));
                    let Some(field) = held else { return false };
                    (ty, offset) = (field.ty, offset - field.offset);
                }
                _ => return false,
            }
        }
        false
    }
}

/// Structs by the size of objects that their values end up in, without a header and with one.
fn structs(
    catalogue: &Catalogue,
    sizes: &Sizes,
    wanted: impl Fn(&GoType) -> bool,
) -> HashMap<(u64, u64), Vec<TypeId>> {
    let mut by_size: HashMap<(u64, u64), Vec<TypeId>> = HashMap::new();
    for (id, ty) in catalogue.types() {
        if ty.kind == Kind::Struct && ty.size > 0 && wanted(ty) {
            for base in [0, super::sizes::HEADER] {
                let size = sizes.rounded(ty.size.saturating_add(base));
                by_size.entry((size, base)).or_default().push(id);
            }
        }
    }
    by_size
}

/// Whether a struct is one of those that maps keep their entries in
/// (cmd/compile/internal/reflectdata/map.go, go1.24: `map.group[K]V`, in front of which `noalg.` may
/// stand; reflect.go, go1.19: `map.bucket[K]V`).
fn has_entries_of_a_map(ty: &GoType) -> bool {
    let name = ty.name.strip_prefix("noalg.").unwrap_or(&ty.name);
    name.starts_with("map.bucket[") || name.starts_with("map.group[")
}

/// Whether a type is that of channels that are seen from one side only: `<-chan T`, `chan<- T`.
pub(super) fn is_one_way(ty: &GoType) -> bool {
    ty.kind == Kind::Chan && (ty.name.starts_with("<-chan ") || ty.name.starts_with("chan<- "))
}
