//! Core files of a program that stands still, by gdb's `gcore`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::run;
use crate::{Error, Result};

/// Writes a core of a process into a folder, and leaves the process as it was: gdb attaches, reads
/// and detaches. A program that stands still goes on standing still.
///
/// # Errors
/// If gdb is not installed, or may not attach.
pub fn of(pid: u32, folder: &Path) -> Result<PathBuf> {
    let path = folder.join(format!("core.{pid}"));
    let mut gdb = Command::new("gdb");
    // No symbols are needed, and Go's scripts would be refused with a warning each.
    gdb.args([
        "-nx",
        "-nh",
        "-batch",
        "-iex",
        "set auto-load off",
        "-iex",
        "set debuginfod enabled off",
    ])
    .args(["-iex", "set auto-solib-add off"])
    .arg("-p")
    .arg(pid.to_string())
    .arg("-ex")
    .arg(format!("generate-core-file {}", path.display()))
    .args(["-ex", "detach"]);
    run(&mut gdb, &format!("gdb's core of process {pid}"))?;
    if path.is_file() {
        Ok(path)
    } else {
        Err(Error::Incomplete {
            what: format!("gdb's core of process {pid}"),
            missing: path,
        })
    }
}
