//! The streams that were learnt from toolchains, and the text that they are kept in.
//!
//! `cargo xtask streams` writes it, a file for each machine. A function, then for each form that its
//! stream has had the versions that have it so, and the steps:
//!
//! ```text
//! func allgadd
//! go 1.22.10 1.23.9
//! -l 1.22.10
//!   lea allglock; call lock2; load8 allgs+8; ...
//! ```
//!
//! Versions behind `go` have it so as they usually build, those behind `-l` where nothing is inlined
//! ([`Kind`]). A version is behind two forms where position-independent executables have another one.
//!
//! Names are those of package runtime; others have their whole name behind a `/`. `_` is data that
//! goheap has no name for. `+8` is how far inside of the variable it is.

use std::collections::{BTreeMap, BTreeSet};

use super::VARIABLES;
use crate::GoVersion;

/// A function's streams by the versions that were learnt from, for one machine.
#[derive(Debug, Clone, Default)]
pub struct Streams {
    functions: BTreeMap<String, Vec<Learnt>>,
}

/// How a program was compiled, as far as the runtime's functions are others for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// As `go build` does.
    Usual,
    /// Without inlining, as debuggers want it: by `-gcflags=all=-l`, or `-N -l`, of which only `-l` is
    /// heeded in the runtime, for it cannot do without the optimiser (cmd/go/internal/work/gc.go, go1.19
    /// and go1.21; cmd/compile/internal/base/flag.go, go1.22 to go1.27: `CompilingRuntime`).
    NotInlined,
}

impl Kind {
    /// Both of them.
    pub const ALL: [Kind; 2] = [Kind::Usual, Kind::NotInlined];

    /// What stands in front of its versions.
    fn key(self) -> &'static str {
        match self {
            Kind::Usual => "go ",
            Kind::NotInlined => "-l ",
        }
    }
}

/// One form of a function's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learnt {
    /// The versions that have it so, minor and patch, by the kind of build.
    pub versions: BTreeMap<Kind, Vec<(u32, u32)>>,
    /// Its steps.
    pub steps: Vec<LearntStep>,
}

/// One instruction that refers to something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearntStep {
    /// What it does with it.
    pub op: String,
    /// What it refers to.
    pub target: LearntTarget,
}

/// What an instruction of a toolchain's function refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LearntTarget {
    /// A variable of [`VARIABLES`], and how far inside, in bytes.
    Variable(&'static str, u64),
    /// The function of this name.
    Function(String),
    /// Other data.
    Other,
}

/// What is wrong with the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of goheap's streams of {machine} is damaged: {what}")]
pub struct StreamsError {
    /// The machine.
    pub machine: &'static str,
    /// The line.
    pub line: usize,
    /// What is wrong.
    pub what: &'static str,
}

/// The name of package runtime's, without that.
const RUNTIME: &str = "runtime.";

impl Learnt {
    /// The variables that it tells of.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> {
        self.steps.iter().filter_map(|step| match step.target {
            LearntTarget::Variable(name, _) => Some(name),
            _ => None,
        })
    }

    /// The versions that usually build it so.
    pub(super) fn usual(&self) -> impl Iterator<Item = &(u32, u32)> {
        self.versions.get(&Kind::Usual).into_iter().flatten()
    }

    /// How far the nearest version that builds it so is from the patch release `patch` of `minor`.
    fn distance(&self, kind: Kind, minor: u32, patch: u32) -> Option<u32> {
        let versions = self.versions.get(&kind).into_iter().flatten();
        let same = versions.filter(|version| version.0 == minor);
        same.map(|version| version.1.abs_diff(patch)).min()
    }
}

impl Streams {
    /// Those of a machine, by its GOARCH; `None` if nothing was learnt for it.
    ///
    /// # Errors
    /// goheap's text is damaged, which its tests would have seen.
    pub fn of_machine(goarch: &str) -> Result<Option<Streams>, StreamsError> {
        let (machine, text) = match goarch {
            "amd64" => ("amd64", include_str!("../../streams/amd64.txt")),
            "arm64" => ("arm64", include_str!("../../streams/arm64.txt")),
            _ => return Ok(None),
        };
        Streams::parse(machine, text).map(Some)
    }

    /// Reads the text.
    ///
    /// # Errors
    /// It is damaged.
    pub fn parse(machine: &'static str, text: &str) -> Result<Streams, StreamsError> {
        let mut streams = Streams::default();
        let mut forms: Option<&mut Vec<Learnt>> = None;
        for (line, text) in (1..).zip(text.lines()) {
            let error = |what| StreamsError {
                machine,
                line,
                what,
            };
            if let Some(name) = text.strip_prefix("func ") {
                let name = long_name(name);
                forms = Some(streams.functions.entry(name).or_default());
            } else if let Some((kind, versions)) = parse_kind(text) {
                let versions = versions.split(' ').map(parse_version);
                let versions = versions.collect::<Option<_>>();
                let versions = versions.ok_or(error("a version"))?;
                let forms = forms.as_mut().ok_or(error("no function"))?;
                // Steps that both kinds have stand below the versions of both.
                if forms.last().is_none_or(|form| !form.steps.is_empty()) {
                    forms.push(Learnt {
                        versions: BTreeMap::new(),
                        steps: Vec::new(),
                    });
                }
                let form = forms.last_mut().ok_or(error("no function"))?;
                if form.versions.insert(kind, versions).is_some() {
                    return Err(error("no steps"));
                }
            } else if let Some(steps) = text.strip_prefix("  ") {
                let last = forms.as_mut().and_then(|forms| forms.last_mut());
                let last = last.ok_or(error("no version"))?;
                for step in steps.trim_end_matches(';').split("; ") {
                    last.steps.push(parse_step(step).ok_or(error("a step"))?);
                }
            } else if !text.is_empty() && !text.starts_with('#') {
                return Err(error("no such line"));
            }
        }
        Ok(streams)
    }

    /// Adds a form of a function's stream, of one version, which may have more than one: by another form
    /// of executable.
    pub fn add(&mut self, function: &str, kind: Kind, version: (u32, u32), steps: Vec<LearntStep>) {
        let forms = self.functions.entry(function.to_owned()).or_default();
        let Some(form) = forms.iter_mut().find(|form| form.steps == steps) else {
            forms.push(Learnt {
                versions: BTreeMap::from([(kind, vec![version])]),
                steps,
            });
            return;
        };
        let versions = form.versions.entry(kind).or_default();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }

    /// The text, without a heading.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (function, forms) in &self.functions {
            text.push_str(&format!("\nfunc {}\n", short_name(function)));
            for form in forms {
                for (kind, versions) in &form.versions {
                    let versions = versions.iter();
                    let versions: Vec<String> = versions
                        .map(|(minor, patch)| format!("1.{minor}.{patch}"))
                        .collect();
                    text.push_str(&format!("{}{}\n", kind.key(), versions.join(" ")));
                }
                let mut line = String::from(" ");
                for step in &form.steps {
                    let step = step_text(step);
                    if line.len() + step.len() > 100 {
                        text.push_str(&line);
                        text.push('\n');
                        line = String::from(" ");
                    }
                    line.push_str(&format!(" {step};"));
                }
                text.push_str(&line);
                text.push('\n');
            }
        }
        text
    }

    /// The functions that were learnt from builds of a kind, by name.
    pub fn functions(&self, kind: Kind) -> impl Iterator<Item = &str> {
        let functions = self.functions.iter();
        functions
            .filter(move |(_, forms)| forms.iter().any(|form| form.versions.contains_key(&kind)))
            .map(|(name, _)| name.as_str())
    }

    /// The versions that were learnt from, minor and patch, by builds of a kind.
    pub fn versions(&self, kind: Kind) -> BTreeSet<(u32, u32)> {
        let forms = self.functions.values().flatten();
        let versions = forms.filter_map(|form| form.versions.get(&kind));
        versions.flatten().copied().collect()
    }

    /// The minor versions that were learnt from.
    pub fn minors(&self) -> BTreeSet<u32> {
        let versions = Kind::ALL.into_iter().flat_map(|kind| self.versions(kind));
        versions.map(|version| version.0).collect()
    }

    /// All forms of a function, of whatever version.
    pub(super) fn forms(&self, function: &str) -> &[Learnt] {
        self.functions.get(function).map_or(&[], Vec::as_slice)
    }

    /// Whether a function has a form with these steps, in builds of any kind.
    pub fn has(&self, function: &str, steps: &[LearntStep]) -> bool {
        let forms = self.functions.get(function);
        forms.is_some_and(|forms| forms.iter().any(|form| form.steps == steps))
    }

    /// The forms of a function in builds of a kind by the minor version of `version`, the nearest first.
    pub(super) fn of(&self, function: &str, kind: Kind, version: &GoVersion) -> Vec<&Learnt> {
        let forms = self.functions.get(function).into_iter().flatten();
        let mut near: Vec<(u32, &Learnt)> = forms
            .filter_map(|form| Some((form.distance(kind, version.minor, version.patch)?, form)))
            .collect();
        near.sort_by_key(|(distance, _)| *distance);
        near.into_iter().map(|(_, form)| form).collect()
    }
}

fn short_name(name: &str) -> String {
    match name.strip_prefix(RUNTIME) {
        Some(short) => short.to_owned(),
        None => format!("/{name}"),
    }
}

fn long_name(name: &str) -> String {
    match name.strip_prefix('/') {
        Some(long) => long.to_owned(),
        None => format!("{RUNTIME}{name}"),
    }
}

/// `go 1.24.3 1.24.11`
fn parse_kind(text: &str) -> Option<(Kind, &str)> {
    let mut kinds = Kind::ALL.into_iter();
    kinds.find_map(|kind| Some((kind, text.strip_prefix(kind.key())?)))
}

/// `1.24.3`
fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (minor, patch) = text.strip_prefix("1.")?.split_once('.')?;
    Some((minor.parse().ok()?, patch.parse().ok()?))
}

fn step_text(step: &LearntStep) -> String {
    let op = &step.op;
    match &step.target {
        LearntTarget::Other => format!("{op} _"),
        LearntTarget::Function(name) => format!("{op} {}", short_name(name)),
        LearntTarget::Variable(name, 0) => format!("{op} {}", short_name(name)),
        LearntTarget::Variable(name, inside) => format!("{op} {}+{inside}", short_name(name)),
    }
}

fn parse_step(text: &str) -> Option<LearntStep> {
    let (op, target) = text.split_once(' ')?;
    let target = match (op, target) {
        (_, "_") => LearntTarget::Other,
        ("call" | "jump", name) => LearntTarget::Function(long_name(name)),
        (_, name) => {
            let (name, inside) = match name.split_once('+') {
                Some((name, inside)) => (name, inside.parse().ok()?),
                None => (name, 0),
            };
            let name = long_name(name);
            let known = VARIABLES.iter().find(|known| **known == name)?;
            LearntTarget::Variable(known, inside)
        }
    };
    Some(LearntStep {
        op: op.to_owned(),
        target,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_and_read_again_it_is_the_same() {
        let text = "\nfunc (*mheap).alloc\ngo 1.22.10 1.23.9\n-l 1.22.10\n  lea mheap_+8; call /sync.f; \
                    cmp4= _; load8 /internal/runtime/gc.SizeClassToSize;\n-l 1.23.9\n  lea mheap_;\n\
                    \nfunc f\n-l 1.24.3\n  lea mheap_;\n";
        let streams = Streams::parse("amd64", text).unwrap();
        assert_eq!(streams.to_text(), text);
        assert_eq!(streams.minors(), BTreeSet::from([22, 23, 24]));
        let functions = |kind| streams.functions(kind).collect::<Vec<_>>();
        assert_eq!(functions(Kind::Usual), ["runtime.(*mheap).alloc"]);
        assert_eq!(functions(Kind::NotInlined).len(), 2);
        let version = "go1.23.9".parse().unwrap();
        let steps = |kind| {
            let forms = streams.of("runtime.(*mheap).alloc", kind, &version);
            forms
                .iter()
                .map(|form| form.steps.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(steps(Kind::Usual), [4]);
        assert_eq!(steps(Kind::NotInlined), [1]);
    }

    #[test]
    fn the_tables_of_this_build_are_whole() {
        for machine in ["amd64", "arm64"] {
            let streams = Streams::of_machine(machine).unwrap().expect("a table");
            for kind in Kind::ALL {
                let count = streams.functions(kind).count();
                assert!(count > 20, "{machine}: {count} of {kind:?}");
            }
        }
    }

    #[test]
    fn damage_has_its_line() {
        for (text, line) in [
            ("go 1.2.3", 1),
            ("func f\ngo 1.x", 2),
            ("func f\ngo 1.2.3\n  load8 nothing", 3),
            ("func f\ngo 1.2.3\n-l 1.2.3\ngo 1.2.4", 4),
            ("what", 1),
        ] {
            assert_eq!(Streams::parse("amd64", text).unwrap_err().line, line);
        }
    }
}
