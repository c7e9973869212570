//! What an annex says in short: the program, the capture, the gaps, and how much there is of each.

use std::collections::BTreeMap;
use std::io::Read;

use super::{Analysis, AnnexError, AnnexReader, Block, Note, NoteKind};

/// How many gaps are kept; all are counted.
const MOST_GAPS: usize = 1000;
/// How many sections are counted by name; an annex can have a new one in each block.
const MOST_SECTIONS: usize = 1000;
/// How much of a text is kept, in bytes.
const MOST_TEXT: usize = 4 << 10;

/// The notes of a dump in short. Of texts, the first 4 KiB are kept.
#[derive(Debug, Default, Clone)]
pub struct Digest {
    /// How many rows each section has. With more than a thousand, the rest is `(others)`.
    pub sections: BTreeMap<Vec<u8>, u64>,
    /// The program.
    pub program: Option<ProgramDigest>,
    /// How it was captured.
    pub capture: Option<CaptureDigest>,
    /// The first thousand gaps.
    pub gaps: Vec<GapDigest>,
    /// That it was analysed, and what of.
    pub analysis: Option<Analysis>,
}

/// [`Program`](super::Program), kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in Program")]
pub struct ProgramDigest {
    pub goheap_version: Vec<u8>,
    pub executable: Vec<u8>,
    pub go_build_id: Vec<u8>,
    pub gnu_build_id: Vec<u8>,
    pub main_package: Vec<u8>,
    pub main_version: Vec<u8>,
}

/// [`Capture`](super::Capture), kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in Capture")]
pub struct CaptureDigest {
    pub source: Vec<u8>,
    pub unix_ns: u64,
    pub method: Vec<u8>,
    pub pause_ns: Option<u64>,
    pub stopped_ns: Option<u64>,
    pub tries: u64,
    pub safe_moment: bool,
    pub gaps: u64,
    pub monotonic_ns: Option<u64>,
    pub pid: Option<u64>,
    pub started: Option<u64>,
    pub rss: Option<u64>,
    pub rss_anon: Option<u64>,
    pub passed_over: Vec<u8>,
    pub copied_in_pause: Option<u64>,
    pub copied: Option<u64>,
    pub extra: Option<u64>,
    pub left: Vec<u8>,
}

/// [`Gap`](super::Gap), kept.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in Gap")]
pub struct GapDigest {
    pub what: Vec<u8>,
    pub address: u64,
    pub why: Vec<u8>,
}

impl Digest {
    /// Reads an annex to its end; `each` is given every note with the offset of its block. What was
    /// read before an error stays.
    ///
    /// # Errors
    /// What is wrong with the annex.
    pub fn read<R: Read>(
        &mut self,
        reader: &mut AnnexReader<R>,
        mut each: impl FnMut(u64, &Note<'_>),
    ) -> Result<(), AnnexError> {
        while let Some(block) = reader.next_block()? {
            self.take(block, &mut each)?;
        }
        Ok(())
    }

    /// Takes a block in; `each` is given every note with its offset.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn take(
        &mut self,
        block: Block,
        mut each: impl FnMut(u64, &Note<'_>),
    ) -> Result<(), AnnexError> {
        let offset = block.offset();
        if block.kind().is_none() {
            let (section, rows) = (block.section().to_vec(), block.row_count());
            // Nobody wants them, but they are to be what they say.
            block.rows()?;
            self.count(&section, rows);
            return Ok(());
        }
        let rows = block.rows()?;
        for note in rows.notes().into_iter().flatten() {
            self.add(&note);
            each(offset, &note);
        }
        Ok(())
    }

    /// Takes a note in.
    pub fn add(&mut self, note: &Note<'_>) {
        self.count(note.kind().name().as_bytes(), 1);
        match note {
            Note::Program(p) => {
                self.program = Some(ProgramDigest {
                    goheap_version: kept(p.goheap_version),
                    executable: kept(p.executable),
                    go_build_id: kept(p.go_build_id),
                    gnu_build_id: kept(p.gnu_build_id),
                    main_package: kept(p.main_package),
                    main_version: kept(p.main_version),
                });
            }
            Note::Capture(c) => {
                self.capture = Some(CaptureDigest {
                    source: kept(c.source),
                    unix_ns: c.unix_ns,
                    method: kept(c.method),
                    pause_ns: c.pause_ns,
                    stopped_ns: c.stopped_ns,
                    tries: c.tries,
                    safe_moment: c.safe_moment,
                    gaps: c.gaps,
                    monotonic_ns: c.monotonic_ns,
                    pid: c.pid,
                    started: c.started,
                    rss: c.rss,
                    rss_anon: c.rss_anon,
                    passed_over: kept(c.passed_over),
                    copied_in_pause: c.copied_in_pause,
                    copied: c.copied,
                    extra: c.extra,
                    left: kept(c.left),
                });
            }
            Note::Gap(g) if self.gaps.len() < MOST_GAPS => self.gaps.push(GapDigest {
                what: kept(g.what),
                address: g.address,
                why: kept(g.why),
            }),
            Note::Analysis(analysis) => self.analysis = Some(*analysis),
            _ => {}
        }
    }

    /// How many gaps there are: as the capture counted them, or as many as have a row.
    pub fn gap_count(&self) -> u64 {
        let told = self.capture.as_ref().map_or(0, |capture| capture.gaps);
        told.max(self.rows(NoteKind::Gap))
    }

    /// How many rows the section of a kind has.
    pub fn rows(&self, kind: NoteKind) -> u64 {
        let rows = self.sections.get(kind.name().as_bytes());
        rows.copied().unwrap_or_default()
    }

    fn count(&mut self, section: &[u8], rows: u64) {
        if let Some(count) = self.sections.get_mut(section) {
            *count = count.saturating_add(rows);
            return;
        }
        let name = match self.sections.len() < MOST_SECTIONS {
            true => kept(section),
            false => b"(others)".to_vec(),
        };
        let count = self.sections.entry(name).or_default();
        *count = count.saturating_add(rows);
    }
}

fn kept(text: &[u8]) -> Vec<u8> {
    text.get(..MOST_TEXT).unwrap_or(text).to_vec()
}
