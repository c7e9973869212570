//! Where the memory of a program is: the heap in use by what it is for, and all else that the runtime
//! took from the system. It adds up.

use goheap_golang::Kind;
use goheap_golang::catalogue::Catalogue;

use crate::Analysis;
use crate::dump::ObjectId;
use crate::types::{Class, What};
use crate::values::Layout;
use crate::{Interrupted, Watch};

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueKind {
    /// Bytes of strings.
    Strings,
    /// What slices are of.
    Slices,
    /// Maps with all that belongs to them.
    Maps,
    /// Structs.
    Structs,
    /// Channels with their buffers.
    Channels,
    /// What closures have captured.
    Closures,
    /// Single values that are no structs: numbers, pointers, arrays, interfaces.
    Values,
    /// Blocks of tiny values without pointers.
    Tiny,
    /// `runtime.g` and what belongs to it: who waits, deferred calls, panics. Not stacks.
    Goroutines,
    /// Other structs of the runtime.
    Runtime,
    /// Objects whose type is not known.
    Unknown,
}

impl ValueKind {
    /// All of them.
    pub const ALL: [ValueKind; 11] = [
        ValueKind::Strings,
        ValueKind::Slices,
        ValueKind::Maps,
        ValueKind::Structs,
        ValueKind::Channels,
        ValueKind::Closures,
        ValueKind::Values,
        ValueKind::Tiny,
        ValueKind::Goroutines,
        ValueKind::Runtime,
        ValueKind::Unknown,
    ];

    /// Its name, in one word and small letters.
    pub fn name(self) -> &'static str {
        match self {
            ValueKind::Strings => "strings",
            ValueKind::Slices => "slices",
            ValueKind::Maps => "maps",
            ValueKind::Structs => "structs",
            ValueKind::Channels => "channels",
            ValueKind::Closures => "closures",
            ValueKind::Values => "values",
            ValueKind::Tiny => "tiny",
            ValueKind::Goroutines => "goroutines",
            ValueKind::Runtime => "runtime",
            ValueKind::Unknown => "unknown",
        }
    }

    fn of(class: &Class, catalogue: &Catalogue) -> ValueKind {
        match class.what {
            What::Unknown { .. } => ValueKind::Unknown,
            What::StringBytes => ValueKind::Strings,
            What::Tiny => ValueKind::Tiny,
            What::Map(_) | What::MapPart(..) => ValueKind::Maps,
            What::Chan(_) => ValueKind::Channels,
            What::Closure(_) => ValueKind::Closures,
            What::Runtime("runtime.hchan") => ValueKind::Channels,
            What::Runtime(name) if name.contains("bmap") || name.contains("mapextra") => {
                ValueKind::Maps
            }
            What::Runtime(_) => ValueKind::Runtime,
            What::Array(_) if is_runtime(&class.package) => ValueKind::Runtime,
            What::Array(_) => ValueKind::Slices,
            What::Value(ty) => match catalogue.get(ty) {
                Some(ty) if is_runtime(&ty.package) => match ty.name.as_str() {
                    "runtime.g" | "runtime.sudog" | "runtime._defer" | "runtime._panic" => {
                        ValueKind::Goroutines
                    }
                    _ => ValueKind::Runtime,
                },
                Some(ty) if ty.kind == Kind::Struct => ValueKind::Structs,
                _ => ValueKind::Values,
            },
        }
    }
}

fn is_runtime(package: &str) -> bool {
    package == "runtime" || package.starts_with("internal/runtime/")
}

/// Objects and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Amount {
    /// Takes one more object in.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

/// The memory of a program. All sizes are bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// What is reachable, by kind, in the order of [`ValueKind::ALL`]; bytes are those of the values
    /// themselves where a type tells them, else of the whole object.
    pub reachable: Vec<(ValueKind, Amount)>,
    /// What nobody leads to and was not collected yet; whole objects.
    pub garbage: Amount,
    /// Bytes of reachable objects behind their value: the allocator's classes of sizes.
    pub rounding: u64,
    /// Bytes in front of the values of reachable objects: the allocator's headers.
    pub headers: u64,
    /// All objects: the five above together.
    pub objects: Amount,
    /// Spans: what their annex tells.
    pub spans: Option<Spans>,
    /// What the runtime counts itself.
    pub memstats: Option<System>,
    /// What the kernel counted of the process when it was captured.
    pub resident: Option<Resident>,
}

/// Spans of the heap that are in use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spans {
    /// How many.
    pub count: u64,
    /// Bytes of all their pages: objects, free slots and ends.
    pub bytes: u64,
    /// Bytes of slots that no object is in.
    pub free: u64,
    /// Bytes behind the last slot, and what else has no place for an object.
    pub tails: u64,
}

/// What the runtime has of the system (runtime.MemStats).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct System {
    /// `HeapInuse`: spans in use.
    pub heap_inuse: u64,
    /// Of that, bytes that spans and objects here do not account for; less than 0 if these are more.
    /// 0 at a standstill.
    pub unaccounted: i64,
    /// `HeapIdle` without what was given back.
    pub idle: u64,
    /// `HeapReleased`: given back to the system.
    pub released: u64,
    /// `StackInuse`: stacks of goroutines.
    pub stacks: u64,
    /// `StackSys` beyond that: stacks of threads.
    pub thread_stacks: u64,
    /// `MSpanSys`, `MCacheSys`, `BuckHashSys`, `GCSys`, `OtherSys`: the runtime's own bookkeeping.
    pub bookkeeping: u64,
    /// `Sys`: all of it, what was given back included.
    pub sys: u64,
    /// `Sys` beyond the sum of the others; less than 0 if they are more. 0 in all that Go writes.
    pub sys_unaccounted: i64,
}

/// What of a process was in RAM (proc(5)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resident {
    /// `VmRSS`.
    pub rss: u64,
    /// `RssAnon`: what is of no file.
    pub rss_anon: u64,
}

impl Ledger {
    /// Adds up the memory of a dump.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(analysis: &Analysis, watch: &dyn Watch) -> Result<Ledger, Interrupted> {
        let dump = &analysis.dump;
        let layout = Layout::of(dump);
        let kinds: Vec<ValueKind> = analysis
            .types
            .classes()
            .map(|(_, class)| ValueKind::of(class, dump.catalogue()))
            .collect();
        let mut by_kind = [Amount::default(); ValueKind::ALL.len()];
        let mut ledger = Ledger::default();
        let total = u64::from(dump.object_count());
        for object in dump.objects() {
            if object.0.is_multiple_of(1 << 16) {
                watch.step("adding up", object.0.into(), total)?;
            }
            let size = dump.size(object);
            ledger.objects.add(size);
            if !analysis.is_reachable(object) {
                ledger.garbage.add(size);
                continue;
            }
            let class = analysis.types.class_of(object).0 as usize;
            let kind = kinds.get(class).copied().unwrap_or(ValueKind::Unknown);
            let (header, value) = parts(analysis, &layout, object, size);
            ledger.headers += header;
            ledger.rounding += size - header - value;
            if let Some(amount) = by_kind.get_mut(kind as usize) {
                amount.add(value);
            }
        }
        ledger.reachable = ValueKind::ALL.into_iter().zip(by_kind).collect();
        ledger.spans = spans(analysis, ledger.objects.bytes);
        ledger.memstats = dump.mem_stats().map(|stats| {
            let spans = ledger
                .spans
                .map_or(ledger.objects.bytes, |spans| spans.bytes);
            System::of(stats, spans)
        });
        let digest = dump.notes().digest.as_ref();
        let capture = digest.and_then(|digest| digest.capture.as_ref());
        ledger.resident = capture.and_then(|capture| {
            Some(Resident {
                rss: capture.rss?,
                rss_anon: capture.rss_anon?,
            })
        });
        Ok(ledger)
    }

    /// What is reachable, all kinds together.
    pub fn reachable_total(&self) -> Amount {
        let mut total = Amount::default();
        for (_, amount) in &self.reachable {
            total.objects += amount.objects;
            total.bytes = total.bytes.saturating_add(amount.bytes);
        }
        total
    }
}

/// Of an object's bytes, those of the allocator's header in front, and those of the value. They are
/// never more than all.
fn parts(analysis: &Analysis, layout: &Layout, object: ObjectId, size: u64) -> (u64, u64) {
    let class = analysis.types.class(analysis.types.class_of(object));
    let header = layout.base(&analysis.dump, object).min(size);
    let room = size - header;
    let size_of = |ty| analysis.dump.catalogue().get(ty).map(|ty| ty.size);
    let value = match class.map(|class| &class.what) {
        Some(What::Value(ty)) => size_of(*ty),
        Some(What::Array(ty)) => size_of(*ty)
            .filter(|size| *size > 0)
            .map(|size| room - room % size),
        _ => None,
    };
    (header, value.filter(|value| *value <= room).unwrap_or(room))
}

fn spans(analysis: &Analysis, object_bytes: u64) -> Option<Spans> {
    let notes = analysis.dump.notes();
    notes.digest.as_ref()?;
    let mut all = Spans::default();
    for span in &notes.spans {
        all.count += 1;
        all.bytes = all.bytes.saturating_add(span.bytes);
        let slots = span.capacity.saturating_mul(span.elem_size);
        all.tails = all.tails.saturating_add(span.bytes.saturating_sub(slots));
    }
    if all.count == 0 {
        return None;
    }
    // What is left, so that it adds up even if a note of a span is not quite what the records say.
    all.free = all.bytes.saturating_sub(object_bytes);
    all.tails = all.tails.min(all.free);
    all.free -= all.tails;
    Some(all)
}

impl System {
    fn of(stats: &goheap_format::MemStats, spans: u64) -> System {
        let bookkeeping = [
            stats.mspan_sys,
            stats.mcache_sys,
            stats.buck_hash_sys,
            stats.gc_sys,
            stats.other_sys,
        ]
        .into_iter()
        .fold(0, u64::saturating_add);
        let mut system = System {
            heap_inuse: stats.heap_inuse,
            unaccounted: signed(stats.heap_inuse, spans),
            idle: stats.heap_idle.saturating_sub(stats.heap_released),
            released: stats.heap_released,
            stacks: stats.stack_inuse,
            thread_stacks: stats.stack_sys.saturating_sub(stats.stack_inuse),
            bookkeeping,
            sys: stats.sys,
            sys_unaccounted: 0,
        };
        let sum = [
            system.heap_inuse,
            system.idle,
            system.released,
            system.stacks,
            system.thread_stacks,
            system.bookkeeping,
        ]
        .into_iter()
        .fold(0, u64::saturating_add);
        system.sys_unaccounted = signed(stats.sys, sum);
        system
    }

    /// What of it can be in RAM: all that was not given back.
    pub fn kept(&self) -> u64 {
        self.sys.saturating_sub(self.released)
    }
}

fn signed(all: u64, parts: u64) -> i64 {
    let difference = i128::from(all) - i128::from(parts);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
pub(super) mod tests;
