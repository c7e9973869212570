//! From bytes to an opened dump: one pass over the records, and one over the annex.

use goheap_format::annex::AnnexReader;
use goheap_format::{ReadError, Reader};
use goheap_golang::catalogue::Catalogue;
use goheap_golang::{Features, GoVersion};

use super::annex::catalogue_of_annex;
use super::gather::{Gathered, no_params};
use super::index::{Index, Left};
use super::memory::Ranges;
use super::phantoms::{self, Room};
use super::runs::TooMany;
use super::{Analysed, Bytes, Dump, Notes, Params};
use crate::{Interrupted, Watch};

/// How a dump is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// Take a damaged dump as far as it goes; [`Dump::missing`] tells what is not there.
    pub damaged: bool,
}

/// Why a dump cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It is none, or damaged.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// More objects than can be told apart.
    #[error("the dump has more than {most} objects, which is more than goheap can analyse")]
    TooManyObjects {
        /// How many it can have.
        most: u64,
    },
    /// Somebody wanted it to end.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl From<TooMany> for OpenError {
    fn from(_: TooMany) -> Self {
        OpenError::TooManyObjects {
            most: u64::from(u32::MAX) - 1,
        }
    }
}

const PHASE: &str = "reading the dump";

impl Dump {
    /// Indexes the dump `bytes`.
    ///
    /// # Errors
    /// It is no dump; it is damaged, and [`OpenOptions::damaged`] was not asked for; too many
    /// objects; interrupted.
    pub fn open(bytes: Bytes, options: &OpenOptions, watch: &dyn Watch) -> Result<Dump, OpenError> {
        let data = (*bytes).as_ref();
        let mut gathered = Gathered::new(data);
        let mut missing = Vec::new();
        let mut reader = Reader::new(data)?;
        let header = reader.header();
        read(&mut reader, &mut gathered, options, watch, &mut missing)?;
        let mut notes = Notes::default();
        let mut catalogue = Catalogue::default();
        let mut analysed = None;
        let position = reader.position();
        let whole = reader.trailing().is_some();
        match reader.trailing() {
            None => missing.push("the annex is not there: the records do not end".to_owned()),
            Some(rest) => {
                analysed = annex(rest, position, &mut catalogue, &mut notes, &mut missing);
            }
        }
        gathered.runs.close();
        let params = gathered.params.take().unwrap_or_else(|| {
            missing.push("the dump has no params: it is taken for one of a 64-bit machine".into());
            no_params()
        });
        // A mended dump has none; of one whose annex is lost, its own records tell.
        let phantoms = match (notes.digest.is_none(), room(&params)) {
            (true, Some(room)) => phantoms::drop(&mut gathered.runs, room, data),
            _ => 0,
        };
        told(&gathered, &mut missing);
        let Gathered {
            runs,
            goroutines,
            frames,
            segments,
            others,
            mem_stats,
            ..
        } = gathered;
        let (index, Left { overlapping }) = Index::of(runs).ok_or(TooMany)?;
        if overlapping > 0 {
            missing.push(format!(
                "{overlapping} objects overlap others, and are left out"
            ));
        }
        let mut dump = Dump {
            index,
            bytes,
            header,
            params,
            ranges: Ranges::of(&segments, &frames),
            goroutines,
            frames,
            segments,
            others,
            roots: Vec::new(),
            pointers: Vec::new(),
            catalogue,
            notes,
            mem_stats,
            missing,
            phantoms,
            whole,
            records: position,
            analysed,
            told: false,
        };
        dump.find_roots(watch)?;
        Ok(dump)
    }
}

/// Reads all records.
fn read<'a>(
    reader: &mut Reader<'a>,
    gathered: &mut Gathered<'a>,
    options: &OpenOptions,
    watch: &dyn Watch,
    missing: &mut Vec<String>,
) -> Result<(), OpenError> {
    let total = gathered.len();
    loop {
        watch.step(PHASE, Reader::position(reader), total)?;
        for _ in 0..1 << 14 {
            let offset = Reader::position(reader);
            match reader.next_record() {
                Ok(Some(record)) => gathered.take(offset, record)?,
                Ok(None) => return Ok(()),
                Err(error) if options.damaged => {
                    missing.push(format!("the dump is damaged: {error}"));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Reads what stands behind the records, up to what an analysis found out. What was read before something is
/// wrong stays.
fn annex(
    rest: &[u8],
    position: u64,
    catalogue: &mut Catalogue,
    notes: &mut Notes,
    missing: &mut Vec<String>,
) -> Option<Analysed> {
    let mut annex = match AnnexReader::open(rest, position) {
        Ok(Some(annex)) => annex,
        Ok(None) => {
            missing.push(super::NO_ANNEX.to_owned());
            return None;
        }
        Err(error) => {
            missing.push(format!("the annex cannot be read: {error}"));
            return None;
        }
    };
    let from = catalogue_of_annex(&mut annex, |note| notes.take(note));
    let analysed = from.analysis.map(|(at, told)| Analysed { at, told });
    // What has an annex for its analysis alone is what the runtime wrote.
    let none = analysed.is_some_and(|analysed| analysed.told.no_annex);
    notes.digest = Some(from.digest).filter(|_| !none);
    *catalogue = from.catalogue;
    if none && catalogue.is_empty() {
        missing.push(super::NO_ANNEX.to_owned());
    }
    if let Some(error) = from.error {
        missing.push(format!("the annex is damaged: {error}"));
    }
    analysed
}

/// What the end of a span is not for objects, in that version.
fn room(params: &Params) -> Option<Room> {
    let version: GoVersion = params.go_version.parse().ok()?;
    Room::of(&Features::of(&version).ok()?, params.model.word)
}

/// Tells what of the records cannot be.
fn told(gathered: &Gathered<'_>, missing: &mut Vec<String>) {
    for (count, what) in [
        (gathered.runs.impossible, "objects have no bytes"),
        (gathered.stray_frames, "frames are of no goroutine"),
    ] {
        if count > 0 {
            missing.push(format!("{count} {what}, and are left out"));
        }
    }
}
