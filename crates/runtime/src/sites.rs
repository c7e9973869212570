//! Where the runtime waits in the kernel and does not mind being woken for nothing.

use std::ops::Range;

use goheap_memory::Addr;

use crate::{WalkError, World};

/// Code whose waits may come back early, with any result, without harm: the runtime's wrappers of
/// futex(2) and nanosleep(2).
///
/// Who calls them loops until what it waits for is so, or asked for a rest and nothing more; the
/// result is not looked at (`runtime/os_linux.go`: `futexsleep`; `runtime/lock_futex.go`;
/// `runtime/sys_linux_amd64.s`: `futex`, `usleep`; go1.19 to go1.27). C's own waits are not like that:
/// glibc ends a program whose futex returns what it does not know.
///
/// # Errors
/// The function table cannot be read.
pub fn patient_sites(world: &World<'_>) -> Result<Vec<Range<Addr>>, WalkError> {
    let mut sites = Vec::new();
    for name in [
        "runtime.futex.abi0",
        "runtime.futex",
        "runtime.usleep.abi0",
        "runtime.usleep",
    ] {
        // What is not there by its name is no place to choose.
        let Some(entry) = world.program.address(name) else {
            continue;
        };
        if let Some(found) = world.find_func(entry)? {
            sites.push(found.entry()..found.module.text_address(found.func.end()));
        }
    }
    Ok(sites)
}
