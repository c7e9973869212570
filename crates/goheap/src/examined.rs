//! A source that is opened to be asked: whatever it is, it becomes a dump in a file, and that is
//! indexed, given types, and made a graph.
//!
//! A process or a core is dumped to a file without a name first, a compressed dump decompressed to
//! one: there is one way from here on.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Seek, Write};
use std::path::Path;
use std::sync::Arc;

use goheap_analysis::{Analysis, AnalysisError, Dump, Interrupted, OpenError, OpenOptions, Watch};
use goheap_format::{Compression, ReadError, open_stream};
use goheap_process::{Mapped, map_opened};

use crate::args::ExamineArgs;
use crate::dump::{Outcome, capture_to_unnamed};
use crate::error::{CommandError, Reason, Shown};
use crate::lean::Lean;
use crate::learn::catalogue_of_exe;
use crate::live;
use crate::progress::Progress;
use crate::source::Source;
use crate::unnamed;

/// A dump that was opened, and where it came from.
pub(crate) struct Examined<T> {
    /// What there is to ask.
    pub(crate) of: T,
    /// What messages call the source: a file's name, `process 4711 (shop)`.
    pub(crate) name: String,
    /// How it was captured, of a process or a core.
    pub(crate) captured: Option<Outcome>,
    /// What keeps little of the dump in memory.
    lean: Option<Arc<Lean>>,
}

impl<T> Examined<T> {
    /// Who looks while a question is answered. It clears its line when it goes.
    pub(crate) fn watch(&self) -> Shower {
        Shower {
            lean: self.lean.clone(),
            ..Shower::default()
        }
    }
}

/// Opens a source and analyses it.
///
/// # Errors
/// Those of capturing, opening and analysing.
pub(crate) fn open(args: &ExamineArgs) -> Result<Examined<Analysis>, CommandError> {
    let mut watch = Shower::default();
    let Examined {
        of,
        name,
        captured,
        lean,
    } = dump(args, &mut watch)?;
    let analysis = analysed(of, &watch, &name)?;
    Ok(Examined {
        of: analysis,
        name,
        captured,
        lean,
    })
}

/// Opens a source, and no more than that.
///
/// # Errors
/// Those of capturing and opening.
pub(crate) fn open_dump(args: &ExamineArgs) -> Result<Examined<Dump>, CommandError> {
    dump(args, &mut Shower::default())
}

fn dump(args: &ExamineArgs, watch: &mut Shower) -> Result<Examined<Dump>, CommandError> {
    let Made {
        file,
        name,
        captured,
        cut,
    } = source(args)?;
    let mut of = index(&file, &name, args.damaged, watch)?;
    if let Some(cut) = cut {
        of.add_missing(cut);
    }
    // A process or a core was dumped by it already, and what a dump's annex says is of its own
    // program for sure.
    let known = captured.is_some() || !of.catalogue().is_empty();
    if let (Some(exe), false) = (&args.exe.exe, known) {
        of.set_catalogue(catalogue_of_exe(exe, &of, &name)?);
    }
    Ok(Examined {
        of,
        name,
        captured,
        lean: watch.lean.clone(),
    })
}

/// Analyses the dump in a file that is called `name` in messages.
///
/// # Errors
/// Those of opening and analysing.
pub(crate) fn analyse(file: &File, name: &str) -> Result<Analysis, CommandError> {
    let mut watch = Shower::default();
    let dump = index(file, name, false, &mut watch)?;
    analysed(dump, &watch, name)
}

fn analysed(dump: Dump, watch: &Shower, name: &str) -> Result<Analysis, CommandError> {
    let analysis = Analysis::of(dump, watch).map_err(|source| failed(source, name))?;
    if let Some(lean) = &watch.lean {
        // What was read last for the analysis is not what a question reads.
        lean.give_back();
    }
    Ok(analysis)
}

/// The dump that a source is or becomes, as a file, and what messages call it; it may have no name of
/// its own.
///
/// # Errors
/// Those of capturing and decompressing.
pub(crate) fn file(args: &ExamineArgs) -> Result<(File, String), CommandError> {
    source(args).map(|made| (made.file, made.name))
}

/// The dump that a source is or becomes.
struct Made {
    file: File,
    /// What messages call it.
    name: String,
    captured: Option<Outcome>,
    /// What is missing of it, if it was compressed and could not be decompressed to its end.
    cut: Option<String>,
}

fn source(args: &ExamineArgs) -> Result<Made, CommandError> {
    live::install_interrupts()?;
    Ok(match Source::of(&args.source)? {
        Source::Dump(path) => {
            let (file, cut) = plain_file(&path, args.damaged)?;
            Made {
                file,
                name: Shown(&path).to_string(),
                captured: None,
                cut,
            }
        }
        source => {
            let (outcome, file) = capture_to_unnamed(&source, &args.exe, &args.how)?;
            Made {
                file,
                name: outcome.of().to_owned(),
                captured: Some(outcome),
                cut: None,
            }
        }
    })
}

/// Indexes the dump in a file; `watch` keeps little of it in memory from then on.
fn index(file: &File, name: &str, damaged: bool, watch: &mut Shower) -> Result<Dump, CommandError> {
    let mapped = map_opened(file).map_err(|source| CommandError::Open {
        path: name.into(),
        source,
    })?;
    let mapped = Arc::new(mapped);
    watch.lean = Lean::of(Arc::clone(&mapped)).map(Arc::new);
    let options = OpenOptions { damaged };
    Dump::open(Box::new(Bytes(mapped)), &options, watch).map_err(|source| match source {
        OpenError::Interrupted(_) => interrupted(),
        OpenError::Read(source @ ReadError::Malformed { .. }) => CommandError::Damaged {
            path: name.into(),
            source,
        },
        OpenError::Read(source) => crate::opened::read_error(source, Path::new(name)),
        source => CommandError::Opened {
            of: name.to_owned(),
            source,
        },
    })
}

struct Bytes(Arc<Mapped>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Why the analysis of a source came to nothing.
pub(crate) fn failed(source: AnalysisError, of: &str) -> CommandError {
    match source {
        AnalysisError::Interrupted(_) => interrupted(),
        source => CommandError::Analysis {
            of: of.to_owned(),
            source,
        },
    }
}

/// A question was ended by a signal.
pub(crate) fn ended(_: Interrupted) -> CommandError {
    interrupted()
}

/// Ended by a signal; by Ctrl-C's where nobody remembers which (signal(7)).
pub(crate) fn interrupted() -> CommandError {
    const SIGINT: i32 = 2;
    CommandError::Interrupted(live::stop_requested().unwrap_or(SIGINT))
}

/// The file of a dump, decompressed: itself, or one without a name; and what is missing of it.
fn plain_file(path: &Path, damaged: bool) -> Result<(File, Option<String>), CommandError> {
    let failed = |source| CommandError::Open {
        path: path.to_owned(),
        source,
    };
    if path == Path::new("-") {
        return decompress(path, io::stdin().lock(), damaged);
    }
    let mut file = File::open(path).map_err(failed)?;
    let data = file.metadata().map_err(failed)?;
    if data.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    if !data.is_file() {
        return decompress(path, file, damaged);
    }
    let mut start = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(&mut file, 4), &mut start).map_err(failed)?;
    file.rewind().map_err(failed)?;
    match Compression::of(&start) {
        Compression::None => Ok((file, None)),
        _ => decompress(path, file, damaged),
    }
}

/// Decompresses a stream to a file without a name: as far as it goes, if it may be `damaged`, and then
/// tells where it ended.
fn decompress(
    path: &Path,
    stream: impl io::Read + 'static,
    damaged: bool,
) -> Result<(File, Option<String>), CommandError> {
    let failed = |source| CommandError::Open {
        path: path.to_owned(),
        source,
    };
    let (directory, file) = unnamed::create()?;
    let mut stream = open_stream(stream).map_err(failed)?;
    let progress = Progress::open("decompressing");
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let mut buffer = vec![0; 1 << 20];
    let (mut len, mut cut) = (0, None);
    loop {
        if live::stop_requested().is_some() {
            return Err(interrupted());
        }
        let read = match io::Read::read(&mut stream, &mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) if damaged && len > 0 => {
                cut = Some(format!(
                    "it can be decompressed no further than byte {len} of the dump: {}",
                    Reason(&source)
                ));
                break;
            }
            Err(source) if len > 0 => {
                return Err(CommandError::Compressed {
                    path: path.to_owned(),
                    len,
                    source,
                });
            }
            Err(source) => return Err(failed(source)),
        };
        len += read as u64;
        out.write_all(buffer.get(..read).unwrap_or_default())
            .map_err(|source| CommandError::Unnamed {
                directory: directory.clone(),
                source,
            })?;
    }
    drop(progress);
    let file = out.into_inner().map_err(|error| CommandError::Unnamed {
        directory,
        source: error.into_error(),
    })?;
    Ok((file, cut))
}

/// Shows each phase as a line of progress, keeps little of a dump in memory that is opened with it, and
/// passes on that somebody wants an end.
#[derive(Default)]
pub(crate) struct Shower {
    lean: Option<Arc<Lean>>,
    line: RefCell<Option<(&'static str, Progress)>>,
}

impl Watch for Shower {
    fn at(&self, phase: &'static str, done: u64, total: u64) {
        if let Some(lean) = &self.lean {
            lean.look();
        }
        let line = &mut *self.line.borrow_mut();
        match line {
            Some((shown, progress)) if *shown == phase => progress.at(done),
            _ => {
                // The line of the phase before is cleared first.
                *line = None;
                *line = Some((phase, Progress::of_bytes(phase, total)));
            }
        }
    }

    fn interrupted(&self) -> bool {
        live::stop_requested().is_some()
    }
}
