//! The kinds of record and their tags.

use std::fmt;

use crate::Record;

/// What a record is, without what is in it.
///
/// The discriminants are the tags of the wire (`runtime/heapdump.go, go1.7: tagEOF` and on).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RecordKind {
    /// [`Record::Eof`]
    Eof = 0,
    /// [`Record::Object`]
    Object = 1,
    /// [`Record::OtherRoot`]
    OtherRoot = 2,
    /// [`Record::Type`]
    Type = 3,
    /// [`Record::Goroutine`]
    Goroutine = 4,
    /// [`Record::StackFrame`]
    StackFrame = 5,
    /// [`Record::Params`]
    Params = 6,
    /// [`Record::Finalizer`]
    Finalizer = 7,
    /// [`Record::Itab`]
    Itab = 8,
    /// [`Record::OsThread`]
    OsThread = 9,
    /// [`Record::MemStats`]
    MemStats = 10,
    /// [`Record::QueuedFinalizer`]
    QueuedFinalizer = 11,
    /// [`Record::Data`]
    Data = 12,
    /// [`Record::Bss`]
    Bss = 13,
    /// [`Record::Defer`]
    Defer = 14,
    /// [`Record::Panic`]
    Panic = 15,
    /// [`Record::MemProf`]
    MemProf = 16,
    /// [`Record::AllocSample`]
    AllocSample = 17,
}

impl RecordKind {
    /// All of them, in the order of their tags.
    pub const ALL: [RecordKind; 18] = [
        RecordKind::Eof,
        RecordKind::Object,
        RecordKind::OtherRoot,
        RecordKind::Type,
        RecordKind::Goroutine,
        RecordKind::StackFrame,
        RecordKind::Params,
        RecordKind::Finalizer,
        RecordKind::Itab,
        RecordKind::OsThread,
        RecordKind::MemStats,
        RecordKind::QueuedFinalizer,
        RecordKind::Data,
        RecordKind::Bss,
        RecordKind::Defer,
        RecordKind::Panic,
        RecordKind::MemProf,
        RecordKind::AllocSample,
    ];

    /// The number that the wire has for it.
    pub fn tag(self) -> u8 {
        self as u8
    }

    /// The kind with that number.
    pub fn from_tag(tag: u64) -> Option<Self> {
        usize::try_from(tag)
            .ok()
            .and_then(|tag| Self::ALL.get(tag).copied())
    }

    /// Its name, lower case and without blanks: `stackframe`, `memstats`.
    pub fn name(self) -> &'static str {
        match self {
            RecordKind::Eof => "eof",
            RecordKind::Object => "object",
            RecordKind::OtherRoot => "otherroot",
            RecordKind::Type => "type",
            RecordKind::Goroutine => "goroutine",
            RecordKind::StackFrame => "stackframe",
            RecordKind::Params => "params",
            RecordKind::Finalizer => "finalizer",
            RecordKind::Itab => "itab",
            RecordKind::OsThread => "osthread",
            RecordKind::MemStats => "memstats",
            RecordKind::QueuedFinalizer => "queuedfinalizer",
            RecordKind::Data => "data",
            RecordKind::Bss => "bss",
            RecordKind::Defer => "defer",
            RecordKind::Panic => "panic",
            RecordKind::MemProf => "memprof",
            RecordKind::AllocSample => "allocsample",
        }
    }

    /// The kind of that name, as [`RecordKind::name`] gives it; case does not matter.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Record<'_> {
    /// What it is.
    pub fn kind(&self) -> RecordKind {
        match self {
            Record::Eof => RecordKind::Eof,
            Record::Object(_) => RecordKind::Object,
            Record::OtherRoot(_) => RecordKind::OtherRoot,
            Record::Type(_) => RecordKind::Type,
            Record::Goroutine(_) => RecordKind::Goroutine,
            Record::StackFrame(_) => RecordKind::StackFrame,
            Record::Params(_) => RecordKind::Params,
            Record::Finalizer(_) => RecordKind::Finalizer,
            Record::Itab(_) => RecordKind::Itab,
            Record::OsThread(_) => RecordKind::OsThread,
            Record::MemStats(_) => RecordKind::MemStats,
            Record::QueuedFinalizer(_) => RecordKind::QueuedFinalizer,
            Record::Data(_) => RecordKind::Data,
            Record::Bss(_) => RecordKind::Bss,
            Record::Defer(_) => RecordKind::Defer,
            Record::Panic(_) => RecordKind::Panic,
            Record::MemProf(_) => RecordKind::MemProf,
            Record::AllocSample(_) => RecordKind::AllocSample,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_names_there_and_back() {
        for (tag, kind) in RecordKind::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(kind.tag()), tag);
            assert_eq!(RecordKind::from_tag(tag as u64), Some(kind));
            assert_eq!(
                RecordKind::from_name(&kind.name().to_uppercase()),
                Some(kind)
            );
        }
        assert_eq!(RecordKind::from_tag(18), None);
        assert_eq!(RecordKind::from_tag(u64::MAX), None);
        assert_eq!(RecordKind::from_name("heap"), None);
    }
}
