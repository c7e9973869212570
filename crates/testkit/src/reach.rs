//! What is reachable in a dump: objects, the roots that lead to them, and the mark phase of the test
//! kit's own, over the records of [`second_reader`](crate::second_reader).
//!
//! Roots are (wiki page heapdump15-through-heapdump17, and the collector's `markroot`): pointers of
//! data, bss and frames; other roots; a goroutine's context; the closures of defers; the values of
//! panics; of a finalizer its closure, and what its object points to but not that itself
//! (runtime/mgcmark.go: `markrootSpans`); of a queued finalizer also the object. A pointer may lead
//! into the middle of an object. Addresses are those of the process that was captured.

use std::fmt::Write;

use crate::second_reader::{Dump, Record};

/// An object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'d> {
    /// Where it is.
    pub address: u64,
    /// What is in it.
    pub contents: &'d [u8],
    /// The offsets of its pointers.
    pub fields: &'d [u64],
}

/// A pointer from outside the heap.
#[derive(Debug, Clone, Copy)]
struct Root {
    /// The index of its record.
    record: u32,
    /// Where it leads.
    target: u64,
}

/// The objects of a dump, and its roots.
#[derive(Debug)]
pub struct Graph<'d> {
    dump: &'d Dump,
    bytes: &'d [u8],
    objects: Vec<Object<'d>>,
    roots: Vec<Root>,
}

/// How an object was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Nothing,
    /// From a root, by its index.
    Root(u32),
    /// From an object, by its index.
    Object(u32),
}

/// What a mark has reached.
#[derive(Debug)]
pub struct Marks {
    by: Vec<By>,
}

impl Marks {
    /// Whether an object was reached.
    pub fn reached(&self, object: usize) -> bool {
        self.by.get(object).is_some_and(|by| *by != By::Nothing)
    }
}

/// The word at an offset.
pub fn word(contents: &[u8], offset: u64) -> Option<u64> {
    let offset = usize::try_from(offset).ok()?;
    let bytes = contents.get(offset..offset.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

impl<'d> Graph<'d> {
    /// Makes it of a dump: `bytes` are those that `dump` was read from.
    pub fn of(dump: &'d Dump, bytes: &'d [u8]) -> Graph<'d> {
        let mut objects = Vec::new();
        let mut finalized = Vec::new();
        let mut roots = Vec::new();
        for (index, record) in dump.records.iter().enumerate() {
            let int = |name| record.int(name).unwrap_or(0);
            let index = index as u32;
            let mut root = |target| {
                roots.push(Root {
                    record: index,
                    target,
                });
            };
            match record.kind() {
                "object" => objects.push(Object {
                    address: int("address"),
                    contents: record.bytes("contents", bytes).unwrap_or_default(),
                    fields: record.pointers().unwrap_or_default(),
                }),
                "data" | "bss" | "stackframe" => {
                    let contents = record.bytes("contents", bytes).unwrap_or_default();
                    let fields = record.pointers().unwrap_or_default();
                    for target in fields.iter().filter_map(|f| word(contents, *f)) {
                        root(target);
                    }
                }
                "otherroot" => root(int("target")),
                "goroutine" => root(int("context")),
                "defer" => root(int("closure")),
                "panic" => root(int("value_data")),
                "finalizer" => {
                    root(int("closure"));
                    finalized.push((index, int("object")));
                }
                "queuedfinalizer" => {
                    root(int("closure"));
                    root(int("object"));
                }
                _ => {}
            }
        }
        roots.retain(|r| r.target != 0);
        objects.sort_unstable_by_key(|o| o.address);
        let mut graph = Graph {
            dump,
            bytes,
            objects,
            roots,
        };
        for (record, object) in finalized {
            if let Some(object) = graph.find(object) {
                let object = graph.objects[object];
                let targets = object
                    .fields
                    .iter()
                    .filter_map(|f| word(object.contents, *f));
                graph
                    .roots
                    .extend(targets.map(|target| Root { record, target }));
            }
        }
        graph
    }

    /// All objects, by address.
    pub fn objects(&self) -> &[Object<'d>] {
        &self.objects
    }

    /// The index of the object that an address lies in.
    pub fn find(&self, address: u64) -> Option<usize> {
        let index = self
            .objects
            .partition_point(|o| o.address <= address)
            .checked_sub(1)?;
        let object = &self.objects[index];
        (address - object.address < object.contents.len() as u64).then_some(index)
    }

    /// Marks from all roots.
    pub fn mark(&self) -> Marks {
        self.mark_from(|_| true, usize::MAX)
    }

    /// Marks from the roots whose name (see `root_name`) begins as told, at most
    /// so many objects, the near ones first.
    pub fn mark_from_named(&self, prefix: &str, limit: usize) -> Marks {
        self.mark_by_name(
            |name| {
                let segment =
                    prefix == "segment" && (name.starts_with("data ") || name.starts_with("bss "));
                segment || name.starts_with(prefix)
            },
            limit,
        )
    }

    /// Marks from all roots but the registers of goroutines that the runtime stopped while they ran.
    /// They lie in a frame of `runtime.asyncPreempt`, which has no stack map: the runtime takes each for
    /// a pointer, and one that the goroutine does not use has what was left there by another.
    pub fn mark_but_preempted(&self) -> Marks {
        self.mark_by_name(
            |name| !name.starts_with("frame runtime.asyncPreempt at "),
            usize::MAX,
        )
    }

    fn mark_by_name(&self, wanted: impl Fn(&str) -> bool, limit: usize) -> Marks {
        // The roots of a record follow each other, and share a name.
        let mut last = (u32::MAX, false);
        self.mark_from(
            |root| {
                if last.0 != root.record {
                    last = (root.record, wanted(&self.root_name(root)));
                }
                last.1
            },
            limit,
        )
    }

    /// Marks from all roots but those that were taken for pointers without knowing: registers, and the
    /// stacks of the scheduler. What is left there of an earlier moment may lead to the dead.
    pub fn mark_from_certain(&self) -> Marks {
        self.mark_from(
            |root| {
                let record = self.record(root);
                let said = record.bytes("description", self.bytes).unwrap_or_default();
                !said.starts_with(b"register ") && !said.starts_with(b"scheduler stack ")
            },
            usize::MAX,
        )
    }

    fn mark_from(&self, mut wanted: impl FnMut(&Root) -> bool, limit: usize) -> Marks {
        let mut by = vec![By::Nothing; self.objects.len()];
        let mut queue: Vec<u32> = Vec::new();
        for (index, root) in self.roots.iter().enumerate() {
            let Some(object) = self.find(root.target) else {
                continue;
            };
            if by[object] == By::Nothing && wanted(root) {
                by[object] = By::Root(index as u32);
                queue.push(object as u32);
            }
        }
        let mut next = 0;
        while let Some(&from) = queue.get(next) {
            next += 1;
            if next > limit {
                break;
            }
            let object = &self.objects[from as usize];
            for field in object.fields {
                let Some(target) = word(object.contents, *field).filter(|t| *t != 0) else {
                    continue;
                };
                if let Some(to) = self.find(target)
                    && by[to] == By::Nothing
                {
                    by[to] = By::Object(from);
                    queue.push(to as u32);
                }
            }
        }
        Marks { by }
    }

    fn record(&self, root: &Root) -> &'d Record {
        &self.dump.records[root.record as usize]
    }

    /// What a root is: `frame FUNCTION at SP`, `data at ADDRESS`, `otherroot DESCRIPTION`, and so on.
    fn root_name(&self, root: &Root) -> String {
        let record = self.record(root);
        let text = |name| {
            let bytes = record.bytes(name, self.bytes).unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let int = |name| record.int(name).unwrap_or(0);
        match record.kind() {
            "stackframe" => format!("frame {} at {:#x}", text("function"), int("sp")),
            "otherroot" => format!("otherroot {}", text("description")),
            kind @ ("finalizer" | "queuedfinalizer") => format!("{kind} of {:#x}", int("object")),
            kind @ ("defer" | "panic") => format!("{kind} of goroutine {:#x}", int("g")),
            "goroutine" => format!("goroutine {}", int("id")),
            kind => format!("{kind} at {:#x}", int("address")),
        }
    }

    /// How a mark came to an object: the root and the addresses of the objects on the way.
    pub fn path(&self, marks: &Marks, object: usize) -> String {
        let mut way = Vec::new();
        let mut at = object;
        loop {
            let mut step = String::new();
            let _ = write!(step, "{:#x}", self.objects[at].address);
            way.push(step);
            match marks.by[at] {
                By::Nothing => {
                    way.push("nothing".to_owned());
                    break;
                }
                By::Root(root) => {
                    way.push(self.root_name(&self.roots[root as usize]));
                    break;
                }
                By::Object(from) => at = from as usize,
            }
        }
        way.reverse();
        if way.len() > 12 {
            let left_out = format!("({} objects)", way.len() - 10);
            way.splice(5..way.len() - 5, [left_out]);
        }
        way.join(" -> ")
    }

    /// Bytes of all objects, and of those that a mark has not reached.
    pub fn shares(&self, marks: &Marks) -> (u64, u64) {
        let mut all = 0;
        let mut lost = 0;
        for (index, object) in self.objects.iter().enumerate() {
            let size = object.contents.len() as u64;
            all += size;
            if !marks.reached(index) {
                lost += size;
            }
        }
        (all, lost)
    }

    /// The objects that a mark has not reached and that no other such object points to: where a
    /// missed root would lead. With each, the bytes of what hangs on it and on none before it; most
    /// bytes first.
    pub fn lost_heads(&self, marks: &Marks) -> Vec<(usize, u64)> {
        let targets = |index: usize| {
            let object = self.objects[index];
            object
                .fields
                .iter()
                .filter_map(move |f| word(object.contents, *f))
                .filter_map(|t| self.find(t))
        };
        let lost: Vec<usize> = (0..self.objects.len())
            .filter(|i| !marks.reached(*i))
            .collect();
        let mut pointed_to = vec![false; self.objects.len()];
        for from in &lost {
            for to in targets(*from).filter(|to| to != from) {
                pointed_to[to] = true;
            }
        }
        // Heads first; then what is left is in cycles, and any of them will do.
        let mut counted = vec![false; self.objects.len()];
        let heads = lost.iter().filter(|i| !pointed_to[**i]);
        let mut found: Vec<(usize, u64)> = Vec::new();
        for head in heads.chain(&lost) {
            if counted[*head] {
                continue;
            }
            counted[*head] = true;
            let mut bytes = 0;
            let mut stack = vec![*head];
            while let Some(at) = stack.pop() {
                bytes += self.objects[at].contents.len() as u64;
                for to in targets(at) {
                    if !marks.reached(to) && !counted[to] {
                        counted[to] = true;
                        stack.push(to);
                    }
                }
            }
            found.push((*head, bytes));
        }
        found.sort_by_key(|(index, bytes)| (std::cmp::Reverse(*bytes), *index));
        found
    }

    /// What an object looks like: size, pointers, first words, text in it.
    pub fn describe(&self, index: usize) -> String {
        let object = &self.objects[index];
        let mut text = format!(
            "{:#x}: {} bytes, {} pointers:",
            object.address,
            object.contents.len(),
            object.fields.len()
        );
        for offset in (0..48).step_by(8) {
            if let Some(word) = word(object.contents, offset) {
                let _ = write!(text, " {word:x}");
            }
        }
        text
    }
}
