//! `goheap demo`: all of it on a small leaking program, with nothing to prepare.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use clap::Parser;
use goheap_runtime::Fidelity;

use crate::args::{Cli, DemoArgs, ExeArg, HowArgs};
use crate::dump;
use crate::error::{CommandError, Shown};
use crate::live;
use crate::opened::Input;
use crate::progress::Progress;
use crate::source::Source;
use crate::text::{self, HEADING};
use crate::units;
use crate::verify;

mod toolchain;

/// The program that leaks.
const LEAK: &str = include_str!("demo/leak.go");

/// A dump of it, for machines without Go. It was made like this, with Go 1.27.3, and with an empty
/// environment, for the runtime keeps that on its heap:
/// `env -i PATH=/usr/bin HOME=$HOME goheap demo --sessions 600 -o leak.heapdump`, then
/// `zstd -19 leak.heapdump`.
const RECORDED: &[u8] = include_bytes!("demo/leak.heapdump.zst");

/// How long the program may take to leak.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why the demo ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// There is no Go, and none can be fetched.
    #[error("{0}")]
    NoGo(String),
    /// A command cannot be run at all.
    #[error("cannot run {what}: {source}")]
    Run {
        what: &'static str,
        source: io::Error,
    },
    /// A command failed.
    #[error("{what} failed ({status}): {last}")]
    Failed {
        what: &'static str,
        status: ExitStatus,
        last: String,
    },
    /// The demo's folder cannot be written.
    #[error("cannot write the demo's program to {}: {source}", Shown(path))]
    Scratch { path: PathBuf, source: io::Error },
    /// The program does something else than leak.
    #[error("the demo's program ended before it had leaked")]
    Ended,
    /// The program takes too long.
    #[error("the demo's program did not leak within {PATIENCE:?}")]
    Slow,
    /// The dump that was just written is not sound.
    #[error("the dump of the demo's program is not sound; this is a fault of goheap")]
    Unsound,
    /// A command of the demo's own is not understood.
    #[error("the demo asks what goheap does not understand: {0}")]
    Words(String),
    /// A signal asked goheap to end.
    #[error("interrupted by signal {0}")]
    Interrupted(i32),
}

impl From<DemoError> for CommandError {
    fn from(error: DemoError) -> CommandError {
        match error {
            DemoError::Interrupted(signal) => CommandError::Interrupted(signal),
            error => CommandError::Demo(Box::new(error)),
        }
    }
}

pub(crate) fn run(args: &DemoArgs) -> Result<ExitCode, CommandError> {
    live::install_interrupts()?;
    let mut out = text::stdout();
    if args.recorded {
        recorded(&mut out)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(
        &mut out,
        format_args!("{HEADING}A leaking Go program, and its heap seen from outside{HEADING:#}\n"),
    )?;
    match toolchain::find_or_fetch() {
        Ok(go) => live_demo(args, &go, &mut out)?,
        Err(DemoError::NoGo(why)) if args.output.is_none() => {
            say(
                &mut out,
                format_args!("No program can be built here: {why}.\n"),
            )?;
            recorded(&mut out)?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks the dump that was recorded before.
fn recorded(out: &mut dyn Write) -> Result<(), CommandError> {
    say(
        out,
        format_args!("This is a dump of the demo's program that was recorded before."),
    )?;
    let scratch = scratch()?;
    let file = scratch.path().join("leak.heapdump.zst");
    fs::write(&file, RECORDED).map_err(|source| DemoError::Scratch {
        path: file.clone(),
        source,
    })?;
    questions(&file, out)?;
    try_next(out, None)
}

/// A folder that is removed when the value is dropped.
fn scratch() -> Result<tempfile::TempDir, DemoError> {
    tempfile::Builder::new()
        .prefix("goheap-demo-")
        .tempdir()
        .map_err(|source| DemoError::Scratch {
            path: std::env::temp_dir(),
            source,
        })
}

/// What fills the heap, and who holds it: the commands that a user would type, and their answers.
fn questions(file: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
    let questions: [&[&str]; 3] = [
        &["top"],
        &["why", "main.Session"],
        &["goroutines", "-n", "3"],
    ];
    for question in questions {
        let [command, rest @ ..] = question else {
            continue;
        };
        let shown = rest.iter().map(|word| format!(" {word}"));
        let shown: String = shown.collect();
        step(out, &format!("goheap {command} {}{shown}", Shown(file)))?;
        let words = [OsStr::new("goheap"), OsStr::new(command), file.as_os_str()];
        let words = words.into_iter().chain(rest.iter().map(OsStr::new));
        match Cli::try_parse_from(words) {
            Ok(cli) => drop(crate::run(&cli.command)?),
            Err(error) => return Err(DemoError::Words(error.to_string()).into()),
        }
    }
    Ok(())
}

/// Builds the program, runs it, dumps it, and shows what is in the dump.
fn live_demo(args: &DemoArgs, go: &toolchain::Go, out: &mut dyn Write) -> Result<(), CommandError> {
    let scratch_error = |path: &Path| {
        let path = path.to_owned();
        move |source| DemoError::Scratch { path, source }
    };
    // Removed when this returns, however it does.
    let scratch = scratch()?;
    let source = scratch.path().join("leak.go");
    fs::write(&source, LEAK).map_err(scratch_error(&source))?;
    let program = scratch.path().join("leak");
    let begin = Instant::now();
    go.build(&source, &program, scratch.path())?;
    say(
        out,
        format_args!(
            "{} ({}) built a small web shop in {}.",
            go.version,
            go.origin,
            units::duration(begin.elapsed())
        ),
    )?;

    let leaking = Leaking::start(&program, args.sessions)?;
    let pid = leaking.pid();
    say(
        out,
        format_args!(
            "It runs as process {pid}, and has forgotten to end {}.",
            units::counted(u64::from(args.sessions), "session")
        ),
    )?;

    let kept = args.output.as_deref();
    let file = kept.map_or_else(|| scratch.path().join("leak.heapdump"), Path::to_owned);
    step(out, &format!("goheap dump {pid} -o {}", Shown(&file)))?;
    let source = Source::Process(pid);
    let outcome = dump::capture(
        &source,
        &ExeArg::default(),
        Fidelity::Mended,
        &HowArgs::default(),
        true,
        &file,
    )?;
    text::done(outcome.print(out).and_then(|()| out.flush()))?;
    leaking.end();

    step(out, &format!("goheap verify {}", Shown(&file)))?;
    let checked = verify::check(Input::open(file.as_os_str())?)?;
    text::done(checked.print(&file, out).and_then(|()| out.flush()))?;
    if !checked.is_sound() {
        return Err(DemoError::Unsound.into());
    }

    questions(&file, out)?;
    try_next(out, kept)
}

/// Shows a command as if it had been typed.
fn step(out: &mut dyn Write, command: &str) -> Result<(), CommandError> {
    say(out, format_args!("\n{HEADING}$ {command}{HEADING:#}"))
}

fn say(out: &mut dyn Write, line: std::fmt::Arguments<'_>) -> Result<(), CommandError> {
    text::done(writeln!(out, "{line}").and_then(|()| out.flush()))
}

fn try_next(out: &mut dyn Write, kept: Option<&Path>) -> Result<(), CommandError> {
    say(out, format_args!("\n{HEADING}Next{HEADING:#}"))?;
    if let Some(file) = kept {
        let file = Shown(file);
        say(
            out,
            format_args!(
                "  goheap tree {file}                       what is held by what, largest first"
            ),
        )?;
        say(
            out,
            format_args!("  goheap why {file} main.Item --json       an answer for a script"),
        )?;
    } else {
        say(
            out,
            format_args!("  goheap demo -o leak.heapdump.zst       the same, and keep the dump"),
        )?;
    }
    say(
        out,
        format_args!(
            "  goheap top $(pidof YOUR-PROGRAM)       what fills a program of yours, and who holds it"
        ),
    )?;
    say(
        out,
        format_args!("  goheap dump $(pidof YOUR-PROGRAM) -o my.heapdump.zst"),
    )?;
    say(
        out,
        format_args!(
            "  goheap serve my.heapdump.zst --open     a page to look at it: who holds what, as a map to zoom"
        ),
    )?;
    say(
        out,
        format_args!(
            "  goheap report my.heapdump.zst -o heap.html     what most likely leaks, on one page for a ticket"
        ),
    )
}

/// A child process that does not outlive this value.
pub(super) struct Child(process::Child);

impl Child {
    fn spawn(command: &mut Command) -> io::Result<Child> {
        command.spawn().map(Child)
    }

    fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended by itself; then neither of the two has anything to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program, once it has leaked. It ends with this value, and should goheap be killed, by the
/// end of its standard input.
struct Leaking(Child);

impl Leaking {
    fn start(program: &Path, sessions: u32) -> Result<Leaking, DemoError> {
        let failed = |source| DemoError::Run {
            what: "the demo's program",
            source,
        };
        let mut command = Command::new(program);
        command
            .arg(sessions.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // What turns the runtime of the user's own programs has no say in this one.
        for (name, _) in std::env::vars_os() {
            if is_go_setting(&name) {
                command.env_remove(name);
            }
        }
        let mut child = Child::spawn(&mut command).map_err(failed)?;
        let stdout = child.0.stdout.take().ok_or(DemoError::Ended)?;
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            // Nobody listens any more if the demo was interrupted.
            let _ = said.send(read.is_ok() && line == "leaked\n");
        });
        let _progress = Progress::open("leaking");
        let until = Instant::now() + PATIENCE;
        loop {
            match heard.recv_timeout(Duration::from_millis(50)) {
                Ok(true) => return Ok(Leaking(child)),
                Ok(false) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(DemoError::Ended);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
            if let Some(signal) = live::stop_requested() {
                return Err(DemoError::Interrupted(signal));
            }
            if Instant::now() >= until {
                return Err(DemoError::Slow);
            }
        }
    }

    fn pid(&self) -> u32 {
        self.0.0.id()
    }

    fn end(self) {}
}

fn is_go_setting(name: &OsStr) -> bool {
    ["GOGC", "GODEBUG", "GOMEMLIMIT", "GOMAXPROCS", "GOTRACEBACK"]
        .iter()
        .any(|&known| name == known)
}
