//! A program in C that has libraries with Go code loaded.

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::run;
use crate::obedient::Obedient;
use crate::{Error, Program, Result, toolchains};

/// The program in C, compiled once.
///
/// # Errors
/// There is no C compiler, or what it said.
pub fn host() -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("hosts/host.c");
    let text = fs::read(&source).map_err(Error::io("read", &source))?;
    let mut hasher = std::hash::DefaultHasher::new();
    text.hash(&mut hasher);
    let folder = toolchains::cache()?.join("programs");
    fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
    let executable = folder.join(format!("host-{:016x}", hasher.finish()));
    let lock_path = folder.join(".host.lock");
    let lock = File::create(&lock_path).map_err(Error::io("create", &lock_path))?;
    lock.lock().map_err(Error::io("lock", &lock_path))?;
    if !executable.is_file() {
        let half = folder.join(".host.half");
        let mut cc = Command::new("cc");
        cc.arg("-o").arg(&half).arg(&source).arg("-ldl");
        run(&mut cc, "cc of host.c")?;
        fs::rename(&half, &executable).map_err(Error::io("rename", &half))?;
    }
    Ok(executable)
}

/// Starts the program in C, and lets each library (built of `programs/carried`, with
/// [`c_shared`](crate::BuildOptions::c_shared)) make so many objects.
///
/// # Errors
/// It cannot be built, or a library cannot be loaded.
pub fn start(libraries: &[(&Path, u64)]) -> Result<Obedient> {
    let counts: Vec<String> = libraries.iter().map(|(_, n)| n.to_string()).collect();
    let mut arguments: Vec<&str> = Vec::new();
    for ((path, _), count) in libraries.iter().zip(&counts) {
        arguments.extend([path.to_str().unwrap_or_default(), count]);
    }
    Obedient::start(&program(host()?)?, &arguments)
}

/// The C program, as what [`Obedient`] starts.
fn program(executable: PathBuf) -> Result<Program> {
    Ok(Program {
        name: "host".to_owned(),
        version: "(C)",
        goroot: toolchains::cache()?,
        executable,
    })
}
