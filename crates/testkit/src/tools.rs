//! Programs of others that read what goheap writes: each of a version that is written down here, in a
//! folder of the cache, `tools/<name>-<version>`, and installed when first needed.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::run;
use crate::{Error, Result, python, toolchains};

/// Reads heap snapshots of V8: a package of npm, and its version.
pub const MEMLAB: (&str, &str) = ("@memlab/core", "2.0.5");

/// The tools that tests use. A test installs what is missing by itself; `./test` does it beforehand, where
/// it can be seen.
pub const FOR_TESTS: [Tool; 3] = [
    Tool::Python(python::DUCKDB),
    Tool::Python(python::PYSPARK),
    Tool::Npm(MEMLAB.0, MEMLAB.1),
];

/// A tool, by where it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tool {
    /// A package of PyPI.
    Python(python::Package),
    /// A package of npm, and its version.
    Npm(&'static str, &'static str),
}

impl Tool {
    /// Its folder; it is installed if it is not there yet.
    ///
    /// # Errors
    /// No pip or npm; a download that failed; a full disk.
    pub fn place(&self) -> Result<PathBuf> {
        match self {
            Tool::Python(package) => python::installed(package),
            Tool::Npm(name, version) => npm(name, version),
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tool::Python(python::Package { name, version }) => write!(f, "{name} {version}"),
            Tool::Npm(name, version) => write!(f, "{name} {version}"),
        }
    }
}

/// A package of crates.io with a program of the same name, installed as its authors build it: the path of
/// the program.
///
/// # Errors
/// No cargo; crates.io is out of reach; it does not build.
pub fn cargo(name: &str, version: &str) -> Result<PathBuf> {
    let program = format!("bin/{name}");
    let place = installed(&format!("{name}-{version}"), &program, |half| {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["install", "--locked", "--quiet", "--version"])
            .arg(format!("={version}"))
            .arg("--root")
            .arg(half)
            .arg(name)
            // The checkout may name a toolchain and a target folder of its own.
            .current_dir(half)
            .env_remove("CARGO_TARGET_DIR");
        run(&mut cargo, &format!("cargo install {name} {version}")).map(drop)
    })?;
    Ok(place.join(program))
}

/// A package of npm with all that it needs: the folder that has its `node_modules`. Scripts of packages are
/// not run.
///
/// # Errors
/// No npm; the registry is out of reach.
pub fn npm(name: &str, version: &str) -> Result<PathBuf> {
    let folder = format!(
        "{}-{version}",
        name.trim_start_matches('@').replace('/', "-")
    );
    installed(
        &folder,
        &format!("node_modules/{name}/package.json"),
        |half| {
            let mut npm = Command::new("npm");
            npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"])
                .args(["--silent", "--prefix", "."])
                .arg(format!("{name}@{version}"))
                .current_dir(half);
            run(&mut npm, &format!("npm install {name}@{version}")).map(drop)
        },
    )
}

/// The folder of a tool: it is there if `proof`, a file or a folder, is in it.
pub(crate) fn installed(
    name: &str,
    proof: &str,
    install: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let tools = toolchains::cache()?.join("tools");
    let place = tools.join(name);
    if place.join(proof).exists() {
        return Ok(place);
    }
    fs::create_dir_all(&tools).map_err(Error::io("create", &tools))?;
    // One installs, others wait for it. The lock falls with the file.
    let lock_path = tools.join(format!(".{name}.lock"));
    let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if place.join(proof).exists() {
        return Ok(place);
    }
    let half = tempfile::Builder::new()
        .prefix(".install-")
        .tempdir_in(&tools)
        .map_err(Error::io("create a folder in", &tools))?;
    install(half.path())?;
    if !half.path().join(proof).exists() {
        return Err(Error::Incomplete {
            what: name.to_owned(),
            missing: PathBuf::from(proof),
        });
    }
    if place.exists() {
        fs::remove_dir_all(&place).map_err(Error::io("remove", &place))?;
    }
    fs::rename(half.path(), &place).map_err(Error::io("rename", half.path()))?;
    Ok(place)
}
