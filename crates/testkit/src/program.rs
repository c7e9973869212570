//! Builds the Go programs of the test kit, by any toolchain and with any options, once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::run;
use crate::{Error, Result, garbled, toolchains};

/// How a program is built. The default is what `go build` does without flags, cgo off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct BuildOptions {
    /// Build tags.
    pub tags: Vec<&'static str>,
    /// `-race`; it needs cgo, which is turned on for it.
    pub race: bool,
    /// `-buildmode=pie`.
    pub pie: bool,
    /// `-buildmode=plugin`; it needs cgo, which is turned on for it.
    pub plugin: bool,
    /// `-buildmode=c-shared`, a library for C; it needs cgo, which is turned on for it.
    pub c_shared: bool,
    /// `-gcflags=all=...`: `-N -l` turns the optimiser off.
    pub gcflags: Option<&'static str>,
    /// GOEXPERIMENT.
    pub goexperiment: Option<&'static str>,
    /// CGO_ENABLED.
    pub cgo: bool,
    /// `-ldflags`.
    pub ldflags: Option<&'static str>,
    /// The runtime expects a function table as garble leaves it: only a copy with
    /// [`Alteration::Garbled`](crate::altered::Alteration::Garbled) can be run.
    pub garbled: bool,
}

/// A program that has been built.
#[derive(Debug, Clone)]
pub struct Program {
    /// Its name: a folder under `programs/`.
    pub name: String,
    /// The version of the toolchain that built it.
    pub version: &'static str,
    /// The executable.
    pub executable: PathBuf,
    /// The GOROOT that built it.
    pub goroot: PathBuf,
}

/// Builds `programs/<name>` by the toolchain of that version. The result lies in the cache and is
/// built again when the sources, the options or the version are others.
///
/// # Errors
/// What [`toolchains::goroot`] says, or what the compiler said.
pub fn build(version: &str, name: &str, options: &BuildOptions) -> Result<Program> {
    build_for(None, version, name, options)
}

/// The same for another processor than this one, by Go's name for it.
///
/// # Errors
/// As [`build`].
pub fn build_for(
    goarch: Option<&str>,
    version: &str,
    name: &str,
    options: &BuildOptions,
) -> Result<Program> {
    let version = toolchains::version(version)?;
    let goroot = toolchains::goroot(version.number)?;
    let mut sources = BTreeMap::new();
    for folder in ["shared", name] {
        read_sources(&programs().join(folder), &mut sources)?;
    }
    let mut hasher = std::hash::DefaultHasher::new();
    (version.number, name, options, &sources).hash(&mut hasher);
    if let Some(goarch) = goarch {
        goarch.hash(&mut hasher);
    }
    let key = format!("{name}-{}-{:016x}", version.number, hasher.finish());
    let folder = toolchains::cache()?.join("programs");
    let executable = folder.join(&key).join(name);
    let program = Program {
        name: name.to_owned(),
        version: version.number,
        executable,
        goroot,
    };
    if program.executable.is_file() {
        return Ok(program);
    }

    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let lock_path = folder.join(format!(".{key}.lock"));
    let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if program.executable.is_file() {
        return Ok(program);
    }
    let temp = tempfile::Builder::new()
        .prefix(".build-")
        .tempdir_in(&folder)
        .map_err(Error::io("create a folder in", &folder))?;
    for (file, text) in &sources {
        let path = temp.path().join(file);
        fs::write(&path, text).map_err(Error::io("write", &path))?;
    }
    let overlay = match options.garbled {
        true => Some(overlay(&garbled::runtime(&program.goroot)?, temp.path())?),
        false => None,
    };
    let go = |arguments: &[&str]| {
        let mut go = go(&program.goroot);
        go.current_dir(temp.path()).args(arguments);
        if let Some(overlay) = &overlay {
            go.arg("-overlay").arg(overlay);
        }
        configure(&mut go, options, goarch);
        go.arg(".");
        go
    };
    run(
        &mut go(&["build", "-o", name]),
        &format!("go build of {name} by Go {}", version.number),
    )?;
    forget_archive(&mut go(&["list", "-export", "-f", "{{.Export}}"]));
    let place = folder.join(&key);
    if place.exists() {
        fs::remove_dir_all(&place).map_err(Error::io("remove", &place))?;
    }
    let built = temp.keep();
    fs::rename(&built, &place).map_err(Error::io("rename", &built))?;
    Ok(program)
}

/// Writes files that a build takes instead of those of the toolchain, and the list of them that it is
/// given (`go help build`: `-overlay`), into a folder of their own in `temp`.
fn overlay(files: &[(PathBuf, String)], temp: &Path) -> Result<PathBuf> {
    let folder = temp.join("overlay");
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let mut replaced = Vec::new();
    for (number, (file, text)) in files.iter().enumerate() {
        let path = folder.join(format!("{number}.go"));
        fs::write(&path, text).map_err(Error::io("write", &path))?;
        // Rust's quotes are JSON's, but for characters that no such path has.
        replaced.push(format!("{:?}: {:?}", file.display().to_string(), path));
    }
    let list = folder.join("overlay.json");
    let text = format!("{{\"Replace\": {{{}}}}}", replaced.join(", "));
    fs::write(&list, text).map_err(Error::io("write", &list))?;
    Ok(list)
}

/// Flags and environment of a build.
fn configure(go: &mut Command, options: &BuildOptions, goarch: Option<&str>) {
    if !options.tags.is_empty() {
        go.arg("-tags").arg(options.tags.join(","));
    }
    if options.race {
        go.arg("-race");
    }
    if options.pie {
        go.arg("-buildmode=pie");
    }
    if options.plugin {
        go.arg("-buildmode=plugin");
    }
    if options.c_shared {
        go.arg("-buildmode=c-shared");
    }
    if let Some(flags) = options.gcflags {
        go.arg(format!("-gcflags=all={flags}"));
    }
    if let Some(flags) = options.ldflags {
        go.arg("-ldflags").arg(flags);
    }
    if let Some(experiment) = options.goexperiment {
        go.env("GOEXPERIMENT", experiment);
    }
    if let Some(goarch) = goarch {
        go.env("GOARCH", goarch);
    }
    go.env(
        "CGO_ENABLED",
        if options.cgo || options.race || options.plugin || options.c_shared {
            "1"
        } else {
            "0"
        },
    );
}

/// Removes the archive of the main package from Go's build cache: `go list -export` tells where it lies.
/// That is up to 240 MB a build, and never asked for again: the key in Go's cache has the folder of the
/// package in it (cmd/go/internal/work/exec.go, `buildActionID`), which here is another one each time, and
/// the program is kept beside. Nothing is lost if it fails, for what is missing there Go makes anew.
fn forget_archive(list: &mut Command) {
    let Ok(output) = list.output() else {
        return;
    };
    let path = String::from_utf8_lossy(&output.stdout);
    let path = Path::new(path.trim());
    let is_ours = toolchains::cache().is_ok_and(|cache| path.starts_with(cache.join("gocache")));
    if output.status.success() && is_ours {
        let _ = fs::remove_file(path);
    }
}

/// The `go` command of a toolchain, in an environment that lets it be no other one.
pub fn go(goroot: &Path) -> Command {
    let mut go = Command::new(goroot.join("bin/go"));
    go.env_remove("GOROOT")
        .env("GOTOOLCHAIN", "local")
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOENV", "off")
        .env("GOEXPERIMENT", "")
        .env_remove("GOOS")
        .env_remove("GOARCH");
    if let Ok(cache) = toolchains::cache() {
        go.env("GOCACHE", cache.join("gocache"));
    }
    go
}

/// Where the sources of the test kit's programs are, a folder for each.
pub fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}

fn read_sources(folder: &Path, sources: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        if let Some(name) = path.file_name().and_then(|n| n.to_str()) {
            let text = fs::read(&path).map_err(Error::io("read", &path))?;
            sources.insert(name.to_owned(), text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_of_a_program_is_not_kept() {
        let goroot = toolchains::goroot("1.24.3").unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("main.go"),
            "package main\n\nfunc main() { println() }\n",
        )
        .unwrap();
        let go = |arguments: &[&str]| {
            let mut go = go(&goroot);
            go.current_dir(folder.path()).args(arguments).arg(".");
            go
        };
        run(&mut go(&["build", "-o", "program"]), "go build").unwrap();
        let list = || go(&["list", "-export", "-f", "{{.Export}}"]);
        let listed = run(&mut list(), "go list").unwrap();
        let archive = PathBuf::from(String::from_utf8(listed).unwrap().trim());
        assert!(archive.is_file(), "{}", archive.display());
        forget_archive(&mut list());
        assert!(!archive.exists(), "{}", archive.display());
        // Go does without.
        run(&mut go(&["build", "-o", "again"]), "go build").unwrap();
    }
}
