//! goheap's capture of a process, by its binary: the dump, and what it says of it.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Error, Result};

/// A dump and what was said about it.
#[derive(Debug)]
pub struct Capture {
    /// The dump, from its header to its last byte.
    pub dump: Vec<u8>,
    /// What `--json` said: see docs/commands.md, `goheap.dump/1`.
    pub told: serde_json::Value,
}

/// Runs `goheap dump SOURCE -o - --json` with more options.
///
/// # Errors
/// A goheap that cannot be started, or that fails: with what it said.
pub fn capture(goheap: &Path, source: &str, options: &[&str]) -> Result<Capture> {
    let mut command = Command::new(goheap);
    command
        .args(["dump", source, "-o", "-", "--json"])
        .args(options)
        .stdin(Stdio::null());
    let output = command.output().map_err(|source| Error::Spawn {
        program: goheap.display().to_string(),
        source,
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let told = said
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok());
    match told {
        Some(told) if output.status.success() => Ok(Capture {
            dump: output.stdout,
            told,
        }),
        _ => Err(Error::Failed {
            what: format!("goheap dump {source}"),
            status: output.status,
            stderr: said.trim().to_owned(),
        }),
    }
}

impl Capture {
    /// How many gaps it told of.
    pub fn gap_count(&self) -> u64 {
        self.told["gaps"]["count"].as_u64().unwrap_or(u64::MAX)
    }

    /// The gaps, as `what at address: why`.
    pub fn gaps(&self) -> Vec<String> {
        let text =
            |gap: &serde_json::Value, name: &str| gap[name].as_str().unwrap_or_default().to_owned();
        self.told["gaps"]["first"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|gap| {
                format!(
                    "{} at {}: {}",
                    text(gap, "what"),
                    text(gap, "address"),
                    text(gap, "why")
                )
            })
            .collect()
    }
}
