//! Python packages that tests ask for a second opinion, each in a folder of the cache of its own, by pip
//! and with a version: `tools/duckdb-2.0.1`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::run;
use crate::{Result, tools};

/// DuckDB, an engine for SQL over files.
pub const DUCKDB: Package = Package {
    name: "duckdb",
    version: "2.0.1",
};

/// Spark with its Python library; it needs a Java runtime of at least 17 (`.ci/packages`).
pub const PYSPARK: Package = Package {
    name: "pyspark",
    version: "4.3.0",
};

/// A package of PyPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Its name; that of its module is the same.
    pub name: &'static str,
    /// The version.
    pub version: &'static str,
}

/// A Python that knows these packages; they are installed if they are not there yet.
///
/// # Errors
/// No pip; a download that failed; a full disk.
pub fn python(packages: &[Package]) -> Result<Command> {
    let mut path = OsString::new();
    for package in packages {
        let folder = installed(package)?;
        if !path.is_empty() {
            path.push(":");
        }
        path.push(folder);
    }
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", path).env("PYTHONNOUSERSITE", "1");
    Ok(python)
}

/// The folder that has a package.
pub(crate) fn installed(package: &Package) -> Result<PathBuf> {
    let Package { name, version } = package;
    tools::installed(&format!("{name}-{version}"), name, |half| {
        pip(half, &format!("{name}=={version}"))
    })
}

/// `--target` needs neither a virtual environment nor leave of the system's own packages.
fn pip(folder: &Path, requirement: &str) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--no-cache-dir"])
        .args(["--disable-pip-version-check", "--target"])
        .arg(folder)
        .arg(requirement);
    run(&mut pip, &format!("pip install {requirement}")).map(drop)
}
