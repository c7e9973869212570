//! `goheap goroutines`: goroutines by where they stand, with what they alone hold.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use goheap_analysis::Analysis;
use goheap_analysis::answers::goroutines::{Clock, GoroutineGroup, GoroutineOptions, Goroutines};
use serde::Serialize;

use crate::args::GoroutinesArgs;
use crate::census::status_name;
use crate::error::CommandError;
use crate::examined::{self, Examined};
use crate::text::{self, FAINT, HEADING, json_text, printable};
use crate::units;

/// The shape of the JSON, and its version.
const SCHEMA: &str = "goheap.goroutines/1";

/// How many frames of a stack are shown; `--json` has all.
const FRAMES: usize = 12;

pub(crate) fn run(args: &GoroutinesArgs) -> Result<ExitCode, CommandError> {
    let examined = examined::open(&args.examine)?;
    let options = GoroutineOptions {
        leaked: args.leaked,
    };
    let watch = examined.watch();
    let goroutines = Goroutines::of(&examined.of, options, &watch).map_err(examined::ended)?;
    drop(watch);
    let mut out = text::stdout();
    let written = match args.json {
        true => text::json(
            &mut out,
            &GoroutinesValue::of(&examined.name, &examined.of, &goroutines),
        ),
        false => print(&examined, &goroutines, args, &mut out),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

fn print(
    examined: &Examined<Analysis>,
    goroutines: &Goroutines,
    args: &GoroutinesArgs,
    out: &mut dyn Write,
) -> io::Result<()> {
    let leaks = &goroutines.leaks;
    write!(
        out,
        "{}: {}, {} of the runtime itself, with {} of stacks; ",
        examined.name,
        units::counted(goroutines.count, "goroutine"),
        units::count(goroutines.system),
        units::bytes(goroutines.stack_bytes),
    )?;
    match leaks.unknown {
        Some(why) => writeln!(out, "which wait for ever cannot be told: {why}")?,
        None => match leaks.leaked.len() {
            0 => writeln!(out, "none waits for what nobody else can reach")?,
            1 => writeln!(out, "1 is leaked: it waits for what nobody else can reach")?,
            n => writeln!(
                out,
                "{} are leaked: they wait for what nobody else can reach",
                units::count(n as u64)
            )?,
        },
    }
    if !leaks.undecided.is_empty() && leaks.unknown.is_none() {
        let count = units::counted(leaks.undecided.len() as u64, "goroutine");
        writeln!(
            out,
            "{FAINT}of {count} it is not known what they wait for{FAINT:#}"
        )?;
    }
    crate::top::print_missing(examined.of.dump.missing(), out)?;
    let at_least = match goroutines.clock {
        Clock::Youngest(_) => "at least ",
        _ => "",
    };
    for group in goroutines.groups.iter().take(args.rows.rows) {
        print_group(group, at_least, out)?;
    }
    let left_out = goroutines.groups.len().saturating_sub(args.rows.rows);
    if left_out > 0 {
        let more = units::counted(left_out as u64, "group");
        writeln!(out, "\n{FAINT}and {more} more; -n N shows more{FAINT:#}")?;
    }
    Ok(())
}

fn print_group(group: &GoroutineGroup, at_least: &str, out: &mut dyn Write) -> io::Result<()> {
    let state = match group.wait_reason.is_empty() {
        true => status_name(group.status),
        false => printable(group.wait_reason.as_bytes()).to_string(),
    };
    let count = units::counted(group.goroutines.len() as u64, "goroutine");
    write!(out, "\n{HEADING}{count}, {state}{HEADING:#}")?;
    // The youngest has waited for nothing at all, by its own clock.
    if let Some(waited) = group.waited.filter(|waited| waited.longest > 0) {
        let longest = units::duration(Duration::from_nanos(waited.longest));
        write!(out, ", for {at_least}{longest}")?;
        let median = units::duration(Duration::from_nanos(waited.median));
        if group.goroutines.len() > 1 && median != longest {
            write!(out, " (in the middle {median})")?;
        }
    }
    if group.leaked > 0 {
        match group.leaked == group.goroutines.len() as u64 {
            true => write!(out, ", {HEADING}for ever{HEADING:#}")?,
            false => write!(out, ", {} of them for ever", units::count(group.leaked))?,
        }
        if !group.waits_for.is_empty() {
            let what = group.waits_for.join(", ");
            write!(out, ", on {}", printable(what.as_bytes()))?;
        }
    }
    writeln!(out)?;
    writeln!(
        out,
        "  {} held by nobody else, {} of stacks",
        units::bytes(group.retained),
        units::bytes(group.stack_bytes)
    )?;
    for function in group.stack.iter().take(FRAMES) {
        writeln!(out, "    {}", printable(function.as_bytes()))?;
    }
    if let Some(more) = group
        .stack
        .len()
        .checked_sub(FRAMES)
        .filter(|more| *more > 0)
    {
        writeln!(
            out,
            "    {FAINT}and {}{FAINT:#}",
            units::counted(more as u64, "frame")
        )?;
    }
    if let Some((name, count)) = group.created_by.first() {
        let others =
            match group.goroutines.len() as u64 - count.min(&(group.goroutines.len() as u64)) {
                0 => String::new(),
                n => format!(", {} by others", units::count(n)),
            };
        writeln!(out, "  created by {}{others}", printable(name.as_bytes()))?;
    }
    Ok(())
}

/// The JSON, as `docs/commands.md` documents it.
#[derive(Serialize)]
pub(crate) struct GoroutinesValue {
    schema: &'static str,
    source: String,
    count: u64,
    system: u64,
    stack_bytes: u64,
    clock: &'static str,
    leaks: LeaksValue,
    missing: Vec<String>,
    groups: Vec<GroupValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups_left_out: Option<u64>,
}

#[derive(Serialize)]
struct LeaksValue {
    known: bool,
    why_not: Option<&'static str>,
    leaked: u64,
    undecided: u64,
}

#[derive(Serialize)]
struct GroupValue {
    count: u64,
    system: u64,
    leaked: u64,
    state: String,
    wait_reason: Option<String>,
    waited: Option<WaitedValue>,
    retained_bytes: u64,
    stack_bytes: u64,
    created_by: Vec<CreatedValue>,
    waits_for: Vec<String>,
    stack: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goroutines: Option<Vec<GoroutineValue>>,
}

#[derive(Serialize)]
struct WaitedValue {
    known: u64,
    longest_ns: u64,
    median_ns: u64,
}

#[derive(Serialize)]
struct CreatedValue {
    function: String,
    count: u64,
}

#[derive(Serialize)]
struct GoroutineValue {
    id: u64,
    address: String,
    waited_ns: Option<u64>,
    leaked: bool,
    waits_for: Vec<String>,
}

impl GoroutinesValue {
    fn of(name: &str, analysis: &Analysis, goroutines: &Goroutines) -> GoroutinesValue {
        let leaks = &goroutines.leaks;
        GoroutinesValue {
            schema: SCHEMA,
            source: name.to_owned(),
            count: goroutines.count,
            system: goroutines.system,
            stack_bytes: goroutines.stack_bytes,
            clock: match goroutines.clock {
                Clock::Capture(_) => "capture",
                Clock::Youngest(_) => "youngest",
                Clock::None => "none",
            },
            leaks: LeaksValue {
                known: leaks.unknown.is_none(),
                why_not: leaks.unknown,
                leaked: leaks.leaked.len() as u64,
                undecided: leaks.undecided.len() as u64,
            },
            missing: analysis.dump.missing().to_vec(),
            groups_left_out: None,
            groups: goroutines
                .groups
                .iter()
                .map(|group| GroupValue::of(analysis, goroutines, group))
                .collect(),
        }
    }

    /// The same of a few groups, without a list of their goroutines.
    pub(crate) fn of_groups(
        name: &str,
        analysis: &Analysis,
        goroutines: &Goroutines,
        most: usize,
    ) -> GoroutinesValue {
        let shown = goroutines.groups.get(..most).unwrap_or(&goroutines.groups);
        let groups = shown.iter().map(|group| GroupValue {
            goroutines: None,
            ..GroupValue::head(group)
        });
        let none = Goroutines {
            groups: Vec::new(),
            ..goroutines.clone()
        };
        GoroutinesValue {
            groups: groups.collect(),
            groups_left_out: Some((goroutines.groups.len() - shown.len()) as u64),
            ..GoroutinesValue::of(name, analysis, &none)
        }
    }
}

impl GroupValue {
    fn of(analysis: &Analysis, all: &Goroutines, group: &GoroutineGroup) -> GroupValue {
        let one = |index: &u32| {
            let goroutine = analysis.dump.goroutines().get(*index as usize)?;
            let waits_for = all.leaks.waits_for(*index).iter();
            Some(GoroutineValue {
                id: goroutine.id,
                address: format!("{:#x}", goroutine.address),
                waited_ns: all.clock.waited(goroutine),
                leaked: all.leaks.is_leaked(*index),
                waits_for: waits_for.map(|at| format!("{at:#x}")).collect(),
            })
        };
        GroupValue {
            goroutines: Some(group.goroutines.iter().filter_map(one).collect()),
            ..GroupValue::head(group)
        }
    }

    /// Without its goroutines.
    fn head(group: &GoroutineGroup) -> GroupValue {
        let text = |text: &str| json_text(text.as_bytes());
        GroupValue {
            count: group.goroutines.len() as u64,
            system: group.system,
            leaked: group.leaked,
            state: status_name(group.status),
            wait_reason: Some(text(&group.wait_reason)).filter(|reason| !reason.is_empty()),
            waited: group.waited.map(|waited| WaitedValue {
                known: waited.known,
                longest_ns: waited.longest,
                median_ns: waited.median,
            }),
            retained_bytes: group.retained,
            stack_bytes: group.stack_bytes,
            created_by: group
                .created_by
                .iter()
                .map(|(function, count)| CreatedValue {
                    function: text(function),
                    count: *count,
                })
                .collect(),
            waits_for: group.waits_for.iter().map(|name| text(name)).collect(),
            stack: group.stack.iter().map(|name| text(name)).collect(),
            goroutines: None,
        }
    }
}
