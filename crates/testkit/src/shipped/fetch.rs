//! Packages of others, by their names: of Debian's suites by apt, npm's, PyPI's. They lie unpacked in
//! the cache, each fetched once.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::toolchains;
use anyhow::{Context, Result, ensure};

/// A package.
#[derive(Debug, Clone, Copy)]
pub enum Package {
    /// Of a suite of Debian's.
    Debian(&'static str, &'static str),
    /// Of npm's registry.
    Npm(&'static str),
    /// A wheel, as pip is told of it: with `==` and a version where tests rest on it.
    PyPi(&'static str),
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Package::Debian(suite, name) => write!(f, "{name} (Debian {suite})"),
            Package::Npm(name) => write!(f, "{name} (npm)"),
            Package::PyPi(name) => write!(f, "{name} (PyPI)"),
        }
    }
}

/// The folder into which a package is unpacked; it is fetched if it is not there yet.
///
/// # Errors
/// It cannot be fetched or unpacked: with what the tool said.
pub fn fetch(name: &str, package: &Package) -> Result<PathBuf> {
    let cache = toolchains::cache()?.join("shipped");
    let place = cache.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    fetch_into(&cache, &place, package).with_context(|| {
        format!(
            "{package} is not in {}, and cannot be fetched (its registry has to be within reach \
             this once, or that folder brought along)",
            place.display()
        )
    })?;
    Ok(place)
}

fn fetch_into(cache: &Path, place: &Path, package: &Package) -> Result<()> {
    fs::create_dir_all(cache).with_context(|| cache.display().to_string())?;
    let lock = File::create(cache.join(".lock"))?;
    lock.lock()?;
    // Somebody else may have been quicker.
    if place.is_dir() {
        return Ok(());
    }
    let half = tempfile::Builder::new().prefix(".").tempdir_in(cache)?;
    let (down, out) = (half.path().join("down"), half.path().join("out"));
    fs::create_dir(&down)?;
    fs::create_dir(&out)?;
    match package {
        Package::Debian(suite, name) => {
            let options = apt(suite, cache)?;
            let get = |arguments: &[&str]| {
                let mut apt = Command::new("apt-get");
                apt.args(&options).arg("-qq").args(arguments);
                run(apt.current_dir(&down))
            };
            get(&["update"])?;
            get(&["download", name])?;
            run(Command::new("dpkg-deb")
                .arg("-x")
                .arg(only(&down)?)
                .arg(&out))?;
        }
        Package::Npm(name) => {
            run(Command::new("npm")
                .args(["pack", "--silent", name])
                .current_dir(&down))?;
            let packed = only(&down)?;
            run(Command::new("tar")
                .arg("-xzf")
                .arg(packed)
                .arg("-C")
                .arg(&out))?;
        }
        Package::PyPi(name) => {
            let pip = ["-m", "pip", "download", "--quiet", "--no-deps", "-d", "."];
            run(Command::new("python3")
                .args(pip)
                .arg(name)
                .current_dir(&down))?;
            run(Command::new("python3")
                .args(["-m", "zipfile", "-e"])
                .arg(only(&down)?)
                .arg(&out))?;
        }
    }
    fs::rename(&out, place).with_context(|| place.display().to_string())
}

/// Options by which apt knows one suite and nothing of what is installed, from where this machine has
/// its packages.
fn apt(suite: &str, cache: &Path) -> Result<Vec<String>> {
    let root = cache.join(format!("apt-{suite}"));
    for folder in ["lists/partial", "archives/partial"] {
        fs::create_dir_all(root.join(folder))?;
    }
    let (status, list) = (root.join("status"), root.join("sources.list"));
    fs::write(&status, "")?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let line = format!("deb [signed-by={keys}] {} {suite} main\n", mirror()?);
    fs::write(&list, line)?;
    let at = |path: &Path| path.display().to_string();
    Ok([
        ("Dir::Etc::sourcelist", at(&list)),
        ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
        ("Dir::State::lists", at(&root.join("lists"))),
        ("Dir::State::status", at(&status)),
        ("Dir::Cache::archives", at(&root.join("archives"))),
        ("Dir::Cache::pkgcache", String::new()),
        ("Dir::Cache::srcpkgcache", String::new()),
        ("Acquire::Languages", "none".to_owned()),
        ("APT::Sandbox::User", "root".to_owned()),
    ]
    .into_iter()
    .flat_map(|(name, value)| ["-o".to_owned(), format!("{name}={value}")])
    .collect())
}

/// Where this machine has Debian's packages from (sources.list(5), in both its forms).
fn mirror() -> Result<String> {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    let more = fs::read_dir("/etc/apt/sources.list.d")
        .into_iter()
        .flatten();
    files.extend(more.filter_map(|entry| Some(entry.ok()?.path())));
    files.sort();
    let ends = ["list", "sources"].map(Some);
    files.retain(|file| ends.contains(&file.extension().and_then(|end| end.to_str())));
    for file in files {
        let text = fs::read_to_string(&file).unwrap_or_default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let is_source = matches!(words.next(), Some("deb" | "URIs:"));
            let uri = words.find(|word| word.contains("://"));
            if let (true, Some(uri)) = (is_source, uri)
                && uri.trim_end_matches('/').ends_with("/debian")
            {
                return Ok(uri.to_owned());
            }
        }
    }
    anyhow::bail!("apt has no source of Debian's packages here")
}

/// The only file in a folder.
fn only(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    ensure!(entries.len() == 1, "not one file was fetched");
    Ok(entries[0].path())
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| program.clone())?;
    let said = String::from_utf8_lossy(&output.stderr);
    // The last lines say why.
    let lines: Vec<&str> = said.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(4)..].join("; ");
    let status = output.status;
    ensure!(status.success(), "{program}: {status}: {last}");
    Ok(())
}
