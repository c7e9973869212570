//! A loaded HTTP service of the test kit: the program `service`, and `service_load` that asks it
//! without end and checks each answer.

use std::path::PathBuf;
use std::time::Duration;

use crate::obedient::Obedient;
use crate::program::{BuildOptions, build};
use crate::{Error, Result};

/// The version of Go that builds the load, whatever built the service.
const LOAD_BY: &str = "1.24.11";

/// A running service.
#[derive(Debug)]
pub struct Service {
    program: Obedient,
    address: String,
}

/// What a service tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inside {
    /// Its goroutines.
    pub goroutines: u64,
    /// Sessions that have not ended.
    pub sessions: u64,
    /// Requests that it has answered.
    pub requests: u64,
    /// Bytes that its runtime has in use, for its heap and for itself (`Sys - HeapIdle` of `MemStats`).
    pub in_use: u64,
}

impl Service {
    /// Builds it by that version of Go, and starts it. `threads` of its threads do nothing but wait in
    /// read(2).
    ///
    /// # Errors
    /// What [`build`] says; a program that ends.
    pub fn start(version: &str, threads: usize) -> Result<Service> {
        let program = build(version, "service", &BuildOptions::default())?;
        let threads = threads.to_string();
        let environment = [("SERVICE_THREADS", threads.as_str())];
        let program = Obedient::start_in(&program, &[], &environment)?;
        let said = program.said();
        let address = said.lines().find_map(|line| line.strip_prefix("address "));
        let address = address.ok_or_else(|| unclear(&said))?.to_owned();
        Ok(Service { program, address })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// Where it listens, `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.program.has_ended()
    }

    /// What it tells of itself.
    ///
    /// # Errors
    /// If it is gone.
    pub fn tell(&mut self) -> Result<Inside> {
        let said = self.program.ask("tell", "told")?;
        let [goroutines, sessions, requests, in_use] = numbers(&said)?;
        Ok(Inside {
            goroutines,
            sessions,
            requests,
            in_use,
        })
    }

    /// Lets it collect its garbage, and give memory back to the kernel.
    ///
    /// # Errors
    /// If it is gone.
    pub fn collect(&mut self) -> Result<()> {
        self.program.ask("collect", "collected").map(drop)
    }
}

/// What asks a service without end.
#[derive(Debug)]
pub struct Load(Obedient);

/// What the load has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Requests that were answered rightly so far.
    pub right: u64,
    /// Answers that were not what they should be, so far.
    pub wrong: u64,
    /// Requests without an answer, so far.
    pub failed: u64,
    /// Median of the time to an answer, since the last time this was asked for.
    pub median: Duration,
    /// Its 99th percentile.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Load {
    /// Starts so many clients, that make so many requests a second together; comes back once a hundred
    /// were answered.
    ///
    /// # Errors
    /// What [`build`] says; a program that ends, or a service that answers wrongly from the first.
    pub fn start(service: &Service, clients: usize, rate: u32) -> Result<Load> {
        let program = build(LOAD_BY, "service_load", &BuildOptions::default())?;
        let (clients, rate) = (clients.to_string(), rate.to_string());
        Obedient::start(&program, &[service.address(), &clients, &rate]).map(Load)
    }

    /// What it has seen.
    ///
    /// # Errors
    /// If it is gone.
    pub fn tell(&mut self) -> Result<Seen> {
        let said = self.0.ask("tell", "told")?;
        let [right, wrong, failed, median, p99, longest] = numbers(&said)?;
        Ok(Seen {
            right,
            wrong,
            failed,
            median: Duration::from_nanos(median),
            p99: Duration::from_nanos(p99),
            longest: Duration::from_nanos(longest),
        })
    }

    /// Lets the requests under way end, and makes no others.
    ///
    /// # Errors
    /// If it is gone, or one does not end.
    pub fn stop(&mut self) -> Result<()> {
        self.0.ask("stop", "stopped").map(drop)
    }

    /// What went wrong, the first of it.
    pub fn bad(&self) -> Vec<String> {
        let said = self.0.said();
        let bad = said.lines().filter_map(|line| line.strip_prefix("bad "));
        bad.map(str::to_owned).collect()
    }
}

fn numbers<const N: usize>(said: &str) -> Result<[u64; N]> {
    let numbers: Vec<u64> = said.split(' ').filter_map(|n| n.parse().ok()).collect();
    numbers.try_into().map_err(|_| unclear(said))
}

fn unclear(said: &str) -> Error {
    Error::Proc {
        path: PathBuf::from("what the program says"),
        text: said.to_owned(),
    }
}
