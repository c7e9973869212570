//! `goheap info`: the head of a process, a core or a dump.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use goheap_analysis::answers::ledger::Ledger;
use goheap_format::annex::{AnnexError, AnnexReader, Digest, Note};
use goheap_format::{Compression, Header, Record, RecordSource};
use goheap_runtime::{Contents, Fidelity, Large, Sink};

use crate::analysed::{self, Standing};
use crate::args::{ExamineArgs, ExeArg, HowArgs, InfoArgs};
use crate::capture::{Facts, Scratch, Subject, Walked};
use crate::census::Census;
use crate::error::CommandError;
use crate::examined;
use crate::live;
use crate::opened::{Input, Visit, each_record};
use crate::output::Stopped;
use crate::progress::Progress;
use crate::source::Source;
use crate::text;

mod json;
mod ledger;
mod page;

pub(crate) use ledger::LedgerValue;

/// Dumps of up to so many bytes, as they lie on the disk, are shown with their ledger in any case.
const SMALL: u64 = 256 << 20;

pub(crate) fn run(args: &InfoArgs) -> Result<ExitCode, CommandError> {
    let info = match Source::of(&args.source)? {
        Source::Dump(_) if args.exe.exe.is_some() || args.exe.module.is_some() => {
            return Err(CommandError::ExeOfDump);
        }
        Source::Dump(path) if path == Path::new("-") && args.ledger => {
            Info::of_captured(args, None)?
        }
        Source::Dump(path) => {
            let input = Input::open(path.as_os_str())?;
            let from = (path != Path::new("-")).then_some(path.as_path());
            let small = input.file_len().is_some_and(|len| len <= SMALL);
            let mut info = Info::of_dump(input)?;
            info.tell_analysis(from)?;
            if args.ledger || small {
                let ledger = examined::open(&examine(args)).and_then(|e| ledger_of(&e.of));
                info.ledger = match ledger {
                    Ok(ledger) => Some(ledger),
                    Err(error @ CommandError::Interrupted(_)) => return Err(error),
                    Err(error) if args.ledger => return Err(error),
                    // Nobody has asked for it; what can be counted is shown.
                    Err(_) => None,
                };
            }
            info
        }
        program if args.ledger => Info::of_captured(args, Some(program))?,
        program => Info::of_program(&program, &args.exe, &args.how)?,
    };
    let mut out = text::stdout();
    let written = match args.json {
        true => text::json(&mut out, &json::InfoValue::of(&info)),
        false => page::print(&info, &mut out),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

fn examine(args: &InfoArgs) -> ExamineArgs {
    ExamineArgs {
        source: args.source.clone(),
        exe: args.exe.clone(),
        how: args.how.clone(),
        damaged: false,
    }
}

fn ledger_of(analysis: &goheap_analysis::Analysis) -> Result<Ledger, CommandError> {
    Ledger::of(analysis, &examined::Shower::default()).map_err(examined::ended)
}

/// What is in a source.
pub(crate) struct Info {
    from: From,
    census: Census,
    /// What there is beside the records; of a dump, what its annex says.
    notes: Digest,
    /// Where all memory is, if that was asked for.
    ledger: Option<Ledger>,
    /// Whether it was analysed already.
    analysis: Option<Standing>,
}

/// What it was counted from.
enum From {
    /// A process or a core.
    Program {
        source: Source,
        facts: Box<Facts>,
        walked: Box<Walked>,
    },
    /// A dump.
    Dump(DumpFile),
}

/// What a dump is as a file.
struct DumpFile {
    name: String,
    /// The process or the core that it was made of, for this alone.
    of: Option<Source>,
    header: Header,
    compression: Compression,
    /// Length of the file, if it is one.
    file_len: Option<u64>,
    /// Bytes of its records, not compressed.
    bytes: u64,
    /// Bytes behind them.
    trailing: u64,
    /// Whether these are an annex.
    annex: bool,
    /// Why that cannot be read to its end.
    annex_error: Option<AnnexError>,
}

impl Info {
    /// Walks a process or a core, and counts.
    ///
    /// # Errors
    /// Those of opening, stopping and walking.
    pub(crate) fn of_program(
        source: &Source,
        exe: &ExeArg,
        how: &HowArgs,
    ) -> Result<Info, CommandError> {
        live::install_interrupts()?;
        let subject = Subject::open(source, exe)?;
        let mut counting = Counting {
            census: Census::default(),
            notes: Digest::default(),
            progress: Progress::of_bytes("counting", subject.expected_bytes()),
            until_look: LOOK_EVERY,
            signal: None,
        };
        let directory = crate::unnamed::directory();
        let scratch = Scratch {
            directory: &directory,
            beside: 0,
        };
        let walked = subject.walk(Fidelity::Mended, how, scratch, &mut counting, None);
        let Counting {
            census,
            notes,
            signal,
            ..
        } = counting;
        if let Some(signal) = signal {
            return Err(CommandError::Interrupted(signal));
        }
        let walked = Box::new(walked?);
        let source = source.clone();
        let facts = Box::new(subject.facts);
        Ok(Info {
            from: From::Program {
                source,
                facts,
                walked,
            },
            census,
            notes,
            ledger: None,
            analysis: None,
        })
    }

    /// Makes a dump of a program, in a file without a name, or takes the one on standard input; counts,
    /// and adds up.
    ///
    /// # Errors
    /// Those of capturing, reading and analysing.
    fn of_captured(args: &InfoArgs, of: Option<Source>) -> Result<Info, CommandError> {
        let (file, name) = examined::file(&examine(args))?;
        let mut info = Info::of_dump(Input::of_unnamed(&file, &name)?)?;
        if let From::Dump(dump) = &mut info.from {
            dump.of = of;
        }
        info.tell_analysis(None)?;
        info.ledger = Some(ledger_of(&examined::analyse(&file, &name)?)?);
        Ok(info)
    }

    /// Tells whether what is in an analysed snapshot is used; `path` is where it can be read again.
    fn tell_analysis(&mut self, path: Option<&Path>) -> Result<(), CommandError> {
        let whole = match &self.from {
            From::Dump(dump) => dump.annex_error.is_none(),
            From::Program { .. } => return Ok(()),
        };
        self.analysis = analysed::standing(&self.notes, whole, path)?;
        Ok(())
    }

    /// Reads a dump, and counts.
    ///
    /// # Errors
    /// It cannot be read to its end.
    pub(crate) fn of_dump(input: Input) -> Result<Info, CommandError> {
        struct Count {
            compression: Compression,
            file_len: Option<u64>,
        }
        impl Visit for Count {
            type Answer = Info;

            fn visit<S: RecordSource>(
                self,
                mut source: S,
                path: &Path,
            ) -> Result<Info, CommandError> {
                let Count {
                    compression,
                    file_len,
                } = self;
                let progress = match (compression, file_len) {
                    (Compression::None, Some(len)) => Progress::of_bytes("counting", len),
                    _ => Progress::open("counting"),
                };
                let mut census = Census::default();
                each_record(&mut source, path, &progress, |_, record| {
                    census.add(record);
                    Ok(())
                })?;
                let bytes = source.position();
                let mut notes = Digest::default();
                let read = match AnnexReader::behind(&mut source) {
                    Ok(Some(mut reader)) => notes.read(&mut reader, |_, _| {}).map(|()| true),
                    Ok(None) | Err(AnnexError::NotAnnex { .. }) => Ok(false),
                    Err(error) => Err(error),
                };
                let annex = *read.as_ref().unwrap_or(&true);
                let trailing = source
                    .trailing_len()
                    .map_err(|error| crate::opened::read_error(error, path))?;
                let name = crate::error::Shown(path).to_string();
                let header = source.header();
                let dump = DumpFile {
                    name,
                    of: None,
                    header,
                    compression,
                    file_len,
                    bytes,
                    trailing,
                    annex,
                    annex_error: read.err(),
                };
                Ok(Info {
                    from: From::Dump(dump),
                    census,
                    notes,
                    ledger: None,
                    analysis: None,
                })
            }
        }
        let (compression, file_len) = (input.compression(), input.file_len());
        input.read(Count {
            compression,
            file_len,
        })
    }
}

/// Counts the records of a walk.
struct Counting {
    census: Census,
    notes: Digest,
    progress: Progress,
    until_look: u32,
    /// The signal that ended the walk; the walk itself only learns that it was ended.
    signal: Option<i32>,
}

impl Counting {
    fn look_up(&mut self) -> io::Result<()> {
        self.until_look = LOOK_EVERY;
        self.progress.at(self.census.object_bytes);
        self.signal = live::stop_requested();
        match self.signal {
            Some(signal) => Err(Stopped(signal).into()),
            None => Ok(()),
        }
    }
}

impl Sink for Counting {
    #[inline]
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.census.add(record);
        self.until_look -= 1;
        match self.until_look {
            0 => self.look_up(),
            _ => Ok(()),
        }
    }

    fn note(&mut self, note: &Note<'_>) -> io::Result<()> {
        self.notes.add(note);
        Ok(())
    }

    /// The size is all that is counted, so the contents (gigabytes, maybe) need not be read.
    fn large(&mut self, large: &Large<'_>, _contents: &mut dyn Contents) -> io::Result<()> {
        self.census.add_large(large);
        self.look_up()
    }
}

/// After how many records a walk looks up: for a signal, and to show progress.
const LOOK_EVERY: u32 = 1 << 12;
