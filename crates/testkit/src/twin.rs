//! Compares the runtime's dump with another one of the same instant, and says what differs, where.
//!
//! Records are matched by kind, address and how many of that kind and address came before, so that
//! one that is missing does not make all behind it differ; a different order is a difference of its
//! own.

mod entry;

use std::collections::HashMap;
use std::fmt;

use crate::second_reader::{self, Dump, ReadError, Record, Value};
use crate::symbols::Symbols;

/// What may differ between two dumps of one instant.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Address in the process of `runtime.tmpbuf`, a slice header of 24 bytes in bss: the writer's
    /// own buffer, which comes into being while the dump is written. Its length counts in the
    /// memstats' Sys and OtherSys, which the runtime takes before it allocates the buffer.
    pub tmpbuf: Option<u64>,
    /// Ranges of memory whose bytes do not count (the pointers in them do): start, length, by start.
    pub ignored: Vec<(u64, u64)>,
    /// The goroutine that dumps, by its `g`: it is running until the runtime's writer lets it wait.
    pub dumping: Option<u64>,
}

/// Something that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Kind of the record.
    pub kind: &'static str,
    /// Its number among all records: in the runtime's dump, or in the other if it is only there.
    pub index: usize,
    /// Its address, or what else tells it from others of its kind.
    pub address: u64,
    /// What about it.
    pub what: What,
}

/// What differs about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Only the runtime's dump has it.
    Missing,
    /// Only the other dump has it.
    Extra,
    /// Both have it, and it is elsewhere in the other dump; told for the first one only.
    Order {
        /// Its number in the other dump.
        other_index: usize,
    },
    /// A number differs.
    Number {
        /// Which.
        field: String,
        /// In the runtime's dump.
        runtime: u64,
        /// In the other.
        other: u64,
    },
    /// A string or the length of contents differs.
    Text {
        /// Which.
        field: &'static str,
        /// In the runtime's dump.
        runtime: String,
        /// In the other.
        other: String,
    },
    /// Some of the contents differ: a run of bytes within one word.
    Contents {
        /// Where in the process.
        at: u64,
        /// Offset in the record's contents.
        offset: usize,
        /// The global that is there, and the offset in it.
        symbol: Option<String>,
        /// The word in the runtime's dump.
        runtime: Vec<u8>,
        /// The word in the other.
        other: Vec<u8>,
    },
    /// A pointer is told by one dump alone.
    Pointer {
        /// Offset in the record's contents.
        offset: u64,
        /// The global that is there, and the offset in it.
        symbol: Option<String>,
        /// Whether it is the runtime's dump that tells of it.
        by_runtime: bool,
    },
    /// Equal values, encoded in other bytes.
    Encoding,
}

/// Compares two dumps of one instant.
///
/// An empty list means: equal byte for byte, but for what is allowed. `symbols` and the load bias
/// name the globals that differ.
///
/// # Errors
/// If one of them is no dump; the flag tells whether it is the runtime's.
pub fn compare(
    runtime: &[u8],
    other: &[u8],
    allowed: &Allowed,
    symbols: Option<(&Symbols, u64)>,
) -> Result<Vec<Difference>, (bool, ReadError)> {
    if runtime == other {
        return Ok(Vec::new());
    }
    let a = second_reader::read(runtime).map_err(|e| (true, e))?;
    let b = second_reader::read(other).map_err(|e| (false, e))?;
    let mut comparison = Comparison {
        runtime,
        other,
        allowed,
        symbols,
        tmpbuf_length: allowed.tmpbuf.map_or(0, |at| tmpbuf_length(&b, other, at)),
        found: Vec::new(),
    };
    comparison.records(&a, &b);
    if comparison.found.is_empty() && other.len() > b.end {
        // Behind the records: an annex, where none should be.
        comparison.tell("eof", a.records.len(), 0, What::Extra);
    }
    Ok(comparison.found)
}

/// A few lines that say how two dumps differ: counts by kind, and the first few of each.
pub fn summary(differences: &[Difference]) -> String {
    use fmt::Write as _;
    let mut by_kind: Vec<(&str, Vec<&Difference>)> = Vec::new();
    for d in differences {
        match by_kind.iter_mut().find(|(kind, _)| *kind == d.kind) {
            Some((_, list)) => list.push(d),
            None => by_kind.push((d.kind, vec![d])),
        }
    }
    let mut text = format!("{} differences\n", differences.len());
    for (kind, list) in by_kind {
        let _ = writeln!(text, "{kind}: {}", list.len());
        for d in list.iter().take(12) {
            let _ = writeln!(text, "  {d}");
        }
    }
    text
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} at {:#x}: ", self.kind, self.index, self.address)?;
        let name = |s: &Option<String>| s.as_ref().map(|s| format!(" {s}")).unwrap_or_default();
        match &self.what {
            What::Missing => write!(f, "only the runtime has it"),
            What::Extra => write!(f, "the runtime does not have it"),
            What::Order { other_index } => write!(f, "comes as number {other_index}"),
            What::Number {
                field,
                runtime,
                other,
            } => {
                write!(
                    f,
                    "{field}: runtime {runtime} ({runtime:#x}), other {other} ({other:#x})"
                )
            }
            What::Text {
                field,
                runtime,
                other,
            } => {
                write!(f, "{field}: runtime {runtime:?}, other {other:?}")
            }
            What::Contents {
                at,
                offset,
                symbol,
                runtime,
                other,
            } => write!(
                f,
                "byte {offset:#x} ({at:#x}{}): runtime {runtime:02x?}, other {other:02x?}",
                name(symbol)
            ),
            What::Pointer {
                offset,
                symbol,
                by_runtime,
            } => write!(
                f,
                "pointer at {offset:#x}{}: only the {} tells it",
                name(symbol),
                if *by_runtime { "runtime" } else { "other" }
            ),
            What::Encoding => write!(f, "equal values in other bytes"),
        }
    }
}

struct Comparison<'a> {
    runtime: &'a [u8],
    other: &'a [u8],
    allowed: &'a Allowed,
    symbols: Option<(&'a Symbols, u64)>,
    tmpbuf_length: u64,
    found: Vec<Difference>,
}

/// What a record is matched by: tag, the first number (for a frame, which has its own address on
/// its own stack, that is sp), and how many like it came before.
type Key = (u8, u64, u32);

impl Comparison<'_> {
    fn tell(&mut self, kind: &'static str, index: usize, address: u64, what: What) {
        self.found.push(Difference {
            kind,
            index,
            address,
            what,
        });
    }

    fn records(&mut self, a: &Dump, b: &Dump) {
        let (keys_a, keys_b) = (keys(a), keys(b));
        let place_b: HashMap<Key, usize> =
            keys_b.iter().enumerate().map(|(i, k)| (*k, i)).collect();
        let place_a: HashMap<Key, usize> =
            keys_a.iter().enumerate().map(|(i, k)| (*k, i)).collect();
        // Order is judged among those that both have.
        let mut expected = keys_b
            .iter()
            .enumerate()
            .filter(|(_, k)| place_a.contains_key(k));
        let mut in_order = true;
        for (i, (key, record)) in keys_a.iter().zip(&a.records).enumerate() {
            let Some(&j) = place_b.get(key) else {
                self.tell(record.kind(), i, key.1, What::Missing);
                continue;
            };
            if in_order && expected.next().map(|(n, _)| n) != Some(j) {
                in_order = false;
                self.tell(record.kind(), i, key.1, What::Order { other_index: j });
            }
            if let Some(match_) = b.records.get(j) {
                self.record(i, key.1, record, match_);
            }
        }
        for (j, (key, record)) in keys_b.iter().zip(&b.records).enumerate() {
            if !place_a.contains_key(key) {
                self.tell(record.kind(), j, key.1, What::Extra);
            }
        }
    }

    fn record(&mut self, index: usize, address: u64, a: &Record, b: &Record) {
        let bytes_a = self.runtime.get(a.at.clone()).unwrap_or_default();
        let bytes_b = self.other.get(b.at.clone()).unwrap_or_default();
        if bytes_a == bytes_b {
            return;
        }
        let before = self.found.len();
        let mut forgiven = false;
        for ((field, x), (_, y)) in a.named().zip(b.named()) {
            forgiven |= self.value((a.kind(), index, address), field, x, y);
        }
        if self.found.len() == before && !forgiven {
            self.tell(a.kind(), index, address, What::Encoding);
        }
    }

    /// Compares two values; whether a difference was forgiven.
    fn value(
        &mut self,
        (kind, index, address): (&'static str, usize, u64),
        field: &'static str,
        a: &Value,
        b: &Value,
    ) -> bool {
        match (a, b) {
            (Value::Int(x), Value::Int(y)) if x != y => {
                let own_buffer = kind == "memstats" && matches!(field, "Sys" | "OtherSys");
                if own_buffer
                    && self.tmpbuf_length > 0
                    && y.checked_sub(*x) == Some(self.tmpbuf_length)
                {
                    return true;
                }
                // runtime/runtime2.go: _Grunning is 2, _Gwaiting 4.
                if self.is_dumping(kind, address) && field == "status" && (*x, *y) == (4, 2) {
                    return true;
                }
                let field = field.to_owned();
                self.tell(
                    kind,
                    index,
                    address,
                    What::Number {
                        field,
                        runtime: *x,
                        other: *y,
                    },
                );
            }
            (Value::Ints(x), Value::Ints(y)) => {
                for (i, (x, y)) in x.iter().zip(y).enumerate().filter(|(_, (x, y))| x != y) {
                    let field = format!("{field}[{i}]");
                    self.tell(
                        kind,
                        index,
                        address,
                        What::Number {
                            field,
                            runtime: *x,
                            other: *y,
                        },
                    );
                }
            }
            (Value::Bytes(x), Value::Bytes(y)) => {
                let x = self.runtime.get(x.clone()).unwrap_or_default();
                let y = self.other.get(y.clone()).unwrap_or_default();
                if x != y {
                    let waits = field == "wait_reason" && x == b"dumping heap";
                    if waits && self.is_dumping(kind, address) {
                        return true;
                    }
                    return self.bytes((kind, index, address), field, x, y);
                }
            }
            (Value::Pointers(x), Value::Pointers(y)) if x != y => {
                for (list, other, by_runtime) in [(x, y, true), (y, x, false)] {
                    let known: std::collections::HashSet<_> = other.iter().collect();
                    for offset in list.iter().filter(|o| !known.contains(o)) {
                        let symbol = self.symbol(kind, address.wrapping_add(*offset));
                        let what = What::Pointer {
                            offset: *offset,
                            symbol,
                            by_runtime,
                        };
                        self.tell(kind, index, address, what);
                    }
                }
            }
            (Value::Stack(x), Value::Stack(y)) => {
                let x = self.stack(self.runtime, x);
                let y = self.stack(self.other, y);
                if x != y {
                    self.tell(
                        kind,
                        index,
                        address,
                        What::Text {
                            field,
                            runtime: x,
                            other: y,
                        },
                    );
                }
            }
            _ => {}
        }
        false
    }

    fn bytes(
        &mut self,
        (kind, index, address): (&'static str, usize, u64),
        field: &'static str,
        x: &[u8],
        y: &[u8],
    ) -> bool {
        if field != "contents" || x.len() != y.len() {
            let text = |b: &[u8]| match field {
                "contents" => format!("{} bytes", b.len()),
                _ => String::from_utf8_lossy(b).into_owned(),
            };
            let (runtime, other) = (text(x), text(y));
            self.tell(
                kind,
                index,
                address,
                What::Text {
                    field,
                    runtime,
                    other,
                },
            );
            return false;
        }
        let mut forgiven = false;
        for (i, (u, v)) in x
            .chunks(8)
            .zip(y.chunks(8))
            .enumerate()
            .filter(|(_, (u, v))| u != v)
        {
            let offset = i * 8;
            let at = address.wrapping_add(offset as u64);
            if self.is_allowed(at) {
                forgiven = true;
                continue;
            }
            let symbol = self.symbol(kind, at);
            let what = What::Contents {
                at,
                offset,
                symbol,
                runtime: u.to_vec(),
                other: v.to_vec(),
            };
            self.tell(kind, index, address, what);
        }
        forgiven
    }

    fn is_dumping(&self, kind: &str, address: u64) -> bool {
        kind == "goroutine" && self.allowed.dumping == Some(address)
    }

    fn is_allowed(&self, at: u64) -> bool {
        const SLICE_HEADER: u64 = 24;
        let within = |(start, length): (u64, u64)| at.wrapping_sub(start) < length;
        if self
            .allowed
            .tmpbuf
            .is_some_and(|start| within((start, SLICE_HEADER)))
        {
            return true;
        }
        // Ranges may lie in one another (symbols within symbols), so look at some before it.
        let next = self
            .allowed
            .ignored
            .partition_point(|(start, _)| *start <= at);
        self.allowed.ignored[..next]
            .iter()
            .rev()
            .take(8)
            .any(|range| within(*range))
    }

    fn symbol(&self, kind: &str, at: u64) -> Option<String> {
        let (symbols, bias) = self.symbols.filter(|_| matches!(kind, "data" | "bss"))?;
        let in_file = at.wrapping_sub(bias);
        let symbol = symbols.covering(in_file)?;
        Some(format!("{}+{:#x}", symbol.name, in_file - symbol.address))
    }

    fn stack(
        &self,
        dump: &[u8],
        frames: &[(std::ops::Range<usize>, std::ops::Range<usize>, u64)],
    ) -> String {
        let text = |r: &std::ops::Range<usize>| {
            String::from_utf8_lossy(dump.get(r.clone()).unwrap_or_default()).into_owned()
        };
        let lines: Vec<_> = frames
            .iter()
            .map(|(f, file, line)| format!("{} {}:{line}", text(f), text(file)))
            .collect();
        lines.join(" < ")
    }
}

fn keys(dump: &Dump) -> Vec<Key> {
    let mut seen: HashMap<(u8, u64), u32> = HashMap::new();
    dump.records
        .iter()
        .map(|record| {
            let first = match record.values.first() {
                Some(Value::Int(i)) if !matches!(record.kind(), "memstats" | "params") => *i,
                _ => 0,
            };
            let n = seen.entry((record.tag, first)).or_default();
            *n += 1;
            (record.tag, first, *n)
        })
        .collect()
}

/// The length in the slice header of `runtime.tmpbuf`, as the dump has it.
fn tmpbuf_length(dump: &Dump, bytes: &[u8], at: u64) -> u64 {
    let length = dump.of("bss").find_map(|bss| {
        let start = bss.int("address")?;
        let contents = bss.bytes("contents", bytes)?;
        let offset = usize::try_from(at.checked_sub(start)?)
            .ok()?
            .checked_add(8)?;
        contents
            .get(offset..offset.checked_add(8)?)?
            .try_into()
            .ok()
    });
    u64::from_le_bytes(length.unwrap_or_default())
}
