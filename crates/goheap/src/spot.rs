//! `goheap dump --when` and `--every`: waits beside a process, and dumps it when something holds, or
//! again and again.
//!
//! Waiting costs a few reads below /proc four times a second, and more often only when what is waited
//! for comes near. It stays with the process that it was given: another one with its number is none.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use goheap_process::ProcessError;
use goheap_process::cgroup::Cgroup;
use goheap_process::doctor::{free_bytes, machine_memory};
use goheap_runtime::{Fidelity, VitalSigns};

use crate::args::DumpArgs;
use crate::capture::Subject;
use crate::dump::{self, Outcome};
use crate::error::CommandError;
use crate::every::{self, Names};
use crate::live;
use crate::source::Source;
use crate::text;
use crate::units;
use crate::when::{Condition, Quantity, Reading};

/// How long to wait between two looks while nothing comes near, and at least.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOK_AT_MOST: Duration = Duration::from_millis(5);

/// How long to wait for room on the disk before it is looked for again.
const ROOM_EVERY: Duration = Duration::from_secs(10);

/// A Ctrl-C is heeded after so long.
const HEED_EVERY: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &DumpArgs) -> Result<ExitCode, CommandError> {
    let source = Source::of(&args.source)?;
    let Source::Process(pid) = source else {
        return Err(CommandError::NotAProcess {
            what: args.source.to_string_lossy().into_owned(),
        });
    };
    let names = match (args.every, Names::of(&args.output)) {
        (Some(_), None) => {
            let path = args.output.clone();
            return Err(CommandError::NotNamable { path });
        }
        (Some(_), names) => names,
        (None, _) => None,
    };
    live::install_interrupts()?;
    let mut watched = Watched::open(source, args)?;
    let conditions = watched.told();
    let most = watched.most;
    let of = watched.subject.facts.name.clone();
    if !args.json && !args.when.is_empty() {
        let waits = format!("{of}: waiting until {conditions}");
        text::say(format_args!(
            "goheap: {waits} (it may have {})",
            units::bytes(most)
        ));
    }
    let mut spot = Spot {
        args,
        pid,
        names,
        written: 0,
        last_bytes: None,
        next: Instant::now(),
    };
    let mut pace = Pace::default();
    loop {
        if let Some(signal) = live::stop_requested() {
            return match spot.written {
                0 => Err(CommandError::Interrupted(signal)),
                _ => Ok(ExitCode::SUCCESS),
            };
        }
        let reading = match watched.look() {
            Ok(reading) => reading,
            Err(error) if is_gone(&error) => return spot.ended(&of, &conditions),
            Err(error) => return Err(error),
        };
        let because = args.when.iter().find_map(|one| one.holds(&reading));
        let now = Instant::now();
        if now >= spot.next && (because.is_some() || args.when.is_empty()) {
            match spot.dump(&watched, because.as_deref()) {
                Ok(true) if args.every.is_none() => return Ok(ExitCode::SUCCESS),
                Ok(_) => {}
                Err(error) if is_gone(&error) => return spot.ended(&of, &conditions),
                Err(error) => return Err(error),
            }
        }
        let until_next = spot.next.saturating_duration_since(Instant::now());
        wait(match args.when.is_empty() {
            true => until_next.min(Duration::from_secs(1)),
            // It is of no interest before.
            false => pace
                .next(now, reading, &args.when)
                .max(until_next.min(LOOK_EVERY)),
        });
    }
}

/// Whether a process has ended.
fn is_gone(error: &CommandError) -> bool {
    use ProcessError::{Gone, NoSuchProcess, Zombie};
    matches!(
        error,
        CommandError::Process(Gone { .. } | NoSuchProcess { .. } | Zombie { .. })
    )
}

/// Sleeps, but not through a signal.
fn wait(time: Duration) {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || live::stop_requested().is_some() {
            return;
        }
        thread::sleep(left.min(HEED_EVERY));
    }
}

/// The process, and what is looked at.
struct Watched<'a> {
    source: Source,
    args: &'a DumpArgs,
    subject: Subject,
    started: Option<u64>,
    /// If a condition asks for what only the runtime knows.
    signs: Option<VitalSigns>,
    /// Bytes of memory that it may have.
    most: u64,
}

impl<'a> Watched<'a> {
    fn open(source: Source, args: &'a DumpArgs) -> Result<Watched<'a>, CommandError> {
        let subject = Subject::open(&source, &args.exe)?;
        let of_runtime = args.when.iter().any(|one| one.what != Quantity::Rss);
        let signs = of_runtime.then(|| subject.vital_signs()).transpose()?;
        let machine = machine_memory().map_or(u64::MAX, |(all, _)| all);
        let cgroup = match source {
            Source::Process(pid) => Cgroup::of(pid),
            _ => Cgroup::default(),
        };
        if cgroup.hidden && args.when.iter().any(Condition::is_share) {
            return Err(CommandError::HiddenLimit {
                of: subject.facts.name.clone(),
                cgroup: cgroup.path,
            });
        }
        let most = cgroup.memory.map(|memory| memory.most);
        Ok(Watched {
            started: subject.started(),
            source,
            args,
            subject,
            signs,
            most: most.unwrap_or(u64::MAX).min(machine),
        })
    }

    /// What is waited for, for people.
    fn told(&self) -> String {
        let conditions: Vec<_> = self.args.when.iter().map(ToString::to_string).collect();
        conditions.join(" or ")
    }

    /// How it is now. If it runs another program since, that is looked at from here on.
    fn look(&mut self) -> Result<Reading, CommandError> {
        let rss = match self.subject.resident_now() {
            Err(CommandError::Process(ProcessError::Changed { .. })) => {
                *self = Watched::open(self.source.clone(), self.args)?;
                self.subject.resident_now()?
            }
            other => other?,
        };
        let vitals = match &self.signs {
            Some(signs) => Some(self.subject.vitals(signs)?),
            None => None,
        };
        Ok(Reading {
            rss,
            heap: vitals.map(|vitals| vitals.heap_in_use),
            goroutines: vitals.map(|vitals| vitals.goroutines),
            most: self.most,
        })
    }
}

/// What was done so far.
struct Spot<'a> {
    args: &'a DumpArgs,
    pid: u32,
    /// With `--every`.
    names: Option<Names>,
    written: u32,
    /// Bytes that the last dump takes on the disk.
    last_bytes: Option<u64>,
    /// Not before then.
    next: Instant,
}

impl Spot<'_> {
    /// Writes one; whether it did.
    fn dump(&mut self, watched: &Watched<'_>, because: Option<&str>) -> Result<bool, CommandError> {
        let begin = Instant::now();
        self.next = begin + self.args.every.unwrap_or(ROOM_EVERY);
        if let Err(why) = self.room(watched) {
            let at = units::utc(unix_ns(SystemTime::now()));
            text::say(format_args!(
                "goheap: {at}: process {} was not dumped: {why}",
                self.pid
            ));
            return Ok(false);
        }
        let outcome = match self.capture(watched) {
            Ok(outcome) => outcome,
            // The next time it may be otherwise.
            Err(error) if self.names.is_some() && may_pass(&error) => {
                error.say();
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        self.written += 1;
        self.last_bytes = std::fs::metadata(outcome.output())
            .ok()
            .map(|data| data.len());
        dump::report(&outcome, self.args.json, because)?;
        if let Some(names) = &self.names
            && let Err(error) = names.keep(self.args.keep)
        {
            let path = names.directory().to_owned();
            return Err(CommandError::Keep {
                path,
                source: error,
            });
        }
        Ok(true)
    }

    fn room(&self, watched: &Watched<'_>) -> Result<(), String> {
        let directory = match &self.names {
            Some(names) => names.directory().to_owned(),
            None => dump::beside(&self.args.output),
        };
        match free_bytes(&directory) {
            Ok(free) => every::room(free, watched.subject.expected_bytes(), self.last_bytes)
                .map_err(|why| format!("{}: {why}", crate::error::Shown(&directory))),
            // What is wrong there, the output tells.
            Err(_) => Ok(()),
        }
    }

    fn capture(&self, watched: &Watched<'_>) -> Result<Outcome, CommandError> {
        let args = self.args;
        let subject = Subject::open(&watched.source, &args.exe)?;
        if subject.started() != watched.started {
            // Its number is another's by now.
            return Err(ProcessError::Gone { pid: self.pid }.into());
        }
        let output: PathBuf = match &self.names {
            Some(names) => names.at(SystemTime::now()),
            None => args.output.clone(),
        };
        let fidelity = match args.exact {
            true => Fidelity::Exact,
            false => Fidelity::Mended,
        };
        let output: &Path = &output;
        dump::capture_subject(&subject, fidelity, &args.how, !args.no_dwarf, output)
    }

    /// The process has ended.
    fn ended(&self, of: &str, conditions: &str) -> Result<ExitCode, CommandError> {
        if self.written == 0 {
            return Err(CommandError::EndedBefore {
                of: of.to_owned(),
                conditions: match conditions {
                    "" => "it was dumped".to_owned(),
                    conditions => conditions.to_owned(),
                },
            });
        }
        if !self.args.json {
            let written = units::counted(self.written.into(), "dump");
            text::say(format_args!("goheap: {of} has ended; {written} written"));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether what went wrong once may go well later.
fn may_pass(error: &CommandError) -> bool {
    use ProcessError::{AlreadyTraced, Changed, DoesNotStop, Image, Supervisor, TimeOver};
    matches!(
        error,
        CommandError::Process(
            AlreadyTraced { .. }
                | Changed { .. }
                | DoesNotStop { .. }
                | Image { .. }
                | Supervisor { .. }
                | TimeOver { .. }
        ) | CommandError::Write { .. }
            | CommandError::Walk { .. }
    )
}

fn unix_ns(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// How long to wait, from how fast what is waited for comes near.
#[derive(Default)]
struct Pace {
    last: Option<(Instant, Reading)>,
}

impl Pace {
    fn next(&mut self, now: Instant, reading: Reading, conditions: &[Condition]) -> Duration {
        let Some((then, before)) = self.last.replace((now, reading)) else {
            // How fast it goes takes two looks.
            return LOOK_EVERY / 10;
        };
        let seconds = now.saturating_duration_since(then).as_secs_f64();
        let soonest = conditions
            .iter()
            .filter_map(|one| one.seconds_to(&before, &reading, seconds))
            .fold(f64::INFINITY, f64::min);
        // A quarter of the way: growth may become faster meanwhile.
        match Duration::try_from_secs_f64(soonest / 4.0) {
            Ok(time) => time.clamp(LOOK_AT_MOST, LOOK_EVERY),
            Err(_) => LOOK_EVERY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_more_often_the_nearer_it_comes() {
        let conditions = [crate::when::parse("rss>1GiB").unwrap()];
        let mut pace = Pace::default();
        let begin = Instant::now();
        let mut look = |ms: u64, mib: u64| {
            let reading = Reading {
                rss: mib << 20,
                heap: None,
                goroutines: None,
                most: 0,
            };
            pace.next(begin + Duration::from_millis(ms), reading, &conditions)
        };
        look(0, 100);
        assert_eq!(look(1000, 100), LOOK_EVERY, "it does not grow");
        assert_eq!(look(2000, 101), LOOK_EVERY, "far away");
        // 412 MiB a second, and 512 are left: 1.24 s.
        assert_eq!(look(3000, 512), LOOK_EVERY);
        // 400 MiB in 0.4 s, and 112 are left.
        let near = look(3400, 912);
        assert!(
            near < Duration::from_millis(30) && near > Duration::from_millis(20),
            "{near:?}"
        );
        assert_eq!(look(3450, 1023), LOOK_AT_MOST);
    }
}
