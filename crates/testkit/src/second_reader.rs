//! A second reader of "go1.7 heap dump", written from the format's description and sharing no code
//! with `goheap-format`.
//!
//! It is of another make on purpose: a table says what each tag's record consists of, and one short
//! interpreter walks the bytes by that table into a list of records with named values. It is slow
//! and holds everything; it is for tests.

use std::ops::Range;

/// What a dump starts with, whatever the version of Go that wrote it since 1.7.
pub const HEADER: &[u8] = b"go1.7 heap dump\n";

/// The kinds of values that a record is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A variable-length integer.
    Int(&'static str),
    /// A length and as many bytes.
    Bytes(&'static str),
    /// Pairs of kind and offset, until kind 0.
    Pointers(&'static str),
    /// As many integers as told.
    Ints(&'static str, usize),
    /// A count, and as many groups of function, file and line.
    Stack(&'static str),
}

use Part::{Bytes, Int, Ints, Pointers, Stack};

/// What each tag's record consists of, behind the tag: its name and its parts. From the wiki page
/// heapdump15-through-heapdump17 and, where that is wrong, from what runtimes write.
const GRAMMAR: [(&str, &[Part]); 18] = [
    ("eof", &[]),
    (
        "object",
        &[Int("address"), Bytes("contents"), Pointers("fields")],
    ),
    ("otherroot", &[Bytes("description"), Int("target")]),
    (
        "type",
        &[Int("address"), Int("size"), Bytes("name"), Int("indirect")],
    ),
    (
        "goroutine",
        &[
            Int("address"),
            Int("sp"),
            Int("id"),
            Int("created_at"),
            Int("status"),
            Int("system"),
            Int("background"),
            Int("waiting_since"),
            Bytes("wait_reason"),
            Int("context"),
            Int("m"),
            Int("defers"),
            Int("panics"),
        ],
    ),
    (
        "stackframe",
        &[
            Int("sp"),
            Int("depth"),
            Int("child_sp"),
            Bytes("contents"),
            Int("entry"),
            Int("pc"),
            Int("continue_pc"),
            Bytes("function"),
            Pointers("fields"),
        ],
    ),
    (
        "params",
        &[
            Int("big_endian"),
            Int("pointer_size"),
            Int("heap_start"),
            Int("heap_end"),
            Bytes("arch"),
            Bytes("go_version"),
            Int("ncpu"),
        ],
    ),
    (
        "finalizer",
        &[
            Int("object"),
            Int("closure"),
            Int("code"),
            Int("argument_type"),
            Int("object_type"),
        ],
    ),
    ("itab", &[Int("address"), Int("concrete_type")]),
    ("osthread", &[Int("address"), Int("id"), Int("os_id")]),
    (
        "memstats",
        &[
            Int("Alloc"),
            Int("TotalAlloc"),
            Int("Sys"),
            Int("Lookups"),
            Int("Mallocs"),
            Int("Frees"),
            Int("HeapAlloc"),
            Int("HeapSys"),
            Int("HeapIdle"),
            Int("HeapInuse"),
            Int("HeapReleased"),
            Int("HeapObjects"),
            Int("StackInuse"),
            Int("StackSys"),
            Int("MSpanInuse"),
            Int("MSpanSys"),
            Int("MCacheInuse"),
            Int("MCacheSys"),
            Int("BuckHashSys"),
            Int("GCSys"),
            Int("OtherSys"),
            Int("NextGC"),
            Int("LastGC"),
            Int("PauseTotalNs"),
            Ints("PauseNs", 256),
            Int("NumGC"),
        ],
    ),
    (
        "queuedfinalizer",
        &[
            Int("object"),
            Int("closure"),
            Int("code"),
            Int("argument_type"),
            Int("object_type"),
        ],
    ),
    (
        "data",
        &[Int("address"), Bytes("contents"), Pointers("fields")],
    ),
    (
        "bss",
        &[Int("address"), Bytes("contents"), Pointers("fields")],
    ),
    (
        "defer",
        &[
            Int("address"),
            Int("g"),
            Int("sp"),
            Int("pc"),
            Int("closure"),
            Int("code"),
            Int("link"),
        ],
    ),
    (
        "panic",
        &[
            Int("address"),
            Int("g"),
            Int("value_type"),
            Int("value_data"),
            Int("defer"),
            Int("link"),
        ],
    ),
    (
        "memprof",
        &[
            Int("bucket"),
            Int("size"),
            Stack("stack"),
            Int("allocs"),
            Int("frees"),
        ],
    ),
    ("allocsample", &[Int("object"), Int("bucket")]),
];

/// A dump as a list of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    /// The records in the order of the file, the end-of-file record included.
    pub records: Vec<Record>,
    /// Where the records end: offset of the byte behind the end-of-file record.
    pub end: usize,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its tag on the wire.
    pub tag: u8,
    /// Where it is in the file, its tag included.
    pub at: Range<usize>,
    /// Its values, in the order of the wire.
    pub values: Vec<Value>,
}

/// A value of a record. Bytes are told by where they are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Int(u64),
    /// A string, or contents.
    Bytes(Range<usize>),
    /// Offsets of pointers. A kind that is not 1 (a pointer) is an error of reading.
    Pointers(Vec<u64>),
    /// Many numbers.
    Ints(Vec<u64>),
    /// Function, file, line.
    Stack(Vec<(Range<usize>, Range<usize>, u64)>),
}

/// Why a dump cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at} ({within}): {why}")]
pub struct ReadError {
    /// Offset in the file.
    pub at: usize,
    /// The kind of record, or `header`.
    pub within: &'static str,
    /// What is wrong there.
    pub why: Why,
}

/// What is wrong with a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    /// Another header.
    #[error("no header that we know")]
    Header,
    /// The file ends in the middle.
    #[error("the file ends here")]
    Short,
    /// A number of more than 64 bits.
    #[error("a number of more than 64 bits")]
    LongNumber,
    /// A tag that no record has.
    #[error("unknown tag {0}")]
    Tag(u64),
    /// A field that is no pointer.
    #[error("unknown kind of field {0}")]
    FieldKind(u64),
}

impl Record {
    /// The kind of the record, by name.
    pub fn kind(&self) -> &'static str {
        GRAMMAR
            .get(usize::from(self.tag))
            .map_or("?", |(name, _)| name)
    }

    /// Names and values.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let parts = GRAMMAR
            .get(usize::from(self.tag))
            .map_or(&[][..], |(_, parts)| parts);
        parts.iter().map(|p| p.name()).zip(&self.values)
    }

    /// The number of this name.
    pub fn int(&self, name: &str) -> Option<u64> {
        self.named().find_map(|(n, v)| match v {
            Value::Int(i) if n == name => Some(*i),
            _ => None,
        })
    }

    /// The bytes of this name, out of the dump that was read.
    pub fn bytes<'d>(&self, name: &str, dump: &'d [u8]) -> Option<&'d [u8]> {
        self.named().find_map(|(n, v)| match v {
            Value::Bytes(range) if n == name => dump.get(range.clone()),
            _ => None,
        })
    }

    /// The offsets of pointers.
    pub fn pointers(&self) -> Option<&[u64]> {
        self.values.iter().find_map(|v| match v {
            Value::Pointers(p) => Some(p.as_slice()),
            _ => None,
        })
    }
}

impl Dump {
    /// The records of one kind.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Record> + 'a {
        self.records.iter().filter(move |r| r.kind() == kind)
    }
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Int(n) | Bytes(n) | Pointers(n) | Ints(n, _) | Stack(n) => n,
        }
    }
}

/// Reads a whole dump, up to its end-of-file record; what follows is not looked at.
///
/// # Errors
/// A [`ReadError`] with the offset at which sense ends.
pub fn read(dump: &[u8]) -> Result<Dump, ReadError> {
    let mut records = Vec::new();
    let end = each(dump, |record| records.push(record))?;
    Ok(Dump { records, end })
}

/// Reads the same, and holds one record at a time. Where the records end is the answer.
///
/// # Errors
/// As [`read`].
pub fn each(dump: &[u8], mut visit: impl FnMut(Record)) -> Result<usize, ReadError> {
    let mut cursor = Cursor::start(dump)?;
    loop {
        let record = cursor.record()?;
        let last = record.tag == 0;
        visit(record);
        if last {
            return Ok(cursor.at);
        }
    }
}

/// Whether an object's record has begun in a dump that is still being written.
pub fn has_object(part: &[u8]) -> bool {
    let Ok(mut cursor) = Cursor::start(part) else {
        return false;
    };
    loop {
        if part.get(cursor.at) == Some(&1) {
            return true;
        }
        if cursor.record().is_err() {
            return false;
        }
    }
}

struct Cursor<'d> {
    dump: &'d [u8],
    at: usize,
    within: &'static str,
}

impl<'d> Cursor<'d> {
    fn start(dump: &'d [u8]) -> Result<Cursor<'d>, ReadError> {
        let cursor = Cursor {
            dump,
            at: HEADER.len(),
            within: "header",
        };
        if dump.starts_with(HEADER) {
            Ok(cursor)
        } else {
            Err(ReadError {
                at: 0,
                within: "header",
                why: Why::Header,
            })
        }
    }

    fn record(&mut self) -> Result<Record, ReadError> {
        let start = self.at;
        self.within = "tag";
        let tag = self.int()?;
        let known = usize::try_from(tag).ok().and_then(|t| GRAMMAR.get(t));
        let Some((name, parts)) = known else {
            return Err(ReadError {
                at: start,
                within: "tag",
                why: Why::Tag(tag),
            });
        };
        self.within = name;
        let values = parts
            .iter()
            .map(|p| self.value(*p))
            .collect::<Result<_, _>>()?;
        // The grammar has 18 rows, so a tag fits a byte.
        Ok(Record {
            tag: tag as u8,
            at: start..self.at,
            values,
        })
    }

    fn value(&mut self, part: Part) -> Result<Value, ReadError> {
        Ok(match part {
            Int(_) => Value::Int(self.int()?),
            Bytes(_) => Value::Bytes(self.bytes()?),
            Pointers(_) => Value::Pointers(self.pointers()?),
            Ints(_, n) => Value::Ints((0..n).map(|_| self.int()).collect::<Result<_, _>>()?),
            Stack(_) => {
                let n = self.int()?;
                let mut frames = Vec::new();
                for _ in 0..n {
                    frames.push((self.bytes()?, self.bytes()?, self.int()?));
                }
                Value::Stack(frames)
            }
        })
    }

    fn int(&mut self) -> Result<u64, ReadError> {
        let mut value = 0u64;
        for i in 0u32.. {
            let byte = *self
                .dump
                .get(self.at)
                .ok_or_else(|| self.wrong(Why::Short))?;
            let bits = u64::from(byte & 0x7f);
            if i > 9 || (i == 9 && bits > 1) {
                return Err(self.wrong(Why::LongNumber));
            }
            value |= bits << (7 * i);
            self.at += 1;
            if byte < 0x80 {
                break;
            }
        }
        Ok(value)
    }

    fn bytes(&mut self) -> Result<Range<usize>, ReadError> {
        let length = self.int()?;
        let left = self.dump.len() - self.at;
        match usize::try_from(length) {
            Ok(length) if length <= left => {
                let range = self.at..self.at + length;
                self.at = range.end;
                Ok(range)
            }
            _ => Err(self.wrong(Why::Short)),
        }
    }

    fn pointers(&mut self) -> Result<Vec<u64>, ReadError> {
        let mut offsets = Vec::new();
        loop {
            match self.int()? {
                0 => return Ok(offsets),
                1 => offsets.push(self.int()?),
                kind => return Err(self.wrong(Why::FieldKind(kind))),
            }
        }
    }

    fn wrong(&self, why: Why) -> ReadError {
        ReadError {
            at: self.at,
            within: self.within,
            why,
        }
    }
}
