//! One capture, and what it cost.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::target::{Gap, Inside, Memory, PausedTarget, Sampler};
use super::{Args, Way};
use crate::measure::{self, Cost};

/// A capture.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// The longest stop, as whoever stopped it says, in ns; `None` where nobody says.
    pub(super) pause: Option<u64>,
    /// All stops together, the same.
    pub(super) stopped: Option<u64>,
    pub(super) tries: Option<u64>,
    /// Bytes that were copied in the pause.
    pub(super) copied_in_pause: Option<u64>,
    /// Bytes that the capture needed, of memory for a copy of the process, else of disk.
    pub(super) extra: Option<u64>,
    /// The moment that the capture is of, by CLOCK_MONOTONIC, in ns.
    pub(super) moment: Option<u64>,
    /// The method that goheap says it was.
    pub(super) method: Option<String>,
    /// What the program saw.
    pub(super) inside: Inside,
    /// From the beginning to the end of it all.
    pub(super) took: Duration,
    /// What the tool took.
    pub(super) cost: Option<Cost>,
    /// The program's memory meanwhile.
    pub(super) memory: Memory,
    /// Why it came to nothing.
    pub(super) failed: Option<String>,
}

impl Sample {
    /// The longest gap, in ns.
    pub(super) fn longest_gap(&self) -> u64 {
        self.inside.gaps.iter().map(Gap::length).max().unwrap_or(0)
    }

    /// The gap in which the capture's moment lies, in ns: its last stop as the program saw it. 0 if that
    /// was too short to be a gap.
    pub(super) fn seen(&self) -> Option<u64> {
        let moment = self.moment?;
        let mut gaps = self.inside.gaps.iter();
        let around = gaps.find(|gap| (gap.begin..=gap.end).contains(&moment));
        Some(around.map_or(0, |gap| gap.length()))
    }

    /// All gaps together, in ns.
    pub(super) fn gaps(&self) -> u64 {
        self.inside.gaps.iter().map(Gap::length).sum()
    }

    pub(super) fn line(&self) -> String {
        let ms = |ns: u64| ns as f64 / 1e6;
        let pause = self
            .pause
            .map_or("-".to_owned(), |p| format!("{:.2}", ms(p)));
        let seen = self
            .seen()
            .map_or("-".to_owned(), |p| format!("{:.2}", ms(p)));
        format!(
            "stop {pause} ms, seen as {seen} ms, longest gap {:.2} ms, {} gaps of {:.2} ms, longest step {:.2} ms, in {:.2} s{}",
            ms(self.longest_gap()),
            self.inside.gaps.len(),
            ms(self.gaps()),
            ms(self.inside.step),
            self.took.as_secs_f64(),
            self.failed
                .as_ref()
                .map_or(String::new(), |why| format!(": {why}")),
        )
    }

    fn json(&self, way: Way, size_of: &str) -> serde_json::Value {
        serde_json::json!({
            "target": size_of,
            "way": way.name(),
            "method": self.method,
            "pause_ns": self.pause,
            "stopped_ns": self.stopped,
            "tries": self.tries,
            "copied_in_pause": self.copied_in_pause,
            "extra": self.extra,
            "window_ns": self.inside.window,
            "moment_ns": self.moment,
            "seen_ns": self.seen(),
            "gaps_ns": self.inside.gaps.iter().map(Gap::length).collect::<Vec<_>>(),
            "step_ns": self.inside.step,
            "took_s": self.took.as_secs_f64(),
            "tool_peak_rss_kib": self.cost.map(|cost| cost.peak_rss),
            "tool_peak_anon_kib": self.cost.map(|cost| cost.peak_anon),
            "target_anon": [self.memory.before, self.memory.peak, self.memory.after],
            "failed": self.failed,
        })
    }
}

/// Where and by what captures are made.
pub(super) struct Bench<'a> {
    args: &'a Args,
    goheap: &'a Path,
    folder: &'a Path,
    /// How long the last capture by goheap took.
    last: Duration,
}

impl<'a> Bench<'a> {
    pub(super) fn new(args: &'a Args, goheap: &'a Path, folder: &'a Path) -> Bench<'a> {
        Bench {
            args,
            goheap,
            folder,
            last: Duration::from_secs(2),
        }
    }

    /// One capture. One that fails is told of in the sample.
    pub(super) fn sample(&mut self, target: &mut PausedTarget, way: Way) -> Result<Sample> {
        std::thread::sleep(Duration::from_millis(300));
        let pid = target.pid();
        let since = target.now()?;
        let sampler = Sampler::start(pid);
        let start = Instant::now();
        let mut sample = Sample::default();
        match way {
            Way::Control => std::thread::sleep(self.last),
            Way::Goheap(method) => {
                let mut dump = Command::new(self.goheap);
                dump.args(["dump", &pid.to_string(), "--json", "--method", method, "-o"]);
                match self.args.null {
                    true => dump.arg("/dev/null").env("TMPDIR", self.folder),
                    false => dump.arg(self.path("goheap")),
                };
                if method == "stop" {
                    // A heap of some GB takes longer than what is allowed by default.
                    dump.args(["--max-pause", "60s"]);
                }
                let said = by_tool(&mut sample, &dump)?;
                if sample.failed.is_none() {
                    understand(&mut sample, &said)?;
                }
                self.last = start.elapsed();
            }
            Way::Runtime { null } => {
                let path = match null {
                    true => PathBuf::from("/dev/null"),
                    false => self.path("runtime"),
                };
                let took = target.dump(&path)?;
                sample.pause = Some(took);
                sample.stopped = Some(took);
            }
            Way::Gcore => {
                let mut gcore = Command::new("gcore");
                gcore.arg("-o").arg(self.path("core")).arg(pid.to_string());
                by_tool(&mut sample, &gcore)?;
            }
            Way::Other => {
                let line = self.args.other.as_deref().unwrap_or_default();
                let out = self.path("other").display().to_string();
                let word = |word: &str| {
                    word.replace("{pid}", &pid.to_string())
                        .replace("{out}", &out)
                };
                let mut words = line.split_whitespace().map(word);
                let mut other = Command::new(words.next().context("no command")?);
                by_tool(&mut sample, other.args(words))?;
            }
        }
        sample.took = start.elapsed();
        sample.inside = target.inside(since)?;
        sample.memory = sampler.stop();
        self.clear()?;
        self.keep(&sample, way, target)?;
        Ok(sample)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Removes what was written. Pages that were not on the disk yet never get there then.
    fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(self.folder)? {
            let path = entry?.path();
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
        Ok(())
    }

    fn keep(&self, sample: &Sample, way: Way, target: &PausedTarget) -> Result<()> {
        let Some(path) = &self.args.samples else {
            return Ok(());
        };
        let mut options = fs::OpenOptions::new();
        let mut file = options.create(true).append(true).open(path)?;
        let line = sample.json(way, &format!("pid {}", target.pid()));
        writeln!(file, "{line}").with_context(|| path.display().to_string())
    }
}

/// Runs the command, and gives the last line of its output.
fn by_tool(sample: &mut Sample, command: &Command) -> Result<String> {
    let (cost, how, said) = measure::listen(command)?;
    sample.cost = Some(cost);
    if !how.is_empty() {
        sample.failed = Some(how);
    }
    Ok(said)
}

/// What goheap says of its capture (`goheap.dump/1`).
fn understand(sample: &mut Sample, said: &str) -> Result<()> {
    let told: serde_json::Value =
        serde_json::from_str(said).with_context(|| format!("goheap said {said:?}"))?;
    let number = |name: &str| told[name].as_u64();
    sample.pause = number("pause_ns");
    sample.stopped = number("stopped_ns");
    sample.tries = number("tries");
    sample.copied_in_pause = number("copied_in_pause_bytes");
    sample.extra = number("extra_bytes");
    sample.moment = number("monotonic_ns");
    sample.method = told["method"].as_str().map(str::to_owned);
    Ok(())
}
