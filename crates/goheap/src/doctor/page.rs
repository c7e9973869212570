//! What `goheap doctor` shows: the page, and its JSON as `docs/commands.md` documents it.

use std::io::{self, Write};
use std::time::Duration;

use goheap_process::Prospect;
use serde::Serialize;

use super::{Estimate, Report, line};
use crate::text::{Align, Table, heading, printable};
use crate::units;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.doctor/1";

/// Where estimates come from.
const FROM: &str =
    "estimates, from what is in RAM and the number of threads, as measured elsewhere";

pub(super) fn print(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let target = &report.around.target;
    let name = printable(target.name.as_bytes());
    writeln!(
        out,
        "process {} ({name}): {}, {} in RAM, {} of it of no file",
        report.pid,
        units::counted(target.threads.into(), "thread"),
        units::bytes(target.rss),
        units::bytes(target.rss_anon),
    )?;
    heading(out, "Ways to capture it")?;
    match &report.prospects {
        Ok(prospects) => methods(report, prospects, out)?,
        Err(error) => line(out, &format!("  none: {error}"))?,
    }
    heading(out, "What was looked at")?;
    let mut table = Table::new(&[Align::Left, Align::Left, Align::Left]);
    for check in &report.checks {
        let sign = match check.good {
            Some(true) => "ok",
            Some(false) => "no",
            None => "",
        };
        let text = |text: &str| printable(text.as_bytes()).to_string();
        table.row([sign.to_owned(), check.what.to_owned(), text(&check.found)]);
        for change in &check.change {
            table.row([String::new(), String::new(), format!("- {}", text(change))]);
        }
    }
    table.print(out)
}

fn methods(report: &Report, prospects: &[Prospect], out: &mut dyn Write) -> io::Result<()> {
    let taken = report.taken();
    let mut table = Table::new(&[Align::Left, Align::Left]);
    for Prospect { method, obstacle } in prospects {
        let text = match obstacle {
            None => {
                let pause = Estimate::of(*method, &report.around.target).pause_ms;
                let pause = units::duration(Duration::from_secs_f64(pause / 1e3));
                let taken = match taken == Some(*method) {
                    true => "; goheap dump takes this",
                    false => "",
                };
                format!("open: it stands still for some {pause}{taken}")
            }
            Some(why) => format!("not open: {}", printable(why.as_bytes())),
        };
        table.row([method.name().to_owned(), text]);
    }
    table.print(out)?;
    writeln!(out, "  ({FROM})")
}

#[derive(Serialize)]
pub(super) struct DoctorValue<'r> {
    schema: &'static str,
    pid: u32,
    name: String,
    uid: u32,
    threads: u32,
    rss_bytes: u64,
    rss_anon_bytes: u64,
    go_version: Option<&'r str>,
    kernel: &'r str,
    container: Option<ContainerValue<'r>>,
    methods: Vec<MethodValue<'r>>,
    dump_takes: Option<&'static str>,
    error: Option<String>,
    estimates: &'static str,
    checks: Vec<CheckValue<'r>>,
}

#[derive(Serialize)]
struct ContainerValue<'r> {
    by: &'static str,
    id: Option<&'r str>,
}

#[derive(Serialize)]
struct MethodValue<'r> {
    method: &'static str,
    open: bool,
    why: Option<&'r str>,
    pause_ns: Option<u64>,
}

#[derive(Serialize)]
struct CheckValue<'r> {
    what: &'static str,
    good: Option<bool>,
    found: &'r str,
    change: &'r [String],
}

impl<'r> DoctorValue<'r> {
    pub(super) fn of(report: &'r Report) -> DoctorValue<'r> {
        let target = &report.around.target;
        let prospects = report.prospects.as_ref().map_or(&[][..], Vec::as_slice);
        let methods = prospects.iter().map(|one| MethodValue {
            method: one.method.name(),
            open: one.obstacle.is_none(),
            why: one.obstacle.as_deref(),
            pause_ns: match &one.obstacle {
                None => Some((Estimate::of(one.method, target).pause_ms * 1e6) as u64),
                Some(_) => None,
            },
        });
        let checks = report.checks.iter().map(|check| CheckValue {
            what: check.what,
            good: check.good,
            found: &check.found,
            change: &check.change,
        });
        DoctorValue {
            schema: SCHEMA,
            pid: report.pid,
            name: crate::text::json_text(target.name.as_bytes()),
            uid: target.uid,
            threads: target.threads,
            rss_bytes: target.rss,
            rss_anon_bytes: target.rss_anon,
            go_version: report.go.as_deref(),
            kernel: &report.around.kernel,
            container: target.container.as_ref().map(|container| ContainerValue {
                by: container.by,
                id: container.id.as_deref(),
            }),
            methods: methods.collect(),
            dump_takes: report.taken().map(|method| method.name()),
            error: report.prospects.as_ref().err().map(ToString::to_string),
            estimates: FROM,
            checks: checks.collect(),
        }
    }
}
