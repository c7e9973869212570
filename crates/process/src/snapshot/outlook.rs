//! What is in the way of a method, as far as that shows without touching the process. Taking a snapshot
//! and telling beforehand whether one could be taken ask the same.

use std::ops::Range;

use goheap_memory::{Addr, Machine};

use super::{Failed, Method, SnapshotOptions, fork, room};
use crate::pages::PAGE;
use crate::proc::Status;
use crate::supervisor::protocol::Hosts;
use crate::{Process, ProcessError, Seccomp, sys, userfault};

/// Whether a method is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prospect {
    /// The method.
    pub method: Method,
    /// What is in its way, and what to do about it, in words; `None` if nothing is that shows without
    /// touching the process.
    pub obstacle: Option<String>,
}

/// What would become of the methods; see [`Process::prospects`].
pub(crate) fn prospects(
    process: &Process,
    options: &SnapshotOptions,
) -> Result<Vec<Prospect>, ProcessError> {
    process.check_access()?;
    let prospects = Method::ALL.map(|method| Prospect {
        method,
        obstacle: obstacle(process, options, method).err(),
    });
    Ok(prospects.into())
}

/// What is in the way of a method.
pub(super) fn obstacle(
    process: &Process,
    options: &SnapshotOptions,
    method: Method,
) -> Result<(), String> {
    let page = sys::page_size();
    if page != PAGE {
        return Err(format!(
            "this kernel's pages have {page} bytes, and goheap copies pages of {PAGE}"
        ));
    }
    match method {
        Method::PreCopy => {
            hosts(process, options)?;
            userfault::is_supported_here()?;
            if !sys::may_take_descriptors() {
                return Err(
                    "a seccomp filter of goheap's own (a container's) forbids it to take over a descriptor \
                     (pidfd_getfd); run it with --cap-add=SYS_PTRACE, which opens that in Docker's default \
                     profile, or without a filter"
                        .to_owned(),
                );
            }
            room_for_an_image(process, options)
        }
        Method::Fork => {
            hosts(process, options)?;
            fork::obstacle(process.pid(), options)
        }
        Method::Stop => room_for_an_image(process, options),
    }
}

/// Whether there is room for a copy in a file.
fn room_for_an_image(process: &Process, options: &SnapshotOptions) -> Result<(), String> {
    room::check(process, &options.directory, options.beside).map_err(|failed| match failed {
        Failed::NotOpen(why) => why,
        Failed::Error(error) => error.to_string(),
    })
}

/// Where system calls may be made in the process, or why none may.
pub(super) fn hosts(process: &Process, options: &SnapshotOptions) -> Result<Hosts, String> {
    match process.machine() {
        Machine::Amd64 => {}
        // Its way into the kernel is another one, and so is its way out of a wait.
        Machine::X86 => {
            return Err("it is a 32-bit program, in which goheap makes no system calls".to_owned());
        }
        other => {
            let goarch = other.goarch();
            return Err(format!(
                "goheap makes no system calls in programs for {goarch}"
            ));
        }
    }
    if options.sites.is_empty() {
        return Err(
            "no place in the program is known where a system call could be made".to_owned(),
        );
    }
    if matches!(process.state(), 'T' | 't') {
        return Err(
            "it is stopped by a signal, and would run for a call that is made in it".to_owned(),
        );
    }
    // As it is now: a filter may have been set since it was found.
    let directory = crate::proc::path(process.pid(), "");
    let filtered = match Status::read(&directory) {
        Ok(status) => status.seccomp != 0,
        Err(_) => process.seccomp() != Seccomp::Disabled,
    };
    if filtered && let Err(errno) = sys::may_suspend_seccomp() {
        let how = match errno {
            libc::EPERM => {
                "run goheap with CAP_SYS_ADMIN (sudo), which may suspend it for one call, and without a \
                 filter of its own"
            }
            _ => "and this kernel cannot suspend it (CONFIG_CHECKPOINT_RESTORE)",
        };
        return Err(format!(
            "it has a seccomp filter, which might end it for a system call that it never made; {how}"
        ));
    }
    // A filter is suspended for as long as the supervisor lives: killed in the few microseconds of a
    // call, it would leave the call to a filter that may end the process for it.
    if filtered && options.method.is_none() {
        return Err(
            "it has a seccomp filter, which would have to be suspended for one call; that is done if it \
             is asked for by name (docs/harm.md tells what could go wrong)"
                .to_owned(),
        );
    }
    let site = |site: &Range<Addr>| site.start.get()..site.end.get();
    Ok(Hosts {
        sites: options.sites.iter().map(site).collect(),
        suspend_seccomp: filtered,
    })
}
