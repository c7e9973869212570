//! The command: arguments in, text and JSON out. Its place is behind the last arrow of
//! process → memory → runtime → records → dump file → graph → answers, and in front of people.
//!
//! # Start here
//! `args` is what can be said; each command is the module of its name, with the shape of its JSON.
//! `capture` is where a process or a core becomes records, and `output` where records become a
//! file.
//!
//! # Invariants
//! - Only this crate prints. The others hand out values and errors.
//! - An error is one line on standard error that names the file or the process, where in it, and
//!   what to do; the exit status is 2. A check that fails is 1.
//! - What a dump or a process says reaches a terminal only through `text::printable`.
//! - A target is let go, and a half-written file removed, on every way out.
//!
//! # Not here
//! Anything that another program could want to call: that is in the libraries.
//!
//! # Example
//! `goheap demo`

use std::process::ExitCode;

use clap::Parser;

mod analysed;
mod annexed;
mod args;
mod capture;
mod census;
mod check;
mod demo;
mod diff;
#[cfg(target_os = "linux")]
mod doctor;
mod dump;
mod error;
#[cfg(target_os = "linux")]
mod every;
mod examined;
mod export;
mod gaps;
mod goroutines;
mod info;
mod lean;
mod learn;
mod live;
mod opened;
mod output;
mod progress;
mod records;
mod redact;
mod report;
mod room;
mod serve;
mod snapshot;
mod source;
#[cfg(target_os = "linux")]
mod spot;
mod standstill;
mod text;
mod top;
mod tree;
mod units;
mod unnamed;
mod verify;
mod waste;
mod when;
mod which;
mod why;

use args::{Cli, Command};
use error::CommandError;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return args::refuse(&error),
    };
    run(&cli.command).unwrap_or_else(|error| {
        error.say();
        error.exit_code()
    })
}

/// Does what a command line says.
fn run(command: &Command) -> Result<ExitCode, CommandError> {
    match command {
        Command::Dump(args) => dump::run(args),
        Command::Info(args) => info::run(args),
        Command::Records(args) => records::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Top(args) => top::run(args),
        Command::Tree(args) => tree::run(args),
        Command::Why(args) => why::run(args),
        Command::Goroutines(args) => goroutines::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Waste(args) => waste::run(args),
        Command::Check(args) => check::run(args),
        Command::Export(args) => export::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Report(args) => report::run(args),
        #[cfg(target_os = "linux")]
        Command::Doctor(args) => doctor::run(args),
        #[cfg(not(target_os = "linux"))]
        Command::Doctor(_) => Err(CommandError::NoProcessesHere { pid: 0 }),
        Command::Demo(args) => demo::run(args),
    }
}
