//! Is there room for an image? It is found out before anything of it is written: a full disk, or a
//! machine out of memory, harms more than the process that is looked at.

use std::fs;
use std::path::Path;

use super::Failed;
use crate::supervisor::headroom::Headroom;
use crate::{Process, ProcessError, proc, sys};

const MIB: u64 = 1 << 20;

/// What must be left in any case: others write to that disk, too.
const LEFT: u64 = 64 * MIB;

/// Makes sure that an image of the process, and `beside` bytes that its reader is going to write there,
/// fit into a directory.
///
/// # Errors
/// They do not; what is needed, what there is, and what to do.
pub(super) fn check(process: &Process, directory: &Path, beside: u64) -> Result<(), Failed> {
    let image = private_bytes(process.pid());
    // What the process writes to, and maps anew, while it is copied.
    let needed = image
        .saturating_add(image / 8)
        .saturating_add(beside)
        .saturating_add(LEFT);
    let place = sys::place_of(directory).map_err(|errno| ProcessError::Image {
        pid: process.pid(),
        directory: directory.to_owned(),
        source: std::io::Error::from_raw_os_error(errno),
    })?;
    let what = format!(
        "a copy of its memory needs {} MiB in {}",
        needed / MIB,
        directory.display()
    );
    let else_do =
        "write to another directory (-o, or TMPDIR), or take --method fork, which needs none";
    if place.free < needed {
        let free = place.free / MIB;
        return Err(Failed::NotOpen(format!(
            "{what}, where {free} MiB are free; {else_do}"
        )));
    }
    if place.is_memory
        && let Some((of, free)) = Headroom::of(std::process::id()).least()
        && free < needed
    {
        let free = free / MIB;
        return Err(Failed::NotOpen(format!(
            "{what}, which is memory, and {of} has {free} MiB of that left; {else_do}"
        )));
    }
    Ok(())
}

/// Bytes of a process's memory that may be copied: what is of no file, in memory or swapped out.
fn private_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(proc::path(pid, "status")).unwrap_or_default();
    // proc(5): "RssAnon:     1234 kB"
    let size = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let sizes = ["RssAnon:", "VmSwap:"].map(|name| size(name).unwrap_or(0));
    sizes.iter().sum::<u64>().saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_is_refused_with_the_figures() {
        let process = Process::find(std::process::id()).expect("this process");
        let directory = std::env::temp_dir();
        assert!(
            check(&process, &directory, 0).is_ok(),
            "hardly anything fits"
        );
        let Err(Failed::NotOpen(why)) = check(&process, &directory, 1 << 60) else {
            panic!("an exbibyte fits");
        };
        assert!(
            why.contains("MiB in") && why.contains("free") && why.contains("-o"),
            "{why}"
        );
        let nowhere = Path::new("/nowhere/at/all");
        assert!(matches!(check(&process, nowhere, 0), Err(Failed::Error(_))));
    }
}
