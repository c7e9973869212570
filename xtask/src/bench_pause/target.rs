//! The program that is captured, as the bench sees it: from inside by what it tells, and from outside by
//! /proc.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build};

/// How often its memory is looked at.
const EVERY: Duration = Duration::from_millis(5);

/// The program `pauses`.
pub(super) struct PausedTarget {
    program: Obedient,
    /// Whether its watching thread has real-time priority.
    real_time: bool,
}

/// A time in which its watching thread did not run, by CLOCK_MONOTONIC, in ns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gap {
    pub(super) begin: u64,
    pub(super) end: u64,
}

impl Gap {
    pub(super) fn length(&self) -> u64 {
        self.end.saturating_sub(self.begin)
    }
}

/// What it saw of itself in a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Inside {
    /// How long that time was, in ns.
    pub(super) window: u64,
    /// Gaps of its watching thread that touch that time.
    pub(super) gaps: Vec<Gap>,
    /// The longest step of its work, of which one is to take 1 ms, in ns.
    pub(super) step: u64,
}

impl PausedTarget {
    pub(super) fn start(args: &super::Args, size: u64) -> Result<PausedTarget> {
        let program = build(&args.go, "pauses", &BuildOptions::default())?;
        let numbers = [size, args.threads, args.allocation, args.writes].map(|n| n.to_string());
        let words: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let program = Obedient::start(&program, &words)?;
        let real_time = program.said().contains("watch FIFO");
        Ok(PausedTarget { program, real_time })
    }

    pub(super) fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// The time by its clock, in ns.
    pub(super) fn now(&mut self) -> Result<u64> {
        // What was there is not asked for any more.
        let _old = self.program.ask("gaps 9000000000000000000", "gaps")?;
        let said = self.program.ask("now", "now")?;
        said.parse().context("a time")
    }

    /// What it saw since then.
    pub(super) fn inside(&mut self, since: u64) -> Result<Inside> {
        // A gap or a step that ends just now is not written down yet.
        std::thread::sleep(Duration::from_millis(20));
        let end: u64 = self.program.ask("now", "now")?.parse().context("a time")?;
        let said = self.program.ask(&format!("gaps {since}"), "gaps")?;
        let mut words = said.split(' ');
        let step = words.next().and_then(|step| step.parse().ok());
        let gaps = words.map(|word| {
            let (begin, end) = word.split_once(':')?;
            Some(Gap {
                begin: begin.parse().ok()?,
                end: end.parse().ok()?,
            })
        });
        Ok(Inside {
            window: end.saturating_sub(since),
            gaps: gaps.collect::<Option<_>>().context("gaps")?,
            step: step.context("a step")?,
        })
    }

    /// Lets it write its own dump, and says how long that took, in ns.
    pub(super) fn dump(&mut self, to: &std::path::Path) -> Result<u64> {
        let took = self.program.dump(to)?;
        Ok(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))
    }

    /// How big it is, in words.
    pub(super) fn about(&mut self) -> Result<String> {
        let said = self.program.ask("tell", "told")?;
        let mut numbers = said.split(' ').map(|n| n.parse::<u64>().unwrap_or(0));
        let mut next = || numbers.next().unwrap_or(0);
        let (live, in_use, collections) = (next(), next(), next());
        let pid = self.pid();
        let threads = std::fs::read_dir(format!("/proc/{pid}/task"))?.count();
        Ok(format!(
            "{} MB survived the last of {collections} collections, {} MB of spans in use, RssAnon {} MB, {threads} threads{}",
            live / 1_000_000,
            in_use / 1_000_000,
            anonymous(pid).unwrap_or(0) / 1_000_000,
            match self.real_time {
                true => "",
                false => ", the watching one without real-time priority",
            },
        ))
    }
}

/// RssAnon of a process, in bytes.
fn anonymous(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("RssAnon:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Looks at a process's memory until it is told to stop.
pub(super) struct Sampler {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Memory>,
}

/// RssAnon of a process over a time, in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    pub(super) before: u64,
    pub(super) peak: u64,
    pub(super) after: u64,
}

impl Sampler {
    pub(super) fn start(pid: u32) -> Sampler {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let before = anonymous(pid).unwrap_or(0);
            let mut memory = Memory {
                before,
                peak: before,
                after: before,
            };
            while !told.load(Ordering::Relaxed) {
                std::thread::sleep(EVERY);
                memory.after = anonymous(pid).unwrap_or(memory.after);
                memory.peak = memory.peak.max(memory.after);
            }
            memory
        });
        Sampler { over, thread }
    }

    pub(super) fn stop(self) -> Memory {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}
