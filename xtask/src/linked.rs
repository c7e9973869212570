//! A heap of many small objects, for the benches: the program `linked`, and goheap's dump of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program, build};

use crate::measure;

/// Where objects lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Links {
    /// Each to the one that was made before it.
    InOrder,
    /// Anywhere in the heap.
    Scattered,
}

/// The program, when it has made so many objects.
pub(crate) fn start(go: &str, objects: u64, links: Links) -> Result<(Program, Obedient)> {
    let program = build(go, "linked", &BuildOptions::default())?;
    eprintln!("making {objects} objects");
    let objects = objects.to_string();
    let mut arguments = vec![objects.as_str()];
    if links == Links::Scattered {
        arguments.push("scattered");
    }
    let target = Obedient::start(&program, &arguments)?;
    Ok((program, target))
}

/// A dump of it in this folder; the program has ended.
pub(crate) fn dump(
    go: &str,
    (objects, links): (u64, Links),
    goheap: &Path,
    folder: &Path,
) -> Result<PathBuf> {
    let (_, target) = start(go, objects, links)?;
    let path = folder.join("linked.heapdump");
    write(goheap, &target, &path)?;
    Ok(path)
}

/// A dump of it as it is.
pub(crate) fn write(goheap: &Path, target: &Obedient, path: &Path) -> Result<()> {
    let mut dump = Command::new(goheap);
    dump.args(["dump", &target.pid().to_string(), "-o"])
        .arg(path);
    measure::of(&dump)?;
    ensure!(path.is_file(), "there is no dump");
    Ok(())
}
