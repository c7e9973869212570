//! A Go program of the test kit as a child process: its orders, its answers, its end.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::program::Program;
use crate::{Error, Result};

/// How long a program may take to do what it is told. Machines that build, test and race at once
/// are slow; a program that is stuck is stuck for good.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A running program; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Running {
    name: String,
    child: Child,
    stdin: ChildStdin,
    said: Arc<(Mutex<Said>, Condvar)>,
}

#[derive(Debug, Default)]
struct Said {
    lines: VecDeque<String>,
    all: String,
    closed: bool,
}

impl Running {
    /// Starts it; its stdout is the caller's choice, its stderr is listened to.
    pub(crate) fn start<I, A>(
        program: &Program,
        arguments: I,
        environment: &[(&str, &str)],
        stdout: Stdio,
    ) -> Result<Running>
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let name = format!("{} of Go {}", program.name, program.version);
        let mut child = Command::new(&program.executable)
            .args(arguments)
            .env_remove("GODEBUG")
            .env_remove("GOGC")
            .env_remove("GOMEMLIMIT")
            .env_remove("GOMAXPROCS")
            .env_remove("GOTRACEBACK")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| Error::Spawn {
                program: name.clone(),
                source,
            })?;
        let said = Arc::new((Mutex::new(Said::default()), Condvar::new()));
        let (Some(stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
            let _ = child.kill();
            let _ = child.wait();
            let source = std::io::Error::other("no pipes");
            return Err(Error::Spawn {
                program: name,
                source,
            });
        };
        let told = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let Ok(line) = line else { break };
                let mut said = told.0.lock().unwrap_or_else(PoisonError::into_inner);
                if said.all.len() < 1 << 16 {
                    said.all.push_str(&line);
                    said.all.push('\n');
                }
                said.lines.push_back(line);
                told.1.notify_all();
            }
            told.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
            told.1.notify_all();
        });
        Ok(Running {
            name,
            child,
            stdin,
            said,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Gives it an order.
    pub(crate) fn tell(&mut self, order: &str) -> Result<()> {
        self.stdin
            .write_all(format!("{order}\n").as_bytes())
            .map_err(|_| self.ended("take orders"))
    }

    /// Waits for a line that starts with `prefix`, and gives the rest of it.
    pub(crate) fn hear(&self, prefix: &str, expected: &'static str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut said = self.said.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            while let Some(line) = said.lines.pop_front() {
                if let Some(rest) = line.strip_prefix(prefix) {
                    return Ok(rest.trim().to_owned());
                }
                if let Some(complaint) = line.strip_prefix("error ") {
                    let (program, said) = (self.name.clone(), complaint.to_owned());
                    return Err(Error::Refused { program, said });
                }
            }
            if said.closed {
                drop(said);
                return Err(self.ended(expected));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(said);
                return Err(self.stuck(expected, PATIENCE));
            }
            said = self
                .said
                .1
                .wait_timeout(said, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    pub(crate) fn stuck(&self, expected: &'static str, patience: Duration) -> Error {
        Error::Stuck {
            program: self.name.clone(),
            pid: self.pid(),
            expected,
            seconds: patience.as_secs(),
            said: self.said(),
        }
    }

    pub(crate) fn ended(&self, expected: &'static str) -> Error {
        Error::Ended {
            program: self.name.clone(),
            pid: self.pid(),
            expected,
            said: self.said(),
        }
    }

    /// All that it has said so far, up to 64 KiB.
    pub(crate) fn said(&self) -> String {
        self.said
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .all
            .clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
