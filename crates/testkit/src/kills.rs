//! Captures of a loaded service in which goheap or its supervisor is struck at one system call after the
//! other, and what that did to the service.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use crate::blow::{Blow, Counted, Struck, Victim, strike};
use crate::service::{Load, Service};
use crate::traces::{Allowed, Untouched};
use crate::{Error, Result};

/// How many clients ask the service, and how many requests they make a second.
const LOAD: (usize, u32) = (2, 100);

/// The longest that an answer may take, a stop of a second and a busy machine included.
const LONGEST: Duration = Duration::from_secs(8);

/// A sweep over the system calls of one victim.
#[derive(Debug, Clone)]
pub struct Sweep<'a> {
    /// The binary.
    pub goheap: &'a Path,
    /// A folder for dumps.
    pub folder: &'a Path,
    /// How the service is captured.
    pub method: &'a str,
    /// With what it is captured after each blow, in turn.
    pub methods: &'a [&'a str],
    /// Who is struck.
    pub victim: Victim,
    /// How.
    pub blow: Blow,
    /// Which calls are counted.
    pub counted: Counted,
    /// Which of those are struck.
    pub points: Points,
}

/// Which system calls are struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Points {
    /// From this one on each so manyeth.
    Each {
        /// The first, counted from 1.
        first: u64,
        /// How far apart.
        stride: u64,
    },
    /// So many, evenly spread.
    Spread(u64),
}

/// What a sweep did.
#[derive(Debug, Default)]
pub struct Report {
    /// How many system calls the victim makes in a capture that nothing happens to.
    pub calls: u64,
    /// How often it was struck.
    pub struck: u64,
    /// Captures in between that were whole.
    pub captures: u64,
    /// Captures that ended well although something was struck.
    pub survived: u64,
    /// How often a zombie was left, until the next capture that can wait for it.
    pub zombies: u64,
    /// How often a userfaultfd was left that was never armed.
    pub unarmed: u64,
    /// The longest that the service took to answer.
    pub longest: Duration,
    /// What was wrong.
    pub wrong: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls, struck at {}, {} captures between; {} ended well, {} zombies until then, \
             {} unarmed userfaultfds; longest answer {:.0?}; wrong: {}",
            self.calls,
            self.struck,
            self.captures,
            self.survived,
            self.zombies,
            self.unarmed,
            self.longest,
            self.wrong.len()
        )
    }
}

/// A service under a load.
#[derive(Debug)]
pub struct Loaded {
    /// The service.
    pub service: Service,
    load: Load,
    untouched: Untouched,
}

impl Loaded {
    /// Starts both.
    ///
    /// # Errors
    /// What [`Service::start`] and [`Load::start`] say.
    pub fn start(version: &str) -> Result<Loaded> {
        let service = Service::start(version, 0)?;
        let load = Load::start(&service, LOAD.0, LOAD.1)?;
        let untouched = Untouched::look(service.pid())?;
        Ok(Loaded {
            service,
            load,
            untouched,
        })
    }
}

impl Sweep<'_> {
    /// Strikes until there are no more calls. `tell` hears of each point.
    ///
    /// # Errors
    /// If goheap cannot be run, or the service is gone: that is the worst.
    pub fn run(&self, loaded: &mut Loaded, tell: &mut dyn FnMut(u64, &Struck)) -> Result<Report> {
        let mut report = Report::default();
        let whole = self.capture(loaded, self.method, u64::MAX, Blow::None)?;
        if !is_well(&whole) {
            return Err(failed(&whole));
        }
        report.calls = whole.calls;
        let (mut at, stride) = match self.points {
            Points::Each { first, stride } => (first.max(1), stride.max(1)),
            // Not always the same ones: how many there are depends on the moment.
            Points::Spread(points) => {
                let stride = (whole.calls / points.max(1)).max(1);
                (stride.div_ceil(2), stride)
            }
        };
        for turn in 0.. {
            let struck = self.capture(loaded, self.method, at, self.blow)?;
            tell(at, &struck);
            let Some(number) = struck.hit else {
                break;
            };
            report.struck += 1;
            report.survived += u64::from(is_well(&struck));
            let place = format!("{:?} at call {at} (number {number})", self.victim);
            if matches!(self.blow, Blow::Stop(_)) && struck.said.contains("panicked") {
                report.wrong.push(format!("{place}: {}", struck.said));
            }
            let allowed = match (self.victim, self.blow) {
                (Victim::Supervisor, Blow::Kill) => Allowed::OfSupervisor,
                _ => Allowed::Nothing,
            };
            self.look(loaded, allowed, &place, &mut report)?;
            self.capture_again(loaded, turn, &place, &mut report)?;
            at += stride;
        }
        Ok(report)
    }

    /// A capture after the blow, which must be a whole one, and leave nothing.
    fn capture_again(
        &self,
        loaded: &mut Loaded,
        turn: usize,
        place: &str,
        report: &mut Report,
    ) -> Result<()> {
        let turn = turn % self.methods.len().max(1);
        let method = self.methods.get(turn).copied().unwrap_or(self.method);
        let had_zombies = !loaded.untouched.traces()?.zombies.is_empty();
        // One that may make calls in the process, if something is left to be waited for.
        let method = if had_zombies && method == "stop" {
            "fork"
        } else {
            method
        };
        let again = self.capture(loaded, method, u64::MAX, Blow::None)?;
        match is_well(&again) {
            true => report.captures += 1,
            false => report
                .wrong
                .push(format!("{place}, then --method {method}: {}", again.said)),
        }
        self.look(
            loaded,
            Allowed::Nothing,
            &format!("{place}, then --method {method}"),
            report,
        )
    }

    fn look(
        &self,
        loaded: &mut Loaded,
        allowed: Allowed,
        place: &str,
        report: &mut Report,
    ) -> Result<()> {
        let traces = loaded.untouched.traces_in_time(allowed)?;
        let mut left: Vec<String> = Vec::new();
        // One blow leaves one at most.
        match (allowed, traces.unarmed) {
            (_, 0) => {}
            (Allowed::OfSupervisor, 1) => {
                report.unarmed += 1;
                loaded.untouched.has_unarmed(1);
            }
            (_, count) => left.push(format!("{count} unarmed userfaultfds")),
        }
        match allowed {
            Allowed::OfSupervisor => report.zombies += u64::from(!traces.zombies.is_empty()),
            Allowed::Nothing => {
                left.extend(traces.zombies.iter().map(|child| format!("zombie {child}")))
            }
        }
        left.extend(traces.others);
        let left = left.into_iter().map(|what| format!("{place}: {what}"));
        report.wrong.extend(left);
        let seen = loaded.load.tell()?;
        report.longest = report.longest.max(seen.longest);
        if seen.wrong + seen.failed > 0 || seen.longest > LONGEST {
            report
                .wrong
                .push(format!("{place}: {seen:?} {:?}", loaded.load.bad()));
        }
        Ok(())
    }

    fn capture(&self, loaded: &Loaded, method: &str, at: u64, blow: Blow) -> Result<Struck> {
        let pid = loaded.service.pid().to_string();
        let output = self.folder.join("struck.heapdump");
        let output = output.to_string_lossy();
        let arguments = [
            "dump",
            &pid,
            "--no-dwarf",
            "-o",
            &output,
            "--method",
            method,
        ];
        strike(self.goheap, &arguments, self.victim, at, blow, self.counted)
    }
}

fn is_well(struck: &Struck) -> bool {
    matches!(struck.ended, nix::sys::wait::WaitStatus::Exited(_, 0))
}

fn failed(struck: &Struck) -> Error {
    Error::Refused {
        program: "goheap".to_owned(),
        said: format!("{:?}: {}", struck.ended, struck.said),
    }
}
