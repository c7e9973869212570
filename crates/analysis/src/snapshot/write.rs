//! Writing a dump with what its analysis found out. Nothing of it is held: records and annex are copied, and
//! the arrays written in pieces.

use std::io::{self, Write};

use goheap_format::annex::{
    self, AnnexAppender, AnnexError, AnnexReader, AnnexWriter, CapturedLength, Checksum, Class,
    Dominated, Note, NoteKind, ObjectClass, put_difference, put_number,
};

use super::{STEP, VERSION};
use crate::dump::{Dump, put_catalogue};
use crate::{Analysis, Interrupted, Watch};

const PHASE: &str = "writing the snapshot";

/// How many numbers a piece has: no more than 160 KiB of them.
const PIECE: usize = 1 << 15;

/// How many rows a block of classes has.
const ROWS: usize = 1 << 12;

/// What of an annex a catalogue is; another one takes its place.
const OF_CATALOGUE: [NoteKind; 9] = [
    NoteKind::Global,
    NoteKind::Catalogue,
    NoteKind::GoType,
    NoteKind::TypeField,
    NoteKind::Function,
    NoteKind::FrameVariable,
    NoteKind::ItabType,
    NoteKind::Layout,
    NoteKind::LayoutMember,
];

/// Why no snapshot can be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The dump ends too early: answers of what is left of it would look like those of all of it.
    #[error("the dump is damaged, and a snapshot is of a whole one")]
    Damaged,
    /// Its annex cannot be read.
    #[error("a snapshot is of a dump with a sound annex, or none: {0}")]
    Annex(#[from] AnnexError),
    /// It cannot be written.
    #[error("the snapshot cannot be written: {0}")]
    Write(#[from] io::Error),
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Bytes, in all.
    pub bytes: u64,
    /// As many of these are what the analysis found out.
    pub analysis: u64,
    /// Objects.
    pub objects: u64,
}

/// Writes a dump with what its analysis found out.
///
/// # Errors
/// It is damaged, cannot be written, or somebody wants an end.
pub fn write<W: Write>(
    analysis: &Analysis,
    out: W,
    watch: &dyn Watch,
) -> Result<(Written, W), SnapshotError> {
    let dump = &analysis.dump;
    let records = usize::try_from(dump.records_len()).ok();
    let split = records.and_then(|at| dump.bytes().split_at_checked(at));
    let Some((records, behind)) = split.filter(|_| dump.is_whole()) else {
        return Err(SnapshotError::Damaged);
    };
    let mut out = Summed {
        out,
        written: 0,
        checksum: Checksum::new(),
    };
    for piece in records.chunks(STEP) {
        watch.step(PHASE, out.written, dump.bytes().len() as u64)?;
        out.write_all(piece)?;
    }
    let (mut annex, no_annex) = begun(dump, behind, out)?;
    let until = annex.sink().written;
    put(analysis, no_annex, &mut annex, watch)?;
    let (_, out) = annex.finish()?;
    let written = Written {
        bytes: out.written,
        analysis: out.written - until,
        objects: dump.object_count().into(),
    };
    Ok((written, out.out))
}

/// Begins the annex with what the dump's own has, and with the catalogue if that is not from there; whether
/// the dump had none.
fn begun<W: Write>(
    dump: &Dump,
    behind: &[u8],
    out: W,
) -> Result<(AnnexAppender<W>, bool), SnapshotError> {
    let start = dump.records_len();
    let mut none = true;
    let version = AnnexReader::open(behind, start)?.map(|reader| reader.version());
    let mut to = AnnexAppender::new(out, version.unwrap_or(annex::VERSION))?;
    let told = dump.has_other_catalogue();
    let keep = |kind| !(told && OF_CATALOGUE.contains(&kind));
    if version.is_some() {
        let noted = copy(behind, start, keep, &mut to)?;
        none = noted;
    }
    if told {
        let mut writer = AnnexWriter::new();
        put_catalogue(dump.catalogue(), &mut writer)?;
        let mut catalogue = Vec::new();
        writer.finish(&mut catalogue)?;
        copy(&catalogue, 0, |_| true, &mut to)?;
    }
    Ok((to, none))
}

/// Copies the blocks of an annex that begins at `start` but for those that an analysis has made, and those of
/// kinds that are not to be kept; whether an analysis says that there was no annex.
fn copy<W: Write>(
    bytes: &[u8],
    start: u64,
    keep: impl Fn(NoteKind) -> bool,
    to: &mut AnnexAppender<W>,
) -> Result<bool, SnapshotError> {
    let mut none = false;
    let Some(mut reader) = AnnexReader::open(bytes, start)? else {
        return Ok(none);
    };
    while let Some(block) = reader.next_block()? {
        let (kind, rows) = (block.kind(), block.row_count());
        let place = |at: u64| usize::try_from(at - start).ok();
        let whole = place(block.offset()).zip(place(reader.position()));
        let whole = whole.and_then(|(from, to)| bytes.get(from..to));
        if kind == Some(NoteKind::Analysis) {
            let rows = block.rows()?;
            let mut notes = rows.notes().into_iter().flatten();
            none |= notes.any(|note| matches!(note, Note::Analysis(told) if told.no_annex));
        } else if let Some(whole) = whole
            && !kind.is_some_and(|kind| kind.is_of_analysis() || !keep(kind))
        {
            to.copy(whole, rows)?;
        }
    }
    Ok(none)
}

/// Writes what the analysis found out.
fn put<W: Write>(
    analysis: &Analysis,
    no_annex: bool,
    annex: &mut AnnexAppender<Summed<W>>,
    watch: &dyn Watch,
) -> Result<(), SnapshotError> {
    let (types, tree) = (&analysis.types, &analysis.dominators);
    let until = annex.sink().written;
    let checksum = annex.sink().checksum.sum();
    annex.add(&[Note::Analysis(annex::Analysis {
        version: VERSION,
        until,
        checksum: checksum.into(),
        no_annex,
        objects: analysis.dump.object_count().into(),
        nodes: analysis.nodes.len().into(),
        reachable: tree.reachable_count().into(),
        refused: types.refused(),
    })])?;
    let classes = types.stored_classes().map(|class| {
        Note::Class(Class {
            what: class.what,
            number: class.number,
            pointers: class.pointers,
        })
    });
    let classes: Vec<Note<'_>> = classes.collect();
    for block in classes.chunks(ROWS) {
        annex.add(block)?;
    }
    let lengths = types.stored_lengths().into_iter().map(|length| {
        Note::CapturedLength(CapturedLength {
            function: length.function,
            offset: length.offset,
            size: length.size,
        })
    });
    let lengths: Vec<Note<'_>> = lengths.collect();
    for block in lengths.chunks(ROWS) {
        annex.add(block)?;
    }
    let (order, _, size) = tree.places();
    let mut codes = types.stored_codes();
    let mut tree = order.chunks(PIECE).zip(size.chunks(PIECE));
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let total = order.len().max(analysis.dump.object_count() as usize) as u64;
    for piece in 0u64.. {
        watch.step(PHASE, piece * PIECE as u64, total)?;
        first.clear();
        second.clear();
        let nodes = tree.next();
        if let Some((nodes, sizes)) = nodes {
            let mut before = 0;
            for node in nodes {
                put_difference(&mut first, before, u64::from(*node));
                before = u64::from(*node);
            }
            for nodes in sizes {
                put_number(&mut second, u64::from(*nodes));
            }
            annex.add(&[Note::Dominated(Dominated {
                order: &first,
                subtree: &second,
            })])?;
        }
        first.clear();
        for code in codes.by_ref().take(PIECE) {
            put_number(&mut first, code);
        }
        if !first.is_empty() {
            annex.add(&[Note::ObjectClass(ObjectClass { codes: &first })])?;
        } else if nodes.is_none() {
            break;
        }
    }
    Ok(())
}

/// Counts what goes through it, and sums it up.
struct Summed<W> {
    out: W,
    written: u64,
    checksum: Checksum,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.checksum.update(bytes.get(..written).unwrap_or(bytes));
        self.written += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
