//! A program of the test kit that runs on, and dumps its heap into a file whenever it is told.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::program::Program;
use crate::target::Running;
use crate::{Error, Result, procfs};

/// A running program.
#[derive(Debug)]
pub struct Obedient {
    running: Running,
}

impl Obedient {
    /// Starts it, and waits until it has set itself up.
    ///
    /// # Errors
    /// A program that ends, or is not ready in two minutes.
    pub fn start(program: &Program, arguments: &[&str]) -> Result<Obedient> {
        Obedient::start_in(program, arguments, &[])
    }

    /// The same with more in its environment.
    ///
    /// # Errors
    /// As [`start`](Obedient::start).
    pub fn start_in(
        program: &Program,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Obedient> {
        let running = Running::start(program, arguments, environment, Stdio::null())?;
        running.hear("ready", "be ready")?;
        Ok(Obedient { running })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// All that it has said so far, up to 64 KiB.
    pub fn said(&self) -> String {
        self.running.said()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.running.has_ended()
    }

    /// Gives it an order of its own kind, and waits for the line that starts with `answer`: the rest
    /// of that line.
    ///
    /// # Errors
    /// A program that dies of it, or that does not answer in two minutes.
    pub fn ask(&mut self, order: &str, answer: &str) -> Result<String> {
        self.running.tell(order)?;
        self.running.hear(answer, "answer")
    }

    /// Lets it write its own dump into a file; how long its `WriteHeapDump` took, as it says.
    ///
    /// # Errors
    /// A program that dies of it, or cannot open the file.
    pub fn dump(&mut self, to: &Path) -> Result<Duration> {
        self.running.tell(&format!("dump {}", to.display()))?;
        let took = self.running.hear("took", "finish its dump")?;
        let path = PathBuf::from("what the program says");
        took.parse()
            .map(Duration::from_nanos)
            .map_err(|_| Error::Proc { path, text: took })
    }

    /// The processor time that its threads have had so far.
    ///
    /// # Errors
    /// If it is gone.
    pub fn cpu(&self) -> Result<Duration> {
        let pid = self.pid();
        let mut total = Duration::ZERO;
        for tid in procfs::thread_ids(pid)? {
            let path = PathBuf::from(format!("/proc/{pid}/task/{tid}/schedstat"));
            let text = std::fs::read_to_string(&path).map_err(Error::io("read", &path))?;
            let nanoseconds = text.split(' ').next().and_then(|n| n.parse().ok());
            total += nanoseconds
                .map(Duration::from_nanos)
                .ok_or(Error::Proc { path, text })?;
        }
        Ok(total)
    }
}
