//! What a command takes: a process of its own runs it, so that what the kernel adds up for "the
//! children" is that command's alone.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// How often the memory of a command is looked at.
const EVERY: Duration = Duration::from_millis(5);

/// What a command took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// From its start to its end, in seconds.
    pub(crate) wall: f64,
    /// On all processors, in the program and in the kernel for it, in seconds.
    pub(crate) cpu: f64,
    /// Peak of its resident memory, in KiB.
    pub(crate) peak_rss: i64,
    /// The most of its anonymous resident memory (RssAnon) that was seen, in KiB.
    pub(crate) peak_anon: i64,
}

/// Runs the command, and prints its cost.
pub(crate) fn run(command: &[OsString]) -> Result<bool> {
    let (program, arguments) = command.split_first().context("no command")?;
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .spawn()
        .context("cannot run it")?;
    let over = AtomicBool::new(false);
    let pid = child.id();
    let (status, peak_anon) = std::thread::scope(|scope| {
        let sampler = scope.spawn(|| {
            let mut peak = 0;
            while !over.load(Ordering::Relaxed) {
                peak = peak.max(anonymous(pid).unwrap_or(0));
                std::thread::sleep(EVERY);
            }
            peak
        });
        let status = child.wait();
        over.store(true, Ordering::Relaxed);
        (status, sampler.join().unwrap_or(0))
    });
    let status = status?;
    let wall = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let cost = serde_json::json!({
        "wall": wall,
        "cpu": micros as f64 / 1e6,
        "peak_rss": usage.max_rss(),
        "peak_anon": peak_anon,
        "code": status.code(),
        "signal": status.signal(),
    });
    println!("{cost}");
    Ok(status.success())
}

/// RssAnon of a process, in KiB.
fn anonymous(pid: u32) -> Option<i64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Runs a command in a process of its own, and tells its cost.
pub(crate) fn of(command: &Command) -> Result<Cost> {
    let (cost, how) = attempt(command)?;
    anyhow::ensure!(how.is_empty(), "{command:?}: {how}");
    Ok(cost)
}

/// The same of a command that may fail: its cost until then, and how it ended; empty if well.
pub(crate) fn attempt(command: &Command) -> Result<(Cost, String)> {
    let (cost, how, _) = listen(command)?;
    Ok((cost, how))
}

/// The same, with the last line that it wrote to its standard output.
pub(crate) fn listen(command: &Command) -> Result<(Cost, String, String)> {
    let mut measured = Command::new(std::env::current_exe()?);
    measured
        .arg("measure")
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    let output = measured.stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines = text.lines().rev();
    let last = lines.next().unwrap_or_default();
    let said = lines.next().unwrap_or_default().to_owned();
    let value: serde_json::Value =
        serde_json::from_str(last).with_context(|| format!("{command:?}: {}", output.status))?;
    let number = |name: &str| value[name].as_f64().context("a number");
    let cost = Cost {
        wall: number("wall")?,
        cpu: number("cpu")?,
        peak_rss: number("peak_rss")? as i64,
        peak_anon: number("peak_anon")? as i64,
    };
    let how = match (value["code"].as_i64(), value["signal"].as_i64()) {
        (Some(0), _) => String::new(),
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(9)) => "killed".to_owned(),
        (None, signal) => format!("signal {}", signal.unwrap_or(0)),
    };
    Ok((cost, how, said))
}
