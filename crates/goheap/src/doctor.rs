//! `goheap doctor`: what would work on a process, and what to change, without touching it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use goheap_process::doctor::{Own, Seen, Surroundings, free_bytes};
use goheap_process::{Method, Prospect, Seccomp};

use crate::args::DoctorArgs;
use crate::capture::{Scratch, Subject};
use crate::error::CommandError;
use crate::source::Source;
use crate::text;
use crate::unnamed;

mod advice;
mod page;

use page::DoctorValue;

pub(crate) fn run(args: &DoctorArgs) -> Result<ExitCode, CommandError> {
    let Source::Process(pid) = Source::of(&args.pid)? else {
        return Err(CommandError::NotAProcess {
            what: args.pid.to_string_lossy().into_owned(),
        });
    };
    let report = Report::of(pid, args)?;
    let mut out = text::stdout();
    let written = match args.json {
        true => text::json(&mut out, &DoctorValue::of(&report)),
        false => page::print(&report, &mut out),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(match report.taken() {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(1),
    })
}

/// What was found.
struct Report {
    pid: u32,
    around: Surroundings,
    /// What is open, or why nothing is.
    prospects: Result<Vec<Prospect>, CommandError>,
    /// The version of Go that it was built with, if it could be found.
    go: Option<String>,
    checks: Vec<Check>,
}

/// One thing that was looked at.
struct Check {
    /// In a word or two.
    what: &'static str,
    /// Whether it is as it should be; `None` if it is neither good nor bad.
    good: Option<bool>,
    /// What was found.
    found: String,
    /// What to do about it.
    change: Vec<String>,
}

impl Check {
    fn new(what: &'static str, good: Option<bool>, found: impl Into<String>) -> Check {
        Check {
            what,
            good,
            found: found.into(),
            change: Vec::new(),
        }
    }

    fn change(mut self, change: impl IntoIterator<Item = String>) -> Check {
        self.change.extend(change);
        self
    }
}

impl Report {
    fn of(pid: u32, args: &DoctorArgs) -> Result<Report, CommandError> {
        let around = Surroundings::of(pid)?;
        let directory = args
            .output
            .as_deref()
            .map_or_else(unnamed::directory, crate::dump::beside);
        let mut go = None;
        let source = Source::Process(pid);
        let subject = Subject::open(&source, &args.exe);
        let prospects = subject.and_then(|subject| {
            go.clone_from(&subject.facts.go_version);
            subject.prospects(Scratch {
                directory: &directory,
                // A dump without a name for it goes elsewhere.
                beside: args.output.as_ref().map_or(0, |_| subject.expected_bytes()),
            })
        });
        let mut report = Report {
            pid,
            around,
            prospects,
            go,
            checks: Vec::new(),
        };
        report.checks = report.look(&directory);
        Ok(report)
    }

    /// The method that `dump` would take.
    fn taken(&self) -> Option<Method> {
        let prospects = self.prospects.as_ref().ok()?;
        let open = prospects.iter().find(|one| one.obstacle.is_none())?;
        Some(open.method)
    }

    fn look(&self, directory: &Path) -> Vec<Check> {
        let (own, target) = (&self.around.own, &self.around.target);
        let mut checks = vec![self.go(), self.access()];
        checks.push(user(own, target));
        if let Some(scope) = self.around.yama {
            checks.push(yama(scope, own));
        }
        checks.push(self.kernel());
        checks.push(seccomp(self.pid, &self.around));
        checks.extend(self.memory());
        checks.push(disk(directory, target));
        checks.extend(self.container());
        checks
    }

    fn go(&self) -> Check {
        match (&self.prospects, &self.go) {
            (Ok(_), Some(version)) => Check::new("Go", Some(true), version.clone()),
            (Ok(_), None) => Check::new("Go", Some(true), "a version that is known"),
            (Err(error), go) if advice::is_about_the_program(error) => {
                let version = go.as_ref().map_or(String::new(), |go| format!("{go}: "));
                Check::new("Go", Some(false), format!("{version}{error}"))
            }
            (Err(_), Some(version)) => Check::new("Go", None, version.clone()),
            (Err(_), None) => {
                Check::new("Go", None, "not looked at: its executable cannot be read")
            }
        }
    }

    fn access(&self) -> Check {
        match &self.prospects {
            Err(error) if !advice::is_about_the_program(error) => {
                let change = advice::access(self.pid, error, &self.around);
                Check::new("access", Some(false), error.to_string()).change(change)
            }
            _ => Check::new(
                "access",
                Some(true),
                "its memory may be read, and it may be traced",
            ),
        }
    }

    fn kernel(&self) -> Check {
        let kernel = &self.around.kernel;
        match &self.around.write_tracking {
            Ok(()) => {
                let found = format!("{kernel}: it can tell what a process writes");
                Check::new("kernel", Some(true), found)
            }
            Err(why) => Check::new("kernel", Some(false), format!("{kernel}: {why}")),
        }
    }

    fn memory(&self) -> Vec<Check> {
        let mut checks = Vec::new();
        let cgroup = &self.around.cgroup;
        if cgroup.hidden {
            let found = format!(
                "it ({}) cannot be seen from here: fork is left to whoever asks for it by name, and \
                 --when takes no share of its limit",
                cgroup.path
            );
            let change = "run goheap where that can be seen (on the host)".to_owned();
            checks.push(Check::new("memory cgroup", Some(false), found).change([change]));
        }
        if let Some(memory) = cgroup.memory {
            let (used, most) = (text_of(memory.used), text_of(memory.most));
            let found = match cgroup.oom_group {
                true => format!(
                    "{used} of {most} in use, and all of its group would be ended (memory.oom.group)"
                ),
                false => format!("{used} of {most} in use"),
            };
            checks.push(Check::new("memory cgroup", None, found));
        }
        if let Some(pids) = cgroup.pids {
            let good = pids.left() > 1;
            let found = format!("{} of {} in use", pids.used, pids.most);
            checks.push(Check::new("pids cgroup", Some(good), found));
        }
        if let Some((all, left)) = self.around.memory {
            let found = format!("{} of {} to be had", text_of(left), text_of(all));
            let strict = self.around.overcommit == Some(2);
            let found = match strict {
                true => {
                    found + "; overcommit is strict, so that a fork may fail for want of memory"
                }
                false => found,
            };
            checks.push(Check::new("machine", None, found));
        }
        checks
    }

    fn container(&self) -> Vec<Check> {
        let target = &self.around.target;
        let mut checks = Vec::new();
        let apart = target.other_pids || target.other_mounts == Some(true);
        if let Some(container) = &target.container {
            let id = container
                .id
                .as_deref()
                .map_or("", |id| id.get(..12).unwrap_or(id));
            let found = format!("it is in one of {} {id}", container.by);
            let found = found.trim_end().to_owned();
            checks.push(Check::new("container", None, found).change([advice::OUTPUT.to_owned()]));
        } else if apart {
            let found = "it has namespaces of its own".to_owned();
            checks.push(Check::new("container", None, found).change([advice::OUTPUT.to_owned()]));
        }
        if self.around.own.in_container {
            checks.push(Check::new("goheap", None, "it is in a container itself"));
        }
        checks
    }
}

fn user(own: &Own, target: &Seen) -> Check {
    let capability = match (own.sys_ptrace, own.sys_admin) {
        (true, true) => "with CAP_SYS_PTRACE and CAP_SYS_ADMIN",
        (true, false) => "with CAP_SYS_PTRACE",
        (false, _) => "without CAP_SYS_PTRACE",
    };
    let found = format!(
        "its is {}; goheap's is {}, {capability}",
        target.uid, own.uid
    );
    Check::new("user", Some(own.sys_ptrace || own.uid == target.uid), found)
}

fn yama(scope: u32, own: &Own) -> Check {
    let (good, what) = match scope {
        0 => (true, "as the user allows"),
        1 => (own.sys_ptrace, "own children, or with CAP_SYS_PTRACE"),
        2 => (own.sys_ptrace, "with CAP_SYS_PTRACE alone"),
        _ => (false, "nobody, until the next boot"),
    };
    Check::new(
        "yama",
        Some(good),
        format!("ptrace_scope is {scope}: {what}"),
    )
}

fn seccomp(pid: u32, around: &Surroundings) -> Check {
    match around.target.seccomp {
        Seccomp::Disabled => Check::new("seccomp", Some(true), "it has no filter"),
        Seccomp::Strict => Check::new("seccomp", Some(false), "it is in strict mode"),
        Seccomp::Filter if matches!(around.may_suspend, Some(Ok(()))) => Check::new(
            "seccomp",
            Some(false),
            "it has a filter, which goheap may suspend for one call (CAP_SYS_ADMIN), and does if a \
             method is asked for by name",
        )
        .change(advice::unfiltered(pid, around)),
        Seccomp::Filter => {
            let mut found = "it has a filter, so no system call is made in it".to_owned();
            if let Some(Err(error)) = &around.may_suspend
                && !advice::is_forbidden(error)
            {
                let why = crate::error::Reason(error);
                found += &format!("; this kernel cannot suspend one ({why})");
            }
            Check::new("seccomp", Some(false), found).change(advice::unfiltered(pid, around))
        }
    }
}

fn disk(directory: &Path, target: &Seen) -> Check {
    let shown = crate::error::Shown(directory);
    match free_bytes(directory) {
        Ok(free) => {
            let good = free >= target.rss_anon;
            let found = format!("{} free in {shown}", text_of(free));
            let change = (!good).then(|| "write elsewhere: -o FILE, or TMPDIR".to_owned());
            Check::new("disk", Some(good), found).change(change)
        }
        Err(error) => {
            let found = format!("{shown}: {}", crate::error::Reason(&error));
            Check::new("disk", Some(false), found)
        }
    }
}

fn text_of(bytes: u64) -> String {
    crate::units::bytes(bytes)
}

/// What a capture would cost, roughly.
struct Estimate {
    /// For how long it would stand still, in milliseconds.
    pause_ms: f64,
}

impl Estimate {
    /// From bytes in RAM of no file and from threads, by what docs/measurements.md has for heaps of 256
    /// MB to 8 GB: a machine that is slower or busier takes longer.
    fn of(method: Method, target: &Seen) -> Estimate {
        let gib = target.rss_anon as f64 / (1u64 << 30) as f64;
        // Stopping alone: 0.3 ms for 41 threads, 8 ms for 968.
        let stopping = 0.1 + f64::from(target.threads) * 0.008;
        let pause_ms = stopping
            + match method {
                Method::PreCopy => 0.8 + 0.6 * gib,
                Method::Fork => 1.0 + 28.0 * gib,
                Method::Stop => 10.0 + 250.0 * gib,
            };
        Estimate { pause_ms }
    }
}

/// A line of text, made printable.
fn line(out: &mut dyn Write, text: &str) -> io::Result<()> {
    writeln!(out, "{}", text::printable(text.as_bytes()))
}
