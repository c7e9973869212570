//! What a command takes: a process of its own runs it, so that what the kernel adds up for "the
//! children" is that command's alone.

use std::ffi::OsString;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// What a command took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// From its start to its end, in seconds.
    pub(crate) wall: f64,
    /// On all processors, in the program and in the kernel for it, in seconds.
    pub(crate) cpu: f64,
    /// Peak of its resident memory, in KiB.
    pub(crate) peak_rss: i64,
}

/// Runs the command, and prints its cost.
pub(crate) fn run(command: &[OsString]) -> Result<bool> {
    let (program, arguments) = command.split_first().context("no command")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .status()
        .context("cannot run it")?;
    let wall = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let cost = serde_json::json!({
        "wall": wall,
        "cpu": micros as f64 / 1e6,
        "peak_rss": usage.max_rss(),
    });
    println!("{cost}");
    Ok(status.success())
}

/// Runs a command in a process of its own, and tells its cost.
pub(crate) fn of(command: &Command) -> Result<Cost> {
    let mut measured = Command::new(std::env::current_exe()?);
    measured
        .arg("measure")
        .arg("--")
        .arg(command.get_program())
        .args(command.get_args());
    let output = measured.stderr(std::process::Stdio::inherit()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(output.status.success(), "{command:?}: {}", output.status);
    let last = text.lines().last().unwrap_or_default();
    let value: serde_json::Value = serde_json::from_str(last).context(last.to_owned())?;
    let number = |name: &str| value[name].as_f64().context("a number");
    Ok(Cost {
        wall: number("wall")?,
        cpu: number("cpu")?,
        peak_rss: number("peak_rss")? as i64,
    })
}
