//! `goheap dump`: the heap dump of a process or a core, as a file or on standard output.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use goheap_format::annex::{AnnexWriter, Note};
use goheap_format::output::{Durability, OutputError, OutputFile};
use goheap_format::{Record, SeekableWriter, Start, WriteError, Writer};
use goheap_runtime::{Contents, Fidelity, Large, LargeKind, Sink, Summary};
use serde::Serialize;

use crate::annexed;
use crate::args::{DumpArgs, ExeArg, HowArgs};
use crate::capture::{Learn, Scratch, Subject, Walked};
use crate::error::CommandError;
use crate::gaps::{self, GapsValue};
use crate::live;
use crate::output::{Stopped, Threaded};
use crate::progress::Progress;
use crate::redact;
use crate::source::Source;
use crate::standstill::PassedOver;
use crate::text;
use crate::units;
use crate::unnamed;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.dump/1";

/// zstd's level for `.zst`: the fastest that is worth it, since a process may be waiting.
const LEVEL: i32 = 1;

pub(crate) fn run(args: &DumpArgs) -> Result<ExitCode, CommandError> {
    if args.redact {
        return redact::run(args);
    }
    #[cfg(target_os = "linux")]
    if !args.when.is_empty() || args.every.is_some() {
        return crate::spot::run(args);
    }
    let source = Source::of(&args.source)?;
    live::install_interrupts()?;
    let fidelity = match args.exact {
        true => Fidelity::Exact,
        false => Fidelity::Mended,
    };
    let (how, dwarf) = (&args.how, !args.no_dwarf);
    let outcome = capture(&source, &args.exe, fidelity, how, dwarf, &args.output)?;
    report(&outcome, args.json, None)?;
    Ok(ExitCode::SUCCESS)
}

/// Says what was written, and what it was waited for, if it was.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn report(
    outcome: &Outcome,
    json: bool,
    because: Option<&str>,
) -> Result<(), CommandError> {
    // What is said must not get into the data.
    let mut out: Box<dyn Write> = if outcome.to_stdout() {
        Box::new(anstream::stderr())
    } else {
        Box::new(text::stdout())
    };
    let written = if json {
        text::json(&mut out, &outcome.json(because))
    } else {
        outcome.print(&mut out).and_then(|()| match because {
            Some(because) => writeln!(out, "  {because}"),
            None => Ok(()),
        })
    };
    text::done(written.and_then(|()| out.flush()))
}

/// A dump that was written.
pub(crate) struct Outcome {
    output: PathBuf,
    /// Name of the process or the core.
    of: String,
    /// Bytes of the dump, before compression.
    bytes: u64,
    /// As many of these are the annex.
    annex_bytes: u64,
    fidelity: Fidelity,
    walked: Walked,
    elapsed: Duration,
    caveat: Option<String>,
}

/// Writes the dump of `source` to `output`; a process is captured as `how` says.
///
/// # Errors
/// Then the file is not there, and what stood in its place still is.
pub(crate) fn capture(
    source: &Source,
    exe: &ExeArg,
    fidelity: Fidelity,
    how: &HowArgs,
    dwarf: bool,
    output: &Path,
) -> Result<Outcome, CommandError> {
    capture_subject(&Subject::open(source, exe)?, fidelity, how, dwarf, output)
}

/// The same of a program that was opened before.
///
/// # Errors
/// As [`capture`].
pub(crate) fn capture_subject(
    subject: &Subject,
    fidelity: Fidelity,
    how: &HowArgs,
    dwarf: bool,
    output: &Path,
) -> Result<Outcome, CommandError> {
    let destination = Destination::create(output)?;
    let (outcome, destination) = write_dump(subject, fidelity, how, dwarf, output, destination)?;
    destination.complete().map_err(|error| match error {
        CompleteError::Write(source) => sink_error(output, outcome.bytes, source),
        CompleteError::Output(source) => CommandError::Output(source),
    })?;
    Ok(outcome)
}

/// Writes the mended dump of `source` to a file that has no name and ends with its last descriptor,
/// for those who look at a process without wanting a file of it.
///
/// # Errors
/// As [`capture`].
pub(crate) fn capture_to_unnamed(
    source: &Source,
    exe: &ExeArg,
    how: &HowArgs,
) -> Result<(Outcome, File), CommandError> {
    let subject = Subject::open(source, exe)?;
    let (directory, file) = unnamed::create()?;
    let (outcome, file) = write_dump(&subject, Fidelity::Mended, how, true, &directory, file)?;
    Ok((outcome, file))
}

/// Why writing to `output` failed at byte `offset` or behind it.
fn sink_error(output: &Path, offset: u64, source: io::Error) -> CommandError {
    match crate::output::signal_of(&source) {
        Some(signal) => CommandError::Interrupted(signal),
        None => CommandError::Write {
            path: output.to_owned(),
            source: WriteError::Sink { offset, source },
        },
    }
}

/// Writes the dump of `subject` to `destination`, which messages call `output`.
fn write_dump<D: Write + Send + 'static>(
    subject: &Subject,
    fidelity: Fidelity,
    how: &HowArgs,
    dwarf: bool,
    output: &Path,
    destination: D,
) -> Result<(Outcome, D), CommandError> {
    let begin = Instant::now();
    let write_error = |source| CommandError::Write {
        path: output.to_owned(),
        source,
    };
    let threaded = Threaded::new(destination, live::stop_requested)
        .map_err(|source| write_error(WriteError::Sink { offset: 0, source }))?;
    let progress = Progress::of_bytes("dumping", subject.expected_bytes());
    let functions = RefCell::new(Functions::default());
    let mut sink = DumpSink {
        writer: Writer::new(threaded),
        annex: (fidelity == Fidelity::Mended).then(AnnexWriter::new),
        progress: &progress,
        functions: &functions,
        until_look: LOOK_EVERY,
        failure: None,
    };
    let functions_seen = || functions.take().into_set();
    let learn = (fidelity == Fidelity::Mended).then_some(Learn {
        dwarf,
        functions: &functions_seen,
    });
    let directory = beside(output);
    let scratch = Scratch {
        directory: &directory,
        beside: match takes_disk(output) {
            true => subject.expected_bytes(),
            false => 0,
        },
    };
    let walked = subject.walk(fidelity, how, scratch, &mut sink, learn);
    if let Some(failure) = sink.failure.take() {
        return Err(match failure {
            Failure::Signal(signal) => CommandError::Interrupted(signal),
            Failure::Write(error) => write_error(error),
        });
    }
    let walked = walked?;
    let bytes = sink.writer.position();
    let sink_error = |source| sink_error(output, bytes, source);
    let mut threaded = sink.writer.finish().map_err(|error| match error {
        WriteError::Sink { source, .. } => sink_error(source),
        error => write_error(error),
    })?;
    let annex_bytes = match sink.annex {
        Some(annex) => annexed::write(annex, subject, &walked, &mut threaded),
        None => Ok(0),
    };
    let annex_bytes = annex_bytes.map_err(sink_error)?;
    let destination = threaded.finish().map_err(sink_error)?;
    drop(progress);
    let outcome = Outcome {
        output: output.to_owned(),
        of: subject.facts.name.clone(),
        bytes: bytes + annex_bytes,
        annex_bytes,
        fidelity,
        walked,
        elapsed: begin.elapsed(),
        caveat: subject.facts.caveat.clone(),
    };
    Ok((outcome, destination))
}

/// Where a copy of a process's memory is kept meanwhile: on the disk that the dump takes anyway, if it
/// takes one.
pub(crate) fn beside(output: &Path) -> PathBuf {
    if !takes_disk(output) {
        return unnamed::directory();
    }
    if output.is_dir() {
        return output.to_owned();
    }
    match output.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Whether what is written there stays: not so in a pipe, or in a device.
fn takes_disk(output: &Path) -> bool {
    let device = |kind: &fs::Metadata| !kind.is_file() && !kind.is_dir();
    output != Path::new("-") && !fs::metadata(output).is_ok_and(|kind| device(&kind))
}

/// Names that promise a compression which the file would not have.
const OTHER_COMPRESSIONS: [&str; 6] = ["gz", "bz2", "xz", "lz4", "br", "zip"];

/// Where a dump goes.
pub(crate) enum Destination {
    File(OutputFile),
    Compressed(SeekableWriter<OutputFile>),
    Stdout(Stdout),
}

#[cfg(unix)]
pub(crate) type Stdout = std::fs::File;
#[cfg(not(unix))]
pub(crate) type Stdout = io::Stdout;

pub(crate) enum CompleteError {
    Write(io::Error),
    Output(OutputError),
}

impl Destination {
    /// Opens it.
    ///
    /// # Errors
    /// It cannot be written to.
    pub(crate) fn create(output: &Path) -> Result<Destination, CommandError> {
        if output == Path::new("-") {
            if io::stdout().is_terminal() {
                return Err(CommandError::Terminal);
            }
            return Destination::plain(output);
        }
        let extension = output.extension().and_then(OsStr::to_str);
        if extension.is_some_and(|extension| OTHER_COMPRESSIONS.contains(&extension)) {
            return Err(CommandError::OtherCompression {
                path: output.to_owned(),
            });
        }
        let file = OutputFile::create(output).map_err(CommandError::Output)?;
        if extension == Some("zst") {
            let compressed = SeekableWriter::new(file, LEVEL).map_err(|source| {
                let path = output.to_owned();
                CommandError::Write {
                    path,
                    source: WriteError::Sink { offset: 0, source },
                }
            })?;
            return Ok(Destination::Compressed(compressed));
        }
        Ok(Destination::File(file))
    }

    /// Opens it for something that is compressed by nobody here, whatever its name; it may be a
    /// terminal.
    ///
    /// # Errors
    /// It cannot be written to.
    pub(crate) fn plain(output: &Path) -> Result<Destination, CommandError> {
        if output == Path::new("-") {
            return stdout()
                .map(Destination::Stdout)
                .map_err(CommandError::Stdout);
        }
        OutputFile::create(output)
            .map(Destination::File)
            .map_err(CommandError::Output)
    }

    /// Everything is written: the file gets its name.
    ///
    /// # Errors
    /// Then it has none.
    pub(crate) fn complete(self) -> Result<(), CompleteError> {
        let file = match self {
            Destination::File(file) => file,
            Destination::Compressed(compressed) => {
                compressed.finish().map_err(CompleteError::Write)?
            }
            Destination::Stdout(mut stdout) => return stdout.flush().map_err(CompleteError::Write),
        };
        file.commit(Durability::Visible)
            .map_err(CompleteError::Output)
    }
}

/// Standard output without Rust's line buffer, which would look for line feeds in a gigabyte.
#[cfg(unix)]
fn stdout() -> io::Result<Stdout> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(not(unix))]
fn stdout() -> io::Result<Stdout> {
    Ok(io::stdout())
}

impl Write for Destination {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Destination::File(file) => file.write(buf),
            Destination::Compressed(compressed) => compressed.write(buf),
            Destination::Stdout(stdout) => stdout.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Destination::File(file) => file.flush(),
            Destination::Compressed(compressed) => compressed.flush(),
            Destination::Stdout(stdout) => stdout.flush(),
        }
    }
}

/// After how many records the sink looks up: for a signal, and to show progress.
const LOOK_EVERY: u32 = 1 << 12;

/// Entries of functions.
#[derive(Default)]
struct Functions {
    all: HashSet<u64>,
    /// The last ones: a million goroutines mostly run the same few.
    last: [u64; 16],
    next: usize,
}

impl Functions {
    fn add(&mut self, entry: u64) {
        if self.last.contains(&entry) {
            return;
        }
        self.all.insert(entry);
        self.next = (self.next + 1) % self.last.len();
        if let Some(place) = self.last.get_mut(self.next) {
            *place = entry;
        }
    }

    fn into_set(self) -> HashSet<u64> {
        self.all
    }
}

/// Encodes the records of a walk.
struct DumpSink<'p, W> {
    writer: Writer<W>,
    /// What it knows beside the records, unless the dump is to be exact.
    annex: Option<AnnexWriter>,
    progress: &'p Progress,
    /// The functions of the frames that were written.
    functions: &'p RefCell<Functions>,
    until_look: u32,
    /// Why the walk was ended from here; the walk itself only learns that it was.
    failure: Option<Failure>,
}

enum Failure {
    Signal(i32),
    Write(WriteError),
}

impl<W: Write> DumpSink<'_, W> {
    fn look_up(&mut self) -> io::Result<()> {
        self.until_look = LOOK_EVERY;
        self.progress.at(self.writer.position());
        match live::stop_requested() {
            None => Ok(()),
            Some(signal) => {
                self.failure = Some(Failure::Signal(signal));
                Err(Stopped(signal).into())
            }
        }
    }

    fn fail(&mut self, error: WriteError) -> io::Error {
        let signal = match &error {
            WriteError::Sink { source, .. } => crate::output::signal_of(source),
            _ => None,
        };
        self.failure = Some(match signal {
            Some(signal) => Failure::Signal(signal),
            None => Failure::Write(error),
        });
        io::Error::other("the dump cannot be written")
    }

    fn pieces(&mut self, large: &Large<'_>, contents: &mut dyn Contents) -> io::Result<()> {
        let start = match large.kind {
            LargeKind::Object => Start::Object,
            LargeKind::Data => Start::Data,
            LargeKind::Bss => Start::Bss,
        };
        let begun = self.writer.start(start, large.address, large.size);
        begun.map_err(|error| self.fail(error))?;
        while let Some(piece) = contents.next()? {
            let written = self.writer.contents(piece);
            written.map_err(|error| self.fail(error))?;
            self.look_up()?;
        }
        let ended = self.writer.end(&large.fields);
        ended.map_err(|error| self.fail(error))
    }
}

impl<W: Write> Sink for DumpSink<'_, W> {
    #[inline]
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.until_look -= 1;
        if self.until_look == 0 {
            self.look_up()?;
        }
        if let Record::StackFrame(frame) = record {
            self.functions.borrow_mut().add(frame.entry);
        }
        let written = self.writer.write(record);
        written.map_err(|error| self.fail(error))
    }

    #[inline]
    fn note(&mut self, note: &Note<'_>) -> io::Result<()> {
        let Some(annex) = &mut self.annex else {
            return Ok(());
        };
        annex.add(note).map_err(|source| {
            let offset = self.writer.position();
            self.fail(WriteError::Sink { offset, source })
        })
    }

    fn large(&mut self, large: &Large<'_>, contents: &mut dyn Contents) -> io::Result<()> {
        self.pieces(large, contents)
    }
}

/// What a dump says of itself as JSON; `docs/commands.md` documents it.
#[derive(Serialize)]
struct DumpValue<'a> {
    schema: &'static str,
    output: String,
    source: &'a str,
    exact: bool,
    bytes: u64,
    annex_bytes: u64,
    objects: u64,
    object_bytes: u64,
    phantom_objects: u64,
    spans: u64,
    unswept_spans: u64,
    goroutines: u64,
    system_goroutines: u64,
    frames: u64,
    conservative_frames: u64,
    stack_objects: u64,
    thread_roots: u64,
    threads: u64,
    itabs: u64,
    pause_ns: Option<u128>,
    stopped_ns: Option<u128>,
    tries: Option<u32>,
    method: &'static str,
    passed_over: &'a [PassedOver],
    copied_in_pause_bytes: Option<u64>,
    copied_bytes: Option<u64>,
    extra_bytes: Option<u64>,
    left: Option<&'a str>,
    monotonic_ns: Option<u64>,
    safe_moment: bool,
    elapsed_ns: u128,
    because: Option<&'a str>,
    caveat: Option<&'a str>,
    gaps: GapsValue,
}

impl Outcome {
    /// Where it was written.
    #[cfg(target_os = "linux")]
    pub(crate) fn output(&self) -> &Path {
        &self.output
    }

    /// What was captured, as messages call it.
    pub(crate) fn of(&self) -> &str {
        &self.of
    }

    fn to_stdout(&self) -> bool {
        self.output == Path::new("-")
    }

    fn json<'a>(&'a self, because: Option<&'a str>) -> DumpValue<'a> {
        let Summary {
            objects,
            goroutines,
            threads,
            itabs,
            ..
        } = &self.walked.summary;
        let standstill = self.walked.standstill.as_ref();
        DumpValue {
            schema: SCHEMA,
            output: text::json_text(self.output.as_os_str().as_encoded_bytes()),
            source: &self.of,
            exact: self.fidelity == Fidelity::Exact,
            bytes: self.bytes,
            annex_bytes: self.annex_bytes,
            objects: objects.objects,
            object_bytes: objects.bytes,
            phantom_objects: objects.phantoms,
            spans: objects.spans,
            unswept_spans: objects.unswept_spans,
            goroutines: goroutines.goroutines,
            system_goroutines: goroutines.system,
            frames: goroutines.frames,
            conservative_frames: goroutines.conservative_frames,
            stack_objects: goroutines.stack_objects,
            thread_roots: goroutines.thread_roots,
            threads: *threads,
            itabs: *itabs,
            pause_ns: standstill.map(|standstill| standstill.pause.as_nanos()),
            stopped_ns: standstill.map(|standstill| standstill.total.as_nanos()),
            tries: standstill.map(|standstill| standstill.tries),
            method: self.walked.method(),
            passed_over: standstill.map_or(&[], |standstill| &standstill.passed_over),
            copied_in_pause_bytes: standstill.map(|standstill| standstill.copied_in_pause),
            copied_bytes: standstill.map(|standstill| standstill.copied),
            extra_bytes: standstill.map(|standstill| standstill.extra),
            left: standstill.and_then(|standstill| standstill.left.as_deref()),
            monotonic_ns: self.walked.monotonic_ns,
            safe_moment: self.walked.safe_moment,
            elapsed_ns: self.elapsed.as_nanos(),
            because,
            caveat: self.caveat.as_deref(),
            gaps: GapsValue::of(&self.walked.summary.gaps),
        }
    }

    /// One line, and one for each gentler way that was not open, and for each gap.
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let name = match self.to_stdout() {
            true => "standard output".to_owned(),
            false => crate::error::Shown(&self.output).to_string(),
        };
        write!(
            out,
            "{name}: {} ({}), {}, {} written in {}",
            units::counted(self.walked.summary.objects.objects, "object"),
            units::bytes(self.walked.summary.objects.bytes),
            units::counted(self.walked.summary.goroutines.goroutines, "goroutine"),
            units::bytes(self.bytes),
            units::duration(self.elapsed),
        )?;
        if let Some(standstill) = &self.walked.standstill {
            write!(out, "; {} stood still for {standstill}", self.of)?;
        }
        if !self.walked.safe_moment {
            write!(out, ", not at a safe moment")?;
        }
        writeln!(out, "; {}", gaps::counted(&self.walked.summary.gaps))?;
        if let Some(standstill) = &self.walked.standstill {
            standstill.print_notes(out)?;
        }
        gaps::print(out, &self.walked.summary.gaps, self.caveat.as_deref())
    }
}
