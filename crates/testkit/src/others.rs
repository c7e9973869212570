//! Go programs of others, built with DWARF by any toolchain: etcd, from the sources that Debian
//! packages, and the Go compiler, from the toolchain's own.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::run;
use crate::program::go;
use crate::{Error, Program, Result, toolchains};

/// Debian's package of etcd's sources, and of all that they need.
const ETCD: &str = "golang-etcd-server-dev";

/// Where Debian puts Go's packages.
const GOPATH: &str = "/usr/share/gocode";

/// The package that the compiler is given to compile: its biggest of its own.
const COMPILED: &str = "cmd/compile/internal/ssa";

/// etcd, built by the toolchain of that version, `stripped` or not; its sources are installed if they
/// are not there.
///
/// # Errors
/// No apt, or not allowed to install; what the compiler said.
pub fn etcd(version: &str, stripped: bool) -> Result<Program> {
    let sources = Path::new(GOPATH).join("src/go.etcd.io/etcd");
    if !sources.is_dir() {
        let install = || {
            let mut apt = Command::new("apt-get");
            apt.args(["install", "-qq", "-y", "--no-install-recommends", ETCD])
                .env("DEBIAN_FRONTEND", "noninteractive");
            run(&mut apt, &format!("apt-get install {ETCD}"))
        };
        if install().is_err() {
            let mut update = Command::new("apt-get");
            update.args(["update", "-qq"]);
            let updated = run(&mut update, "apt-get update");
            install().map_err(|e| updated.err().unwrap_or(e))?;
        }
    }
    build(version, "etcd", "go.etcd.io/etcd", stripped)
}

/// `cmd/compile`, built again by its own toolchain, whose copy may or may not be stripped.
///
/// # Errors
/// What [`toolchains::goroot`] says, or what the compiler said.
pub fn compiler(version: &str, stripped: bool) -> Result<Program> {
    build(version, "compile", "cmd/compile", stripped)
}

/// What a compiler needs on its command line to compile `cmd/compile/internal/ssa` of its own
/// toolchain, with four workers. What it imports is compiled first; `folder` gets the result and the
/// list of imports.
///
/// # Errors
/// What `go list` said; a folder that cannot be written.
pub fn compiler_arguments(compiler: &Program, folder: &Path) -> Result<Vec<OsString>> {
    let list = |arguments: &[&str]| {
        let mut go = go(&compiler.goroot);
        go.env("CGO_ENABLED", "0").arg("list").args(arguments);
        let said = run(&mut go, &format!("go list {COMPILED}"))?;
        Ok::<_, Error>(String::from_utf8_lossy(&said).into_owned())
    };
    let export = "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}";
    let imports = list(&["-export", "-deps", "-f", export, COMPILED])?;
    let importcfg = folder.join("importcfg");
    fs::write(&importcfg, imports).map_err(Error::io("write", &importcfg))?;
    let files = list(&["-f", "{{range .GoFiles}}{{$.Dir}}/{{.}}\n{{end}}", COMPILED])?;
    let mut arguments: Vec<OsString> = vec!["-o".into(), folder.join("ssa.a").into()];
    arguments.extend(["-p", COMPILED, "-std", "-pack", "-c=4", "-importcfg"].map(OsString::from));
    arguments.push(importcfg.into());
    arguments.extend(files.lines().filter(|l| !l.is_empty()).map(OsString::from));
    Ok(arguments)
}

fn build(version: &str, name: &str, package: &str, stripped: bool) -> Result<Program> {
    let version = toolchains::version(version)?;
    let goroot = toolchains::goroot(version.number)?;
    let folder = toolchains::cache()?.join("others");
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let kind = if stripped { "-stripped" } else { "" };
    let executable = folder.join(format!("{name}-{}{kind}", version.number));
    let lock_path = folder.join(format!(".{name}-{}{kind}.lock", version.number));
    let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if !executable.is_file() {
        let half: PathBuf = folder.join(format!(".{name}-{}{kind}.half", version.number));
        let mut go = go(&goroot);
        go.env("GOPATH", GOPATH)
            .env("CGO_ENABLED", "0")
            .current_dir(&folder)
            .args(["build", "-o"])
            .arg(&half);
        if stripped {
            go.arg("-ldflags=-s -w");
        }
        go.arg(package);
        run(
            &mut go,
            &format!("go build of {name} by Go {}", version.number),
        )?;
        fs::rename(&half, &executable).map_err(Error::io("rename", &half))?;
    }
    Ok(Program {
        name: name.to_owned(),
        version: version.number,
        executable,
        goroot,
    })
}
