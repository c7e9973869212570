//! A heap dump as the Java VM writes it: JAVA PROFILE 1.0.2, for MAT, VisualVM, hprof-slurp and their kin.
//!
//! # What becomes what
//! - **An object** is an object. Its id is its address with a zero behind it in hexadecimal,
//!   `0xc000012340` is `0xc0000123400`: readers take arrays that stand closer than Java's would for a sign
//!   that references have four bytes.
//! - **A Go type** is a class of that name (readers show `/` as `.`). A value has a field for each of its
//!   words: references where the collector sees pointers, else the word itself. Backing arrays, strings,
//!   parts of maps and channels are arrays of references, one for each word, null where a word is no
//!   pointer: `[]main.Session` is shown as `main.Session[]`, the bytes of strings as `string[]`. So is a value
//!   that has not the words of the others of its type (a longer one).
//! - **What is longer than [`PART`] words** is an array of arrays of the class `part[]`, which have its elements.
//! - **A package** is a class, `package main`, which is a root; its variables are fields of that class. One
//!   with more than [`FIELDS`] pointers is one field, and an array of the class `variable[]`.
//! - **A goroutine** is a thread with its stack, of the class `goroutine`: its number, its status. What its
//!   frames hold are local variables of that thread.
//! - **Other roots** (finalizers, cleanups, words of data that no symbol names) are roots of the kind "JNI
//!   global", or "unknown".
//!
//! So each object leads to the same objects as in the dump, roots lead to the same, and who dominates whom
//! is the same. The file has as many objects as the dump beside one for each goroutine and each array
//! `variable[]`; garbage is there, and nothing leads to it.
//!
//! # What it cannot say
//! - **Sizes** are Java's: 16 bytes more for a value, 24 for an array.
//! - Text: what strings and byte arrays hold is left out. Numbers in values are there.
//! - How a type is known, pointers into the middle of objects (they lead to the object), groups of
//!   goroutines.

mod arrays;
mod layouts;
mod records;

use std::collections::HashMap;
use std::io::Write;

use goheap_analysis::types::ClassId;
use goheap_analysis::{Analysis, NodeKind, ObjectId, RootKind, Watch};

use crate::ExportError;
use crate::text::{LONGEST, clean};
use layouts::{Layout, layouts};
use records::{Field, INT, LONG, NO_FRAME, NO_TRACE, OBJECT, Records};

/// Pointers of a variable that are fields of its package.
pub const FIELDS: usize = 64;

/// Elements of an array at most, or of a part of one: 512 MiB. A segment has room for eight times as many (its
/// length is 32 bits), but readers take an array of more than 1 GiB for an error, and what stands behind it
/// is lost (hprof-analyzer 0.3.2, src/reader.rs: `read_bytes_reuse`).
pub const PART: u64 = 1 << 26;

/// Fields that a class itself may have: two bytes tell how many.
const MOST_FIELDS: usize = 60_000;

/// The first thread, and its stack trace: before it stands the empty one.
const FIRST: u32 = 2;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Objects of the dump.
    pub objects: u64,
    /// Objects beside them: goroutines, arrays of variables, and parts of arrays.
    pub more: u64,
    /// Classes.
    pub classes: u64,
    /// Arrays that are told in parts.
    pub in_parts: u64,
}

/// A class of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Class {
    id: u64,
    serial: u32,
}

/// Writes all objects.
///
/// # Errors
/// Of the writer; interrupted; addresses that have no place for the zero behind them.
pub fn write(
    analysis: &Analysis,
    watch: &dyn Watch,
    out: &mut dyn Write,
) -> Result<Written, ExportError> {
    write_in_parts(analysis, PART, watch, out)
}

/// The same with arrays, or parts of arrays, of so many elements at most; `part` is at most [`PART`].
///
/// # Errors
/// As [`write()`].
pub fn write_in_parts(
    analysis: &Analysis,
    part: u64,
    watch: &dyn Watch,
    out: &mut dyn Write,
) -> Result<Written, ExportError> {
    let dump = &analysis.dump;
    let last = ObjectId(dump.object_count().saturating_sub(1));
    let address = dump.address(last);
    if address >> 60 != 0 {
        return Err(ExportError::Address { address });
    }
    let layouts = layouts(analysis, watch)?;
    let mut file = File {
        analysis,
        records: Records::new(out)?,
        synthetic: 0,
        serial: 0,
        object: Class::default(),
        goroutine: Class::default(),
        variable: Class::default(),
        part_class: Class::default(),
        part: part.min(PART),
        written: Written::default(),
    };
    file.object = file.new_class("java/lang/Object")?;
    // Readers look for these two.
    let class_of_classes = file.new_class("java/lang/Class")?;
    let thread = file.new_class("java/lang/Thread")?;
    file.goroutine = file.new_class("goroutine")?;
    file.variable = file.new_class(&array_name("variable"))?;
    file.part_class = file.new_class(&array_name("part"))?;
    let classes = file.load(&layouts)?;
    let packages = file.load_packages()?;
    let id = file.records.string("id")?;
    let status = file.records.string("status")?;
    let goroutines = file.threads()?;

    file.records.class(file.object.id, 0, &[], &[])?;
    for class in [class_of_classes, thread, file.variable, file.part_class] {
        file.records.class(class.id, file.object.id, &[], &[])?;
    }
    let field = |name, ty| Field { name, ty, value: 0 };
    let fields = [field(id, LONG), field(status, LONG)];
    file.records
        .class(file.goroutine.id, thread.id, &[], &fields)?;
    for class in classes.values() {
        for (class, fields) in class.instance.iter() {
            file.records.class(class.id, file.object.id, &[], fields)?;
        }
        if let Some(class) = class.array {
            file.records.class(class.id, file.object.id, &[], &[])?;
        }
    }
    let mut all: Vec<u64> = classes
        .values()
        .flat_map(|class| {
            [
                class.instance.as_ref().map(|(class, _)| *class),
                class.array,
            ]
        })
        .flatten()
        .map(|class| class.id)
        .collect();
    all.extend(
        [
            file.object,
            class_of_classes,
            thread,
            file.goroutine,
            file.variable,
            file.part_class,
        ]
        .map(|c| c.id),
    );
    all.extend(file.packages(packages)?);
    for class in all {
        // Without it a reader would take the classes for garbage, or roots of its own choice.
        file.records.root(0x05, class)?;
    }
    file.roots(&goroutines)?;
    file.goroutines(&goroutines)?;
    file.objects(&layouts, &classes, watch)?;
    file.records.finish()?;
    Ok(file.written)
}

/// The classes that a Go type became.
#[derive(Default)]
struct Classes {
    instance: Option<(Class, Vec<Field>)>,
    array: Option<Class>,
}

struct File<'a, 'o> {
    analysis: &'a Analysis,
    records: Records<'o>,
    /// How many ids there are of what is no object of the dump.
    synthetic: u64,
    serial: u32,
    object: Class,
    goroutine: Class,
    variable: Class,
    part_class: Class,
    /// Elements of an array, or of a part of one.
    part: u64,
    written: Written,
}

/// What the class of arrays is called that a Go type became: as Java calls arrays, so that readers show
/// `main.Session[]`.
fn array_name(name: &str) -> String {
    // Cut before Java's signs are put around it.
    let name = clean(name, LONGEST - 100);
    format!("[L{};", name.strip_prefix("[]").unwrap_or(&name))
}

/// The id of an object at an address.
fn id_of(address: u64) -> u64 {
    address << 4
}

impl File<'_, '_> {
    /// An id that no object has: those end in a zero.
    fn new_id(&mut self) -> u64 {
        self.synthetic += 1;
        self.synthetic << 4 | 8
    }

    /// The id of an array that has no other array where its elements would lie: readers would take that for
    /// a sign that references have four bytes.
    fn new_array_id(&mut self, len: usize) -> u64 {
        let id = self.new_id();
        self.synthetic += len as u64;
        id
    }

    fn new_class(&mut self, name: &str) -> Result<Class, ExportError> {
        let name = self.records.string(&clean(name, LONGEST))?;
        let id = self.new_id();
        self.serial += 1;
        let class = Class {
            id,
            serial: self.serial,
        };
        self.records.load_class(class.serial, id, name)?;
        self.written.classes += 1;
        Ok(class)
    }

    /// Names the classes of all types.
    fn load(
        &mut self,
        layouts: &[(ClassId, Layout)],
    ) -> Result<std::collections::BTreeMap<ClassId, Classes>, ExportError> {
        let model = self.analysis.dump.params().model;
        let number = if model.word == 4 { INT } else { LONG };
        let mut all = std::collections::BTreeMap::new();
        for (id, layout) in layouts {
            let name = self.analysis.types.class(*id);
            let name = name.map_or("?", |class| class.name.as_str());
            let mut classes = Classes::default();
            if let Some(words) = &layout.instance {
                let class = self.new_class(name)?;
                let mut fields = Vec::new();
                for (name, is_pointer) in words.names(self.analysis).iter().zip(&words.is_pointer) {
                    fields.push(Field {
                        name: self.records.string(name)?,
                        ty: if *is_pointer { OBJECT } else { number },
                        value: 0,
                    });
                }
                classes.instance = Some((class, fields));
            }
            if layout.has_arrays {
                classes.array = Some(self.new_class(&array_name(name))?);
            }
            all.insert(*id, classes);
        }
        Ok(all)
    }

    /// Where a root leads.
    fn targets(&self, root: u32) -> Vec<u64> {
        let (dump, nodes) = (&self.analysis.dump, &self.analysis.nodes);
        let mut targets = Vec::new();
        nodes.each(dump, nodes.id(NodeKind::Root(root)).0, |to| {
            targets.push(id_of(dump.address(ObjectId(to))));
        });
        targets
    }

    /// Names packages and their variables.
    fn load_packages(&mut self) -> Result<Vec<Package>, ExportError> {
        let (dump, nodes) = (&self.analysis.dump, &self.analysis.nodes);
        let mut packages = Vec::new();
        for package in nodes.packages() {
            let class = self.new_class(&match package.name.as_str() {
                "" => "variables of no package".to_owned(),
                name => format!("package {name}"),
            })?;
            let (mut fields, mut arrays) = (Vec::new(), Vec::new());
            let mut rest = Vec::new();
            for root in &package.roots {
                let targets = self.targets(*root);
                let name = dump
                    .roots()
                    .get(*root as usize)
                    .map_or("", |root| &root.name);
                let name = name
                    .strip_prefix(&format!("{}.", package.name))
                    .unwrap_or(name);
                if fields.len() + FIELDS > MOST_FIELDS {
                    rest.extend(targets);
                    continue;
                }
                match targets.len() {
                    0 => {}
                    1..=FIELDS => {
                        for (target, place) in targets.iter().zip(0u32..) {
                            let name = match targets.len() {
                                1 => name.to_owned(),
                                _ => format!("{name} ({place})"),
                            };
                            fields.push(self.field(&name, *target)?);
                        }
                    }
                    _ => {
                        let id = self.new_array_id(targets.len());
                        fields.push(self.field(name, id)?);
                        arrays.push((id, targets));
                    }
                }
            }
            if !rest.is_empty() {
                let id = self.new_array_id(rest.len());
                fields.push(self.field("further variables", id)?);
                arrays.push((id, rest));
            }
            packages.push(Package {
                class,
                fields,
                arrays,
            });
        }
        Ok(packages)
    }

    fn field(&mut self, name: &str, value: u64) -> Result<Field, ExportError> {
        Ok(Field {
            name: self.records.string(&clean(name, LONGEST))?,
            ty: OBJECT,
            value,
        })
    }

    /// Writes the classes of packages, and the arrays of their variables.
    fn packages(&mut self, packages: Vec<Package>) -> Result<Vec<u64>, ExportError> {
        let mut ids = Vec::new();
        for package in packages {
            self.records
                .class(package.class.id, self.object.id, &package.fields, &[])?;
            ids.push(package.class.id);
            for (id, targets) in package.arrays {
                let len = targets.len() as u64;
                self.written.more += 1;
                self.array(id, self.variable.id, len, |visit| {
                    (0..).zip(targets).for_each(|(place, to)| visit(place, to));
                })?;
            }
        }
        Ok(ids)
    }

    /// Writes stacks and threads; the ids of goroutines.
    fn threads(&mut self) -> Result<Vec<u64>, ExportError> {
        let dump = &self.analysis.dump;
        let none = self.records.string("")?;
        self.records.trace(NO_TRACE, 0, &[])?;
        let mut functions: HashMap<&str, u64> = HashMap::new();
        let mut frames: HashMap<(u64, u64), u64> = HashMap::new();
        let mut ids = Vec::new();
        for (goroutine, serial) in dump.goroutines().iter().zip(FIRST..) {
            let mut stack = Vec::new();
            for frame in dump.frames().get(goroutine.frames.clone()).unwrap_or(&[]) {
                let function = match functions.get(frame.function.as_str()) {
                    Some(known) => *known,
                    None => {
                        let name = self.records.string(&clean(&frame.function, LONGEST))?;
                        functions.insert(&frame.function, name);
                        name
                    }
                };
                let next = frames.len() as u64 + 1;
                let id = *frames.entry((function, frame.pc)).or_insert(next);
                if id == next {
                    self.records
                        .frame(id, function, none, self.goroutine.serial)?;
                }
                stack.push(id);
            }
            self.records.trace(serial, serial, &stack)?;
            let waits = match &*goroutine.wait_reason {
                "" => String::new(),
                reason => format!(" [{reason}]"),
            };
            let name = clean(&format!("goroutine {}{waits}", goroutine.id), LONGEST);
            let name = self.records.string(&name)?;
            let id = self.new_id();
            self.records.thread(serial, id, serial, name, none)?;
            ids.push(id);
        }
        Ok(ids)
    }

    /// Writes what is a root beside classes.
    fn roots(&mut self, goroutines: &[u64]) -> Result<(), ExportError> {
        let dump = &self.analysis.dump;
        for (id, serial) in goroutines.iter().zip(FIRST..) {
            self.records.root_thread(*id, serial, serial)?;
        }
        for (root, index) in dump.roots().iter().zip(0u32..) {
            let (thread, frame) = match root.kind {
                RootKind::Global(_) => continue,
                RootKind::Frame(frame) => match dump.frames().get(frame as usize) {
                    Some(of) => {
                        let first = dump.goroutines().get(of.goroutine as usize);
                        let first = first.map_or(0, |goroutine| goroutine.frames.start);
                        let place = (frame as usize).checked_sub(first);
                        let place = place.and_then(|place| u32::try_from(place).ok());
                        (Some(of.goroutine), place.unwrap_or(NO_FRAME))
                    }
                    None => (None, NO_FRAME),
                },
                RootKind::Goroutine(goroutine) | RootKind::Thread(goroutine) => {
                    (Some(goroutine), NO_FRAME)
                }
                _ => (None, NO_FRAME),
            };
            let thread = thread.filter(|thread| (*thread as usize) < goroutines.len());
            let thread = thread.and_then(|thread| thread.checked_add(FIRST));
            for target in self.targets(index) {
                match (thread, root.kind) {
                    (Some(thread), RootKind::Frame(_)) => {
                        self.records.root_frame(target, thread, frame)?;
                    }
                    (Some(thread), _) => self.records.root_native(target, thread)?,
                    (None, RootKind::Other | RootKind::Thread(_) | RootKind::Frame(_)) => {
                        self.records.root(0xff, target)?;
                    }
                    (None, _) => self.records.root_global(target)?,
                }
            }
        }
        Ok(())
    }

    fn goroutines(&mut self, ids: &[u64]) -> Result<(), ExportError> {
        for (goroutine, id) in self.analysis.dump.goroutines().iter().zip(ids) {
            self.records.instance(*id, self.goroutine.id, 16)?;
            self.records.id(goroutine.id);
            self.records.id(goroutine.status);
            self.written.more += 1;
        }
        Ok(())
    }

    fn objects(
        &mut self,
        layouts: &[(ClassId, Layout)],
        classes: &std::collections::BTreeMap<ClassId, Classes>,
        watch: &dyn Watch,
    ) -> Result<(), ExportError> {
        let analysis = self.analysis;
        let (dump, nodes) = (&analysis.dump, &analysis.nodes);
        let model = dump.params().model;
        let word = u64::from(model.word).max(1);
        // By class, for objects are many.
        let highest = layouts.last().map_or(0, |(class, _)| class.0 as usize + 1);
        let mut by_class = vec![None; highest.min(layouts.len().saturating_mul(64) + 64)];
        let of = |id: ClassId| {
            let place = layouts
                .binary_search_by_key(&id, |(class, _)| *class)
                .ok()?;
            Some((&layouts.get(place)?.1, classes.get(&id)?))
        };
        for (id, _) in layouts {
            if let Some(place) = by_class.get_mut(id.0 as usize) {
                *place = of(*id);
            }
        }
        let mut words: Vec<u8> = Vec::new();
        let mut elements: Vec<(u64, u64)> = Vec::new();
        for object in dump.objects() {
            if object.0.is_multiple_of(1 << 14) {
                watch.step(
                    "writing objects",
                    object.0.into(),
                    dump.object_count().into(),
                )?;
            }
            let class = analysis.types.class_of(object);
            let known = by_class.get(class.0 as usize).copied().flatten();
            let Some((layout, classes)) = known.or_else(|| of(class)) else {
                continue;
            };
            let id = id_of(dump.address(object));
            let size = dump.size(object);
            self.written.objects += 1;
            let fitting = layout.instance.as_ref().zip(classes.instance.as_ref());
            if let Some((layout, (class, _))) = fitting
                && layout.fit(analysis, object)
            {
                words.clear();
                elements.clear();
                nodes.each_edge(dump, object, |slot, to, _| {
                    elements.push((slot / word, id_of(dump.address(to))));
                });
                let contents = dump.contents(object);
                let mut next = elements.iter().peekable();
                for ((place, is_pointer), value) in (0u64..)
                    .zip(&layout.is_pointer)
                    .zip(contents.chunks(word as usize))
                {
                    if *is_pointer {
                        let to = next
                            .next_if(|(at, _)| *at == place)
                            .map_or(0, |(_, to)| *to);
                        words.extend(to.to_be_bytes());
                        continue;
                    }
                    match word {
                        4 => words.extend((model.uint(value) as u32).to_be_bytes()),
                        _ => words.extend(model.uint(value).to_be_bytes()),
                    }
                }
                // An object whose contents are short of its size has zeros there.
                let len = layout.is_pointer.iter().map(|is_pointer| match is_pointer {
                    true => 8,
                    false => word as usize,
                });
                words.resize(len.sum(), 0);
                self.records.instance(id, class.id, words.len())?;
                self.records.fields(&words);
                continue;
            }
            let Some(class) = classes.array else {
                continue;
            };
            self.array(id, class.id, size.div_ceil(word), |visit| {
                nodes.each_edge(dump, object, |slot, to, _| {
                    visit(slot / word, id_of(dump.address(to)));
                });
            })?;
        }
        Ok(())
    }
}

/// A package, as a class.
struct Package {
    class: Class,
    fields: Vec<Field>,
    /// Variables with many pointers: ids, and where they lead.
    arrays: Vec<(u64, Vec<u64>)>,
}
