//! goheap's captures of programs that stand still, judged: are the lists of `holders` where they
//! should be, what is unreachable (the roots oracle), and what a mended dump has that an exact one of
//! the same instant has not.

use std::path::Path;

use crate::capture::{Capture, capture};
use crate::holders::{self, Build, Fate, List};
use crate::quiescent::Quiescent;
use crate::reach::{Graph, Marks};
use crate::second_reader;
use crate::{Error, Program, Result, build, variant};

/// A program that stands still, and what it said.
#[derive(Debug)]
pub struct Standstill {
    twin: Quiescent,
    lists: Vec<List>,
}

impl Standstill {
    /// Starts it.
    ///
    /// # Errors
    /// A program that does not come to stand still.
    pub fn of(program: &Program, environment: &[(String, String)]) -> Result<Standstill> {
        let environment: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let twin = Quiescent::start(program, &environment)?;
        let lists = holders::lists(&twin.said())?;
        Ok(Standstill { twin, lists })
    }

    /// The program `holders`.
    ///
    /// # Errors
    /// As [`of`](Self::of), and what the compiler said.
    pub fn holders(version: &str, how: Build) -> Result<Standstill> {
        let (program, environment) = holders::program(version, how)?;
        Standstill::of(&program, &environment)
    }

    /// A capture by goheap; its dump is kept if the environment has TWINS_KEEP, a folder.
    ///
    /// # Errors
    /// What goheap said.
    pub fn capture(&self, goheap: &Path, options: &[&str]) -> Result<Capture> {
        let capture = capture(goheap, &self.twin.pid().to_string(), options)?;
        if let Some(folder) = std::env::var_os("TWINS_KEEP") {
            let program = self.twin.program();
            let name = format!(
                "{}-{}{}.heapdump",
                program.name,
                program.version,
                options.concat()
            );
            let path = Path::new(&folder).join(name);
            std::fs::write(&path, &capture.dump).map_err(Error::io("write", &path))?;
        }
        Ok(capture)
    }

    fn unreadable(&self) -> impl Fn(second_reader::ReadError) -> Error + use<> {
        let program = self.twin.program().name.clone();
        move |source| Error::Dump {
            program: program.clone(),
            source,
        }
    }

    /// Whether all its lists are as they should be in a mended dump, and no gap is told of. Gives how
    /// many lists there are, or what is wrong.
    ///
    /// # Errors
    /// No dump, or one that cannot be read.
    pub fn judge(&self, goheap: &Path) -> Result<Result<usize, Vec<String>>> {
        let capture = self.capture(goheap, &[])?;
        let verdict = holders::judge(&self.lists, &capture.dump).map_err(self.unreadable())?;
        let mut wrong: Vec<String> = capture
            .gaps()
            .into_iter()
            .map(|gap| format!("a gap at a standstill: {gap}"))
            .collect();
        wrong.extend(
            verdict
                .wrong
                .into_iter()
                .map(|(kind, what)| format!("{kind}: {what}")),
        );
        if !self.twin.stands_still()? {
            wrong.push("it does not stand still any more".to_owned());
        }
        Ok(match wrong.is_empty() {
            true => Ok(verdict.right),
            false => Err(wrong),
        })
    }

    /// What becomes of each list in a capture with these options, and what leads to it. The lists that
    /// are held are sought by `mark`.
    ///
    /// # Errors
    /// No dump, or one that cannot be read.
    pub fn fates(
        &self,
        goheap: &Path,
        options: &[&str],
        mark: impl Fn(&Graph<'_>) -> Marks,
    ) -> Result<Vec<(&List, Fate, String)>> {
        let capture = self.capture(goheap, options)?;
        let dump = second_reader::read(&capture.dump).map_err(self.unreadable())?;
        let graph = Graph::of(&dump, &capture.dump);
        let marks = mark(&graph);
        let certain = graph.mark_from_certain();
        Ok(self
            .lists
            .iter()
            .map(|list| {
                let marks = if list.held { &marks } else { &certain };
                let way = graph
                    .find(list.head)
                    .map(|head| graph.path(marks, head))
                    .unwrap_or_default();
                (list, holders::fate(list, &graph, marks), way)
            })
            .collect())
    }

    /// The roots oracle: what of a mended dump is unreachable.
    ///
    /// # Errors
    /// No dump, or one that cannot be read.
    pub fn oracle(&self, goheap: &Path) -> Result<Unreachable> {
        let capture = self.capture(goheap, &[])?;
        let dump = second_reader::read(&capture.dump).map_err(self.unreadable())?;
        let graph = Graph::of(&dump, &capture.dump);
        let marks = graph.mark();
        let (all, lost) = graph.shares(&marks);
        let heads = graph.lost_heads(&marks);
        Ok(Unreachable {
            all,
            lost,
            gaps: capture.gaps(),
            largest: heads
                .iter()
                .take(30)
                .map(|(index, bytes)| format!("{bytes} bytes behind {}", graph.describe(*index)))
                .collect(),
        })
    }
}

/// What the roots oracle says.
#[derive(Debug)]
pub struct Unreachable {
    /// Bytes of all objects.
    pub all: u64,
    /// Of these, bytes of unreachable ones.
    pub lost: u64,
    /// What goheap told of, which a standstill should not have.
    pub gaps: Vec<String>,
    /// The unreachable objects that hold the most of it.
    pub largest: Vec<String>,
}

impl Unreachable {
    /// Whether it is below 0.1 %, and without a gap.
    pub fn is_little(&self) -> bool {
        self.gaps.is_empty() && self.lost * 1000 < self.all
    }
}

/// What the roots oracle is asked of: `holders`, `holders_cgo`, `linked`, and the variants of
/// `everything`.
///
/// # Errors
/// A program that cannot be built, or does not come to stand still.
pub fn subject(version: &str, name: &str) -> Result<Standstill> {
    match name {
        "holders" | "holders_cgo" => {
            let how = match name {
                "holders" => Build::Plain,
                _ => Build::Cgo,
            };
            let (program, mut environment) = holders::program(version, how)?;
            environment.push(("HOLDERS_LOAD".to_owned(), "still".to_owned()));
            Standstill::of(&program, &environment)
        }
        "linked" => {
            let program = build(version, "linked", &Default::default())?;
            let size = ("LINKED_OBJECTS".to_owned(), "300000".to_owned());
            Standstill::of(&program, &[size])
        }
        name => {
            let variant = variant::named(name)?;
            let program = variant.program(version, "everything")?;
            Standstill::of(&program, &[])
        }
    }
}

/// What differs between an exact and a mended dump: lists that only the mended one has reachable, and
/// the first minor version that has the holder.
const FOUND: &[(&str, u32)] = &[
    ("stack object", 0),
    ("stack object behind another", 0),
    ("blocked sender", 0),
    ("blocked select", 0),
    ("spilled, in no stack map", 0),
    ("cleanup's argument", 24),
    ("cleanup's closure", 24),
];

/// The same of a program with a plugin.
const FOUND_IN_PLUGIN: &[(&str, u32)] = &[
    ("plugin's global in Bss", 0),
    ("plugin's global in Data", 0),
];

/// Lists that are there and that nothing holds, and whether the exact dump has them reachable.
const DEAD: &[(&str, u32, bool)] = &[
    ("nothing since a moment", 0, false),
    ("dead frame", 0, true),
    ("weak pointer", 24, false),
];

/// Compares an exact and a mended capture of one standstill, difference by difference; what is not as
/// it should be.
///
/// # Errors
/// No dumps.
pub fn mends(goheap: &Path, version: &str, how: Build) -> Result<Vec<String>> {
    let minor: u32 = version
        .split('.')
        .nth(1)
        .and_then(|m| m.parse().ok())
        .unwrap_or(0);
    let standstill = Standstill::holders(version, how)?;
    // What an exact dump lacks may lie, by chance, in a register that nobody uses.
    let exact = standstill.fates(goheap, &["--exact"], |g| g.mark_but_preempted())?;
    let mended = standstill.fates(goheap, &[], |g| g.mark())?;
    let fate = |fates: &[(&List, Fate, String)], kind: &str| {
        fates
            .iter()
            .find(|(list, ..)| list.kind == kind)
            .map_or((Fate::Absent, String::new()), |(_, fate, way)| {
                (*fate, way.clone())
            })
    };
    let mut wrong = Vec::new();
    let mut expect = |kind: &str, dump: &str, (found, way): (Fate, String), wanted: Fate| {
        if found != wanted {
            wrong.push(format!(
                "{kind}: {found:?} in the {dump} dump, and not {wanted:?}: {way}"
            ));
        }
    };
    let found = match how {
        Build::Plugin => FOUND_IN_PLUGIN,
        _ => FOUND,
    };
    for (kind, _) in found.iter().filter(|(_, since)| minor >= *since) {
        expect(kind, "exact", fate(&exact, kind), Fate::Unreachable);
        expect(kind, "mended", fate(&mended, kind), Fate::Reachable);
    }
    for (kind, _, held) in DEAD.iter().filter(|(_, since, _)| minor >= *since) {
        let in_exact = match held {
            true => Fate::Reachable,
            false => Fate::Unreachable,
        };
        expect(kind, "exact", fate(&exact, kind), in_exact);
        expect(kind, "mended", fate(&mended, kind), Fate::Unreachable);
    }
    Ok(wrong)
}

/// Compares the objects of an exact and a mended capture of one standstill: the exact one has those of
/// the mended one and, from go1.22 on, phantoms, as many as it tells of. What is not so.
///
/// # Errors
/// No dumps.
pub fn phantoms(goheap: &Path, version: &str) -> Result<Vec<String>> {
    let standstill = Standstill::holders(version, Build::Plain)?;
    let addresses = |options: &[&str]| -> Result<(Vec<u64>, u64)> {
        let capture = standstill.capture(goheap, options)?;
        let dump = second_reader::read(&capture.dump).map_err(standstill.unreadable())?;
        let objects = dump.of("object").filter_map(|o| o.int("address")).collect();
        let told = capture.told["phantom_objects"].as_u64().unwrap_or(u64::MAX);
        Ok((objects, told))
    };
    let (exact, told) = addresses(&["--exact"])?;
    let (mended, mended_told) = addresses(&[])?;
    let mut wrong = Vec::new();
    let kept: std::collections::HashSet<u64> = exact.iter().copied().collect();
    let lost = mended.iter().filter(|a| !kept.contains(a)).count();
    if lost > 0 {
        wrong.push(format!("{lost} objects are in the mended dump alone"));
    }
    let phantoms = exact.len() - mended.len().min(exact.len());
    if phantoms as u64 != told || mended_told != 0 {
        wrong.push(format!(
            "{phantoms} objects less in the mended dump; told: {told} and {mended_told}"
        ));
    }
    let without = version.starts_with("1.19") || version.starts_with("1.21");
    if (phantoms == 0) != without {
        wrong.push(format!("{phantoms} phantoms in the exact dump"));
    }
    Ok(wrong)
}
