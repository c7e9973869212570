//! Many captures in a row of a loaded service: what the service's clients saw of them, and what they
//! left in it.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub use crate::service::{Inside, Seen};
use crate::service::{Load, Service};
use crate::traces::{Allowed, Untouched};
use crate::{Error, Result};

mod left;

use left::{Lasting, processes_with};

/// What is in the environment of each goheap here, with a number of ours, to find what it leaves.
const TOKEN: &str = "GOHEAP_SOAK";

/// A method that does nothing for a while, to tell what a service does by itself.
pub const CONTROL: &str = "control";

/// How long it does so.
const NOTHING: Duration = Duration::from_millis(200);

/// How long the service may take to close connections and the like once nobody asks any more.
const REST: Duration = Duration::from_secs(10);

/// How many captures, of what.
#[derive(Debug, Clone)]
pub struct Plan<'a> {
    /// goheap's binary.
    pub goheap: &'a Path,
    /// The Go version of the service.
    pub version: &'a str,
    /// `--method`, or goheap's choice; [`CONTROL`] captures nothing.
    pub method: Option<&'a str>,
    /// How many captures.
    pub captures: usize,
    /// How many threads of the service do nothing but wait.
    pub threads: usize,
    /// How many clients, and how many requests a second they make together.
    pub load: (usize, u32),
    /// How many requests are answered before the first capture. So many fill what the service keeps.
    pub warm_up: u64,
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Captures that ended well.
    pub captures: usize,
    /// What those said that did not.
    pub failed: Vec<String>,
    /// Captures with gaps, and one of these.
    pub with_gaps: usize,
    /// A gap.
    pub gap: Option<String>,
    /// The methods that goheap named.
    pub methods: Vec<String>,
    /// For how long the service stood still for each capture, in ns, all tries together.
    pub stopped: Vec<u64>,
    /// What the load saw without captures, and with them.
    pub seen: Option<(Seen, Seen)>,
    /// What went wrong with requests.
    pub bad: Vec<String>,
    /// What the service told before and after, at rest.
    pub inside: Option<(Inside, Inside)>,
    /// Its RSS before and after, in bytes: at rest, its garbage collected.
    pub rss: (u64, u64),
    /// Its RSS after each capture, in bytes.
    pub rss_under_load: Vec<u64>,
    /// How many threads it had at the end.
    pub threads: usize,
    /// What is otherwise than before.
    pub left: Vec<String>,
    /// How long the captures took, all together.
    pub took: Duration,
}

/// Carries it out.
///
/// # Errors
/// What starting the programs gives; a service or a load that is gone. What goheap does wrong is in the
/// report.
pub fn run(plan: &Plan<'_>) -> Result<Report> {
    let mut service = Service::start(plan.version, plan.threads)?;
    let pid = service.pid();
    let (clients, rate) = plan.load;
    let mut load = Load::start(&service, clients, rate)?;
    while load.tell()?.right < plan.warm_up && load.bad().is_empty() {
        std::thread::sleep(Duration::from_millis(100));
    }
    // Forget the latencies until now.
    load.tell()?;
    std::thread::sleep(Duration::from_secs_f64(
        plan.warm_up as f64 / f64::from(rate.max(1)) / 2.0,
    ));
    let without = load.tell()?;
    let mut report = Report {
        bad: load.bad(),
        ..Report::default()
    };
    load.stop()?;
    drop(load);
    let inside = at_rest(&mut service, None)?;
    report.rss.0 = rss(pid)?;
    let (untouched, lasting) = (Untouched::look(pid)?, Lasting::of(pid));

    let mut load = Load::start(&service, clients, rate)?;
    let token = format!("{TOKEN}={pid}");
    let start = Instant::now();
    for _ in 0..plan.captures {
        capture(plan, pid, &mut report)?;
        report.rss_under_load.push(rss(pid)?);
        if service.has_ended() {
            break;
        }
    }
    report.took = start.elapsed();
    load.stop()?;
    let with = load.tell()?;
    report.bad.extend(load.bad());
    drop(load);
    report.seen = Some((without, with));

    let after = at_rest(&mut service, Some(inside.goroutines))?;
    report.rss.1 = rss(pid)?;
    report.inside = Some((inside, after));
    let traces = untouched.traces_in_time(Allowed::Nothing)?;
    report.left = traces.others;
    if traces.unarmed > 0 {
        let unarmed = traces.unarmed;
        report.left.push(format!("{unarmed} unarmed userfaultfds"));
    }
    let zombies = traces.zombies.into_iter();
    report
        .left
        .extend(zombies.map(|pid| format!("zombie {pid}")));
    let now = Lasting::of(pid);
    if now != lasting {
        report
            .left
            .push(format!("{lasting:?} before, {now:?} after"));
    }
    report.threads = crate::procfs::thread_ids(pid)?.len();
    let strays = processes_with(&token).into_iter();
    report
        .left
        .extend(strays.map(|(pid, line)| format!("process {pid}: {line}")));
    Ok(report)
}

/// One capture.
fn capture(plan: &Plan<'_>, pid: u32, report: &mut Report) -> Result<()> {
    if plan.method == Some(CONTROL) {
        std::thread::sleep(NOTHING);
        report.captures += 1;
        return Ok(());
    }
    let mut goheap = Command::new(plan.goheap);
    goheap
        .args(["dump", &pid.to_string(), "-o", "-", "--json"])
        .env(TOKEN, pid.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(method) = plan.method {
        goheap.args(["--method", method]);
    }
    let output = goheap.output().map_err(|source| Error::Spawn {
        program: plan.goheap.display().to_string(),
        source,
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let mut lines = said.lines().rev();
    let told: Option<serde_json::Value> = lines.find_map(|line| serde_json::from_str(line).ok());
    let Some(told) = told.filter(|_| output.status.success()) else {
        report
            .failed
            .push(format!("{}: {}", output.status, said.trim()));
        return Ok(());
    };
    report.captures += 1;
    report.stopped.extend(told["stopped_ns"].as_u64());
    if told["gaps"]["count"].as_u64() != Some(0) {
        report.with_gaps += 1;
        report.gap.get_or_insert_with(|| told["gaps"].to_string());
    }
    let method = told["method"].as_str().unwrap_or("not told");
    if !report.methods.iter().any(|known| known == method) {
        report.methods.push(method.to_owned());
    }
    Ok(())
}

/// What it tells once it is idle and has collected its garbage. Goroutines of connections that were
/// closed take a moment to end: until there are no more than `goroutines`, if that is given.
fn at_rest(service: &mut Service, goroutines: Option<u64>) -> Result<Inside> {
    let until = Instant::now() + REST;
    let mut last = service.tell()?;
    loop {
        std::thread::sleep(Duration::from_millis(200));
        let now = service.tell()?;
        let settled = match goroutines {
            Some(wanted) => now.goroutines <= wanted,
            None => now.goroutines == last.goroutines,
        };
        if settled || Instant::now() >= until {
            break;
        }
        last = now;
    }
    service.collect()?;
    service.collect()?;
    service.tell()
}

/// VmRSS, in bytes.
fn rss(pid: u32) -> Result<u64> {
    let path = std::path::PathBuf::from(format!("/proc/{pid}/status"));
    let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or(Error::Proc { path, text })
}

impl Report {
    /// What harm was done: requests without their right answer, captures that failed, anything left.
    pub fn harm(&self) -> Vec<String> {
        let mut harm = self.bad.clone();
        if let Some((without, with)) = self.seen {
            for seen in [without, with] {
                if seen.wrong + seen.failed > 0 {
                    harm.push(format!(
                        "{} wrong answers, {} missing",
                        seen.wrong, seen.failed
                    ));
                }
            }
        }
        harm.extend(self.failed.iter().cloned());
        harm.extend(self.left.iter().cloned());
        if let Some((before, after)) = self.inside
            && (before.goroutines, before.sessions) != (after.goroutines, after.sessions)
        {
            harm.push(format!("{before:?} before, {after:?} after"));
        }
        harm
    }

    /// By how many bytes a capture its RSS grew under load, by least squares.
    pub fn rss_slope(&self) -> f64 {
        let n = self.rss_under_load.len() as f64;
        let mean_x = (n - 1.0) / 2.0;
        let mean_y = self.rss_mean();
        let points = self.rss_under_load.iter().enumerate();
        let (mut above, mut below) = (0.0, 0.0);
        for (x, y) in points {
            let dx = x as f64 - mean_x;
            above += dx * (*y as f64 - mean_y);
            below += dx * dx;
        }
        if below > 0.0 { above / below } else { 0.0 }
    }

    /// Its mean RSS under load, in bytes.
    pub fn rss_mean(&self) -> f64 {
        let sum: f64 = self.rss_under_load.iter().map(|rss| *rss as f64).sum();
        sum / self.rss_under_load.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn a_slope_is_found() {
        let report = Report {
            rss_under_load: vec![100, 103, 106, 109],
            ..Report::default()
        };
        assert!((report.rss_slope() - 3.0).abs() < 1e-9);
        assert!((report.rss_mean() - 104.5).abs() < 1e-9);
        assert!(Report::default().rss_slope().abs() < f64::EPSILON);
    }
}
