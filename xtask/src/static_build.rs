//! `cargo xtask static`: goheap as one file that needs nothing else, and a look whether that is so.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::repository::cargo;

/// Rust's name for Linux with musl.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// Builds it, checks it, and prints where it is.
pub(crate) fn run() -> Result<bool> {
    let output = cargo()
        .args(["build", "--release", "-p", "goheap", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        // zstd is C, and wants musl's headers.
        .env("CC_x86_64_unknown_linux_musl", "musl-gcc")
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!(
            "cargo build --target {TARGET}: {}; it takes `rustup target add {TARGET}`, and musl-gcc \
             (Debian: musl-tools)",
            output.status
        );
    }
    let binary = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "goheap")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .context("cargo told of no executable goheap")?;
    needs_nothing(&binary)?;
    let version = Command::new(&binary).arg("--version").output()?;
    ensure!(
        version.status.success(),
        "{}: {}",
        binary.display(),
        version.status
    );
    println!("{}", binary.display());
    Ok(true)
}

/// Makes sure that an executable names no interpreter (elf.h: PT_INTERP is 3), so that the kernel alone
/// loads it.
fn needs_nothing(binary: &Path) -> Result<()> {
    let bytes = std::fs::read(binary)?;
    let word = |at: usize, len: usize| -> Result<u64> {
        let bytes = bytes
            .get(at..at + len)
            .context("an executable that is cut off")?;
        Ok(bytes
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)))
    };
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "no ELF of 64 bits");
    let (table, size, count) = (word(32, 8)?, word(54, 2)?, word(56, 2)?);
    for i in 0..count {
        let at = usize::try_from(table + i * size)?;
        ensure!(
            word(at, 4)? != 3,
            "{} wants an interpreter",
            binary.display()
        );
    }
    Ok(())
}
