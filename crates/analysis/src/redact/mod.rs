//! A dump without user data: structure, types, sizes, counts and names of variables are what they
//! were; strings, bytes and numbers are zeros.
//!
//! What is kept of contents: pointers, as the collector sees them, that lead to something; words that
//! are the address of a type descriptor, of an itab or of a function; and, where types are known,
//! lengths and capacities and what maps and channels need to be read (`keep.rs`). All else is zero. So
//! whatever is not understood is gone rather than left.

mod keep;
mod words;

use std::io::{self, Write};

use goheap_format::annex::{AnnexReader, AnnexWriter, Capture, Note, NoteKind, Register};
use goheap_format::{
    Fields, Object, OtherRoot, ReadError, Reader, Record, Segment, StackFrame, WriteError, Writer,
};

use crate::dump::{Dump, is_described};
use crate::types::Types;
use crate::{Interrupted, Watch};
use keep::Keep;
use words::Words;

const PHASE: &str = "redacting";

/// What the capture's source says of a dump that was redacted, behind what it said before.
pub const REDACTED: &str = ", redacted";

/// Why a dump cannot be redacted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedactError {
    /// It is damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its annex cannot be written.
    #[error("the annex cannot be written: {0}")]
    Annex(#[source] io::Error),
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Redacted {
    /// Bytes, those of the annex included.
    pub bytes: u64,
    /// Objects.
    pub objects: u64,
}

/// Writes a dump without its user data.
///
/// # Errors
/// It is damaged, cannot be written, or somebody wants an end.
pub fn redact<W: Write>(
    dump: &Dump,
    types: &Types,
    out: W,
    watch: &dyn Watch,
) -> Result<(Redacted, W), RedactError> {
    let mut redactor = Redactor {
        words: Words::new(dump),
        keep: Keep::new(dump, types),
        buffer: Vec::new(),
        dump,
    };
    redactor.keep.variables(watch)?;
    let mut writer = Writer::with_header(out, dump.header());
    let mut reader = Reader::new(dump.bytes())?;
    let total = dump.bytes().len() as u64;
    let mut done = Redacted::default();
    // Values in data and bss that only objects lead to come up as these are written, and data and
    // bss come behind them.
    let mut count = 0u64;
    loop {
        if count.is_multiple_of(1 << 12) {
            watch.step(PHASE, Reader::position(&reader), total)?;
        }
        count += 1;
        let Some(record) = Reader::next_record(&mut reader)? else {
            break;
        };
        // What the index left out (phantoms, what overlaps others) is no object, and its contents
        // are not understood.
        if let Record::Object(object) = &record {
            let found = dump.find(object.address).map(|(id, _)| id);
            if found.and_then(|id| dump.record_of(id)) != Some(Reader::offset(&reader)) {
                continue;
            }
            done.objects += 1;
        }
        redactor.record(record, &mut writer, watch)?;
    }
    let position = Reader::position(&reader);
    done.bytes = writer.position();
    let mut out = writer.finish()?;
    if let Some(rest) = reader.trailing()
        && let Ok(Some(annex)) = AnnexReader::open(rest, position)
    {
        done.bytes += redactor
            .annex(annex, &mut out)
            .map_err(RedactError::Annex)?;
    }
    Ok((done, out))
}

struct Redactor<'d> {
    dump: &'d Dump,
    words: Words<'d>,
    keep: Keep<'d>,
    /// What is left of the contents of a record.
    buffer: Vec<u8>,
}

impl Redactor<'_> {
    fn record<W: Write>(
        &mut self,
        record: Record<'_>,
        writer: &mut Writer<W>,
        watch: &dyn Watch,
    ) -> Result<(), RedactError> {
        match record {
            Record::Object(object) => {
                self.words
                    .redact(object.contents, &object.fields, &mut self.buffer);
                if let Some((id, 0)) = self.dump.find(object.address) {
                    self.keep.object(id, &object, &mut self.buffer);
                }
                writer.write(&Record::Object(Object {
                    contents: &self.buffer,
                    ..object
                }))?;
            }
            Record::StackFrame(frame) => {
                self.words
                    .redact(frame.contents, &frame.fields, &mut self.buffer);
                self.keep.frame(&frame, &mut self.buffer);
                writer.write(&Record::StackFrame(StackFrame {
                    contents: &self.buffer,
                    ..frame
                }))?;
            }
            Record::Data(segment) => {
                let contents = self.segment(&segment, watch)?;
                writer.write(&Record::Data(Segment {
                    contents,
                    ..segment
                }))?;
            }
            Record::Bss(segment) => {
                let contents = self.segment(&segment, watch)?;
                writer.write(&Record::Bss(Segment {
                    contents,
                    ..segment
                }))?;
            }
            Record::OtherRoot(root) => {
                let description = match is_described(root.description) {
                    true => root.description,
                    false => b"root",
                };
                writer.write(&Record::OtherRoot(OtherRoot {
                    description,
                    ..root
                }))?;
            }
            // Addresses, the runtime's own numbers, and names of types, functions and files.
            other => writer.write(&other)?,
        }
        Ok(())
    }

    fn segment(&mut self, segment: &Segment<'_>, watch: &dyn Watch) -> Result<&[u8], RedactError> {
        self.keep.places(watch)?;
        self.words
            .redact(segment.contents, &segment.fields, &mut self.buffer);
        self.keep.segment(segment, &mut self.buffer);
        Ok(&self.buffer)
    }

    /// Writes what is left of an annex; how many bytes that is. What cannot be read is gone.
    fn annex<R: io::Read>(
        &self,
        mut annex: AnnexReader<R>,
        out: &mut impl Write,
    ) -> io::Result<u64> {
        let mut writer = AnnexWriter::new();
        let (mut kept, mut analysed) = (false, false);
        while let Ok(Some(block)) = annex.next_block() {
            // That is of the bytes as they were.
            if block.kind().is_some_and(NoteKind::is_of_analysis) {
                analysed = true;
                continue;
            }
            // Sections that are not known may say anything.
            let Ok(rows) = block.rows() else { break };
            for note in rows.notes().into_iter().flatten() {
                kept = true;
                match note {
                    // Whose they are nobody can tell.
                    Note::Constant(_) => {}
                    Note::Capture(capture) => {
                        let marked = [capture.source, REDACTED.as_bytes()].concat();
                        let source = match capture.source.ends_with(REDACTED.as_bytes()) {
                            true => capture.source,
                            false => &marked,
                        };
                        writer.add(&Note::Capture(Capture { source, ..capture }))?;
                    }
                    Note::Register(register) => {
                        let value = match self.words.leads_somewhere(register.value) {
                            true => register.value,
                            false => 0,
                        };
                        writer.add(&Note::Register(Register { value, ..register }))?;
                    }
                    note => writer.add(&note)?,
                }
            }
        }
        if analysed && !kept {
            // There was no annex before.
            return Ok(0);
        }
        writer.finish(out)
    }
}

/// Puts `bytes` of zeros into a buffer.
fn zeros(buffer: &mut Vec<u8>, bytes: usize) {
    buffer.clear();
    buffer.resize(bytes, 0);
}

/// Keeps a piece of the contents as it is.
fn copy(contents: &[u8], buffer: &mut [u8], at: u64, len: u64) {
    let Some(range) = usize::try_from(at)
        .ok()
        .zip(usize::try_from(len).ok())
        .and_then(|(at, len)| Some(at..at.checked_add(len)?))
    else {
        return;
    };
    if let (Some(from), Some(to)) = (contents.get(range.clone()), buffer.get_mut(range)) {
        to.copy_from_slice(from);
    }
}

/// The list of pointers of a record, for whoever needs the first one.
fn first_pointer(fields: &Fields<'_>) -> Option<u64> {
    fields.iter().next().map(|(_, offset)| offset)
}

#[cfg(test)]
mod tests;
