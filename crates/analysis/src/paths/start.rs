//! What a path begins with: the variable, frame or other root that leads to its first object.

use goheap_golang::catalogue::{TypeId, Variable};

use super::fields::walk;
use super::piece::Piece;
use super::step::{Entry, Steps, Via};
use crate::dump::{Dump, ObjectId, Root, RootKind, RootPointer};
use crate::types::{Types, What};

/// How many values in the program's data may lead to one another before one that leads to the heap.
const STATICS: usize = 64;

/// How many values that begin before a word are asked whether it is theirs.
const TRIED: usize = 4;

/// How many variables that begin before an address are asked whether it is theirs.
const NESTED: usize = 8;

/// The pointers in the program's data that lead to values in it: where they lead and where they are,
/// by where they lead. Such values (what `&T{}` and `[]T{...}` of a package variable are) have no
/// symbol of their own.
#[derive(Debug, Default)]
pub(crate) struct Statics {
    by_target: Vec<(u64, u64)>,
}

impl Statics {
    /// Gathers them.
    pub(crate) fn of(dump: &Dump) -> Statics {
        let mut by_target = Vec::new();
        dump.each_data_pointer(|at, target| {
            if dump.is_data(target) {
                by_target.push((target, at));
            }
        });
        by_target.sort_unstable();
        // A variable is a better name than another value without one.
        by_target.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same && variable_at(dump, kept.1).is_none() && variable_at(dump, next.1).is_some() {
                *kept = *next;
            }
            same
        });
        Statics { by_target }
    }

    /// The variable that leads to the value without a name that `at` lies in: its place in
    /// `Catalogue::variables`.
    pub(crate) fn owner(&self, dump: &Dump, at: u64) -> Option<u32> {
        let types = Types::default();
        let steps = Steps {
            dump,
            types: &types,
            any: true,
        };
        let found = steps.nameless(self, at, &mut Vec::new());
        found.map(|(variable, _)| variable)
    }
}

/// The variable that an address lies in: its place in `Catalogue::variables`.
fn variable_at(dump: &Dump, at: u64) -> Option<u32> {
    let variables = &dump.catalogue().variables;
    let behind = variables.partition_point(|variable| variable.address <= at);
    // Symbols of the linker lie in others, and have no size.
    let first = behind.saturating_sub(NESTED);
    let has = |variable: &Variable| at - variable.address < variable.size;
    let place = variables.get(first..behind)?.iter().rposition(has)?;
    u32::try_from(first + place).ok()
}

impl Steps<'_> {
    pub(super) fn pointers(&self, root: &Root) -> &[RootPointer] {
        self.dump
            .root_pointers()
            .get(root.pointers.clone())
            .unwrap_or(&[])
    }

    fn variable(&self, variable: u32) -> Option<&Variable> {
        self.catalogue().variables.get(variable as usize)
    }

    /// Shows each object that a root leads to, with the pointer, and what of an object with a
    /// finalizer leads there.
    pub(super) fn each_of_root(
        &self,
        root: u32,
        visit: &mut dyn FnMut(ObjectId, RootPointer, Option<(ObjectId, u64)>),
    ) {
        let Some(root) = self.dump.roots().get(root as usize) else {
            return;
        };
        for pointer in self.pointers(root) {
            if let Some((to, _)) = self.dump.find(pointer.target) {
                visit(to, *pointer, None);
            }
            // As the graph has it: a finalizer keeps what its object leads to.
            if root.kind == RootKind::Finalizers
                && let Some((of, _)) = self.dump.find(pointer.of)
            {
                self.dump.each_pointer(of, |slot, target| {
                    if let Some((to, _)) = self.dump.find(target)
                        && to != of
                    {
                        visit(to, *pointer, Some((of, slot)));
                    }
                });
            }
        }
    }

    /// Adds what a path begins with that comes to an object from `root` by `pointer`, and of an
    /// object with a finalizer the place in it.
    pub(super) fn start(
        &self,
        statics: &Statics,
        root: u32,
        pointer: RootPointer,
        of: Option<(ObjectId, u64)>,
        pieces: &mut Vec<Piece>,
    ) -> Entry {
        let target = match of {
            Some((of, slot)) => self.dump.word(self.dump.address(of).wrapping_add(slot)),
            None => Some(pointer.target),
        };
        let offset = target
            .and_then(|target| self.dump.find(target))
            .map_or(0, |(_, offset)| offset);
        let via = self.start_of(statics, root, pointer, of, pieces);
        Entry { via, offset }
    }

    fn start_of(
        &self,
        statics: &Statics,
        root: u32,
        pointer: RootPointer,
        of: Option<(ObjectId, u64)>,
        pieces: &mut Vec<Piece>,
    ) -> Via {
        let Some(root) = self.dump.roots().get(root as usize) else {
            return Via::Object;
        };
        match root.kind {
            RootKind::Global(variable) => match self.variable(variable) {
                Some(of) => {
                    let is_own = pointer.at.wrapping_sub(of.address) < of.size.max(1);
                    // What it leads to in the program's data counts as its own.
                    let beyond = match is_own {
                        true => None,
                        false => self.nameless(statics, pointer.at, pieces),
                    };
                    match beyond {
                        Some((_, via)) => via,
                        None => self.global(of, pointer.at, pieces),
                    }
                }
                None => Via::Object,
            },
            RootKind::Frame(frame) => self.frame(frame, pointer, pieces),
            RootKind::Finalizers | RootKind::Cleanups | RootKind::WeakHandles => {
                let is = match root.kind {
                    RootKind::Finalizers => "finalizer",
                    RootKind::Cleanups => "cleanup",
                    _ => "weak handle",
                };
                let Some((object, _)) = self.dump.find(pointer.of) else {
                    begin(pieces, String::new(), root.name.to_string());
                    return Via::Object;
                };
                let class = self.class(object);
                let name = match (self.any, class) {
                    (true, Some(class)) => class.name.clone(),
                    (false, Some(class)) => format!("{} at {:#x}", class.name, pointer.of),
                    (_, None) => format!("{:#x}", pointer.of),
                };
                let Some((of, slot)) = of else {
                    begin(pieces, format!("{is} of "), format!("({name})"));
                    return Via::Object;
                };
                begin(pieces, format!("what has a {is}: "), format!("({name})"));
                let via = match class.map(|class| &class.what) {
                    Some(What::Value(ty)) => Via::Value(*ty),
                    _ => Via::Object,
                };
                let entry = Entry {
                    via,
                    offset: self.base(of),
                };
                self.step(of, entry, slot, pieces)
            }
            RootKind::Goroutine(goroutine) => {
                let goroutine = self.dump.goroutines().get(goroutine as usize);
                let name = match goroutine {
                    Some(goroutine) if !self.any => format!("goroutine {}", goroutine.id),
                    _ => "goroutines".to_owned(),
                };
                let prefix = format!("{name}: ");
                begin(pieces, prefix, "what was deferred, or a panic".to_owned());
                Via::Object
            }
            RootKind::Thread(_) => {
                begin(pieces, "maybe ".to_owned(), root.name.to_string());
                Via::Object
            }
            RootKind::Segment(_) => {
                if let Some((_, via)) = self.nameless(statics, pointer.at, pieces) {
                    return via;
                }
                let name = match self.any {
                    true => "variable without a name".to_owned(),
                    false => format!("variable without a name at {:#x}", pointer.at),
                };
                begin(pieces, String::new(), name);
                Via::Object
            }
            _ => {
                begin(pieces, String::new(), root.name.to_string());
                Via::Object
            }
        }
    }

    /// A global.
    fn global(&self, variable: &Variable, at: u64, pieces: &mut Vec<Piece>) -> Via {
        pieces.push(Piece::Start {
            prefix: String::new(),
            name: variable.name.clone(),
        });
        let before = pieces.len();
        let via = variable.ty.map_or(Via::Object, Via::Value);
        self.in_data(via, variable.address, at, pieces)
            .unwrap_or_else(|| {
                pieces.truncate(before);
                if at != variable.address {
                    pieces.push(Piece::Word(at.wrapping_sub(variable.address)));
                }
                Via::Object
            })
    }

    /// Adds what lies at `at` of a value in the program's data without a name, by the variable that
    /// leads to it. Returns that variable, and what the pointer there leads to.
    fn nameless(&self, statics: &Statics, at: u64, pieces: &mut Vec<Piece>) -> Option<(u32, Via)> {
        let behind = |at: u64| {
            statics
                .by_target
                .partition_point(|(target, _)| *target <= at)
        };
        let last = behind(at);
        let tried = statics.by_target.get(last.saturating_sub(TRIED)..last)?;
        tried.iter().rev().find_map(|first| {
            // From the value up to a variable with a name.
            let mut chain = vec![*first];
            let variable = loop {
                let (_, above) = chain.last()?;
                if let Some(variable) = variable_at(self.dump, *above) {
                    break variable;
                }
                if chain.len() > STATICS {
                    return None;
                }
                chain.push(*statics.by_target.get(behind(*above).checked_sub(1)?)?);
            };
            let before = pieces.len();
            let via = self.through(variable, &chain, at, pieces);
            if via.is_none() {
                pieces.truncate(before);
            }
            Some((variable, via?))
        })
    }

    /// Adds the way from a variable to `at`, through values that lead to one another: the last of
    /// `chain` is in the variable.
    fn through(
        &self,
        variable: u32,
        chain: &[(u64, u64)],
        at: u64,
        pieces: &mut Vec<Piece>,
    ) -> Option<Via> {
        let variable = self.variable(variable)?;
        pieces.push(Piece::Start {
            prefix: String::new(),
            name: variable.name.clone(),
        });
        let (mut via, mut from) = (Via::Value(variable.ty?), variable.address);
        let mut chain = chain.iter().rev().peekable();
        while let Some((target, holder)) = chain.next() {
            via = self.in_data(via, from, *holder, pieces)?;
            let next = chain.peek().map_or(at, |(_, holder)| *holder);
            if let Via::Slice(elem) = via
                && next.checked_sub(*target)? >= self.capacity(*holder, elem)
            {
                return None;
            }
            from = *target;
        }
        self.in_data(via, from, at, pieces)
    }

    /// Adds what is at `at` of a value in the program's data that begins at `from`; `None` if that
    /// is not a part of it.
    fn in_data(&self, via: Via, from: u64, at: u64, pieces: &mut Vec<Piece>) -> Option<Via> {
        let before = pieces.len();
        let leaf = match via {
            Via::Value(ty) | Via::Pointer(ty) => {
                let leaf = walk(self.catalogue(), ty, at.checked_sub(from)?, pieces)?;
                if pieces.len() == before && matches!(via, Via::Pointer(_)) && leaf.ty == ty {
                    pieces.push(Piece::Deref);
                }
                leaf
            }
            Via::Slice(elem) => self.element(elem, from, at, pieces)?,
            Via::Object => return None,
        };
        Some(self.leaf(leaf, at, pieces))
    }

    /// How many bytes a slice has whose pointer is at `holder`.
    fn capacity(&self, holder: u64, elem: TypeId) -> u64 {
        let word = u64::from(self.dump.params().model.word);
        let cap = self.dump.word(holder.wrapping_add(2 * word));
        let size = self.catalogue().get(elem).map_or(0, |elem| elem.size);
        cap.unwrap_or(0).saturating_mul(size)
    }

    fn element(
        &self,
        elem: TypeId,
        from: u64,
        at: u64,
        pieces: &mut Vec<Piece>,
    ) -> Option<super::fields::Leaf> {
        let size = self.catalogue().get(elem)?.size;
        let distance = at.checked_sub(from)?;
        let index = distance.checked_div(size)?;
        pieces.push(Piece::Index(i64::try_from(index).ok()?));
        walk(self.catalogue(), elem, distance % size, pieces)
    }

    /// A frame: the variable that the pointer lies in.
    fn frame(&self, frame: u32, pointer: RootPointer, pieces: &mut Vec<Piece>) -> Via {
        let frames = self.dump.frames();
        let Some(own) = frames.get(frame as usize) else {
            return Via::Object;
        };
        let goroutine = self.dump.goroutines().get(own.goroutine as usize);
        let who = match goroutine {
            Some(goroutine) if !self.any => format!("goroutine {}", goroutine.id),
            _ => "goroutines".to_owned(),
        };
        // Arguments lie in the frame of the caller: those of the function that it called.
        let callee = frame
            .checked_sub(1)
            .and_then(|callee| frames.get(callee as usize))
            .filter(|callee| callee.goroutine == own.goroutine);
        let found = [Some(own), callee].into_iter().flatten().find_map(|frame| {
            // On amd64 a frame ends behind the return address, which is where variables are
            // counted from.
            let end = frame.sp.wrapping_add(frame.len);
            let offset = pointer.at.wrapping_sub(end) as i64;
            self.local(frame.entry, frame.pc, offset)
                .map(|(name, ty, rest)| (frame, name, ty, rest))
        });
        match found {
            Some((frame, name, ty, rest)) => {
                let by_address = name.strip_prefix('&');
                pieces.push(Piece::Start {
                    prefix: format!("{who} ({}): local variable ", frame.function),
                    name: by_address.unwrap_or(&name).to_owned(),
                });
                let before = pieces.len();
                match walk(self.catalogue(), ty, rest, pieces) {
                    Some(leaf) => match self.leaf(leaf, pointer.at, pieces) {
                        Via::Pointer(ty) if by_address.is_some() => Via::Value(ty),
                        via => via,
                    },
                    None => {
                        pieces.truncate(before);
                        pieces.push(Piece::Word(rest));
                        Via::Object
                    }
                }
            }
            None => {
                pieces.push(Piece::Start {
                    prefix: format!("{who} ({}): ", own.function),
                    name: "stack".to_owned(),
                });
                pieces.push(Piece::Word(pointer.at.wrapping_sub(own.sp)));
                Via::Object
            }
        }
    }

    /// The variable of a function that is at `offset` from where its variables are counted.
    fn local(&self, entry: u64, pc: u64, offset: i64) -> Option<(String, TypeId, u64)> {
        let variables = &self.catalogue().frame_variables;
        let first = variables.partition_point(|variable| variable.function < entry);
        variables
            .get(first..)?
            .iter()
            .take_while(|variable| variable.function == entry)
            .filter(|variable| (variable.from..variable.to).contains(&pc))
            .find_map(|variable| {
                let size = self.catalogue().get(variable.ty)?.size;
                let rest = u64::try_from(offset.checked_sub(variable.cfa_offset)?).ok()?;
                (rest < size.max(1)).then(|| (variable.name.clone(), variable.ty, rest))
            })
    }
}

fn begin(pieces: &mut Vec<Piece>, prefix: String, name: String) {
    pieces.push(Piece::Start { prefix, name });
}
