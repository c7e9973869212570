//! Where a record ends, found while its bytes are still coming in.
//!
//! A stream needs the whole of a record before it can hand it out. [`Scan`] walks the record's
//! shape over what has come so far and goes on where it stopped, so that the work is linear however
//! small the pieces are. It judges nothing but where to stop: what is wrong, and where, is told by
//! [`parse`](crate::parse) over the same bytes.

use crate::{FieldKind, Header, RecordKind, varint};

/// What a scan knows after it has seen all that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The record ends after that many bytes.
    Done(usize),
    /// At least that many more bytes are needed.
    More(usize),
    /// No bytes that may follow can make this a record.
    Broken,
}

/// A value of a record, as far as its length goes.
#[derive(Debug, Clone, Copy)]
enum Step {
    Ints(u16),
    Bool,
    Bytes,
    Fields,
    Frames,
}

/// 24 numbers, 256 pauses, and the number of collections.
const MEMSTATS: u16 = 24 + 256 + 1;

fn shape(kind: RecordKind, header: Header) -> &'static [Step] {
    use Step::{Bool, Bytes, Fields, Frames, Ints};
    match kind {
        RecordKind::Eof => &[],
        RecordKind::Object | RecordKind::Data | RecordKind::Bss => &[Ints(1), Bytes, Fields],
        RecordKind::OtherRoot => &[Bytes, Ints(1)],
        RecordKind::Type => &[Ints(2), Bytes, Bool],
        RecordKind::Goroutine => &[Ints(5), Bool, Bool, Ints(1), Bytes, Ints(4)],
        RecordKind::StackFrame => &[Ints(3), Bytes, Ints(3), Bytes, Fields],
        RecordKind::Params if header.arch_is_code() => &[Bool, Ints(4), Bytes, Ints(1)],
        RecordKind::Params => &[Bool, Ints(3), Bytes, Bytes, Ints(1)],
        RecordKind::Finalizer | RecordKind::QueuedFinalizer => &[Ints(5)],
        RecordKind::Itab | RecordKind::AllocSample => &[Ints(2)],
        RecordKind::OsThread => &[Ints(3)],
        RecordKind::MemStats => &[Ints(MEMSTATS)],
        RecordKind::Defer => &[Ints(7)],
        RecordKind::Panic => &[Ints(6)],
        RecordKind::MemProf => &[Ints(2), Frames, Ints(2)],
    }
}

#[derive(Debug, Clone, Copy)]
enum Todo {
    Tag,
    NextStep,
    Ints(u16),
    Bool,
    Length,
    /// Up to this place in the record.
    Skip(usize),
    FieldKind,
    FieldOffset,
    FrameCount,
    NextFrame,
    FrameFile,
    FrameLine,
}

/// What comes after a byte string.
#[derive(Debug, Clone, Copy)]
enum Then {
    NextStep,
    FrameFile,
    FrameLine,
}

/// A scan of one record, from its tag on.
#[derive(Debug)]
pub(crate) struct Scan {
    header: Header,
    at: usize,
    todo: Todo,
    then: Then,
    steps: std::slice::Iter<'static, Step>,
    frames: u64,
}

impl Scan {
    pub(crate) fn new(header: Header) -> Self {
        Scan {
            header,
            at: 0,
            todo: Todo::Tag,
            then: Then::NextStep,
            steps: [].iter(),
            frames: 0,
        }
    }

    /// Goes on over `record`, which is all that has come of the record so far.
    pub(crate) fn advance(&mut self, record: &[u8]) -> Progress {
        loop {
            match self.todo {
                Todo::NextStep => match self.steps.next() {
                    None => return Progress::Done(self.at),
                    Some(step) => {
                        self.todo = match step {
                            Step::Ints(count) => Todo::Ints(*count),
                            Step::Bool => Todo::Bool,
                            Step::Bytes => self.length(Then::NextStep),
                            Step::Fields => Todo::FieldKind,
                            Step::Frames => Todo::FrameCount,
                        }
                    }
                },
                Todo::Skip(end) => {
                    if record.len() < end {
                        return Progress::More(end - record.len());
                    }
                    self.at = end;
                    self.todo = match self.then {
                        Then::NextStep => Todo::NextStep,
                        Then::FrameFile => Todo::FrameFile,
                        Then::FrameLine => Todo::FrameLine,
                    };
                }
                Todo::Ints(0) => self.todo = Todo::NextStep,
                Todo::NextFrame if self.frames == 0 => self.todo = Todo::NextStep,
                Todo::NextFrame => {
                    self.frames -= 1;
                    self.todo = self.length(Then::FrameFile);
                }
                Todo::FrameFile => self.todo = self.length(Then::FrameLine),
                _ => {
                    let rest = record.get(self.at..).unwrap_or_default();
                    let (value, len) = match varint::decode(rest) {
                        Ok(number) => number,
                        Err(varint::Fault::Short) => return Progress::More(1),
                        Err(_) => return Progress::Broken,
                    };
                    self.at += len;
                    match self.number(value) {
                        Some(todo) => self.todo = todo,
                        None => return Progress::Broken,
                    }
                }
            }
        }
    }

    fn length(&mut self, then: Then) -> Todo {
        self.then = then;
        Todo::Length
    }

    /// What to do once the number that was due has come; `None` if it cannot stand there.
    fn number(&mut self, value: u64) -> Option<Todo> {
        Some(match self.todo {
            Todo::Tag => {
                self.steps = shape(RecordKind::from_tag(value)?, self.header).iter();
                Todo::NextStep
            }
            Todo::Ints(count) => Todo::Ints(count.saturating_sub(1)),
            Todo::Bool if value > 1 => return None,
            Todo::Length => {
                // More than can be addressed is more than will come.
                let length = usize::try_from(value).unwrap_or(usize::MAX);
                Todo::Skip(self.at.saturating_add(length))
            }
            Todo::FieldKind if value == 0 => Todo::NextStep,
            Todo::FieldKind => {
                FieldKind::from_wire(value)?;
                Todo::FieldOffset
            }
            Todo::FieldOffset => Todo::FieldKind,
            Todo::FrameCount => {
                self.frames = value;
                Todo::NextFrame
            }
            Todo::FrameLine => Todo::NextFrame,
            Todo::Bool | Todo::NextStep | Todo::Skip(_) | Todo::NextFrame | Todo::FrameFile => {
                Todo::NextStep
            }
        })
    }
}
