//! `streams`: learns from toolchains where short functions of the runtime refer to its variables, and
//! writes what was learnt to `crates/golang/streams`, a file for each machine.
//!
//! Which functions are kept is worked out: as few and as short ones as tell of each variable three
//! times, in every version; and those that goheap has another use for. Then, of builds without inlining,
//! as few and as short ones, in what they have that is not kept already, as tell of each twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use goheap_golang::globals::{
    Code, Kind, LearntStep, LearntTarget, Named, Refers, Step, Streams, VARIABLES,
};
use goheap_image::Executable;
use goheap_testkit::toolchains;

use crate::repository::root;

/// `streams`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail if what is in the repository is not what the toolchains say
    #[arg(long)]
    pub(crate) check: bool,
}

/// The machines that are learnt.
const MACHINES: [&str; 2] = ["amd64", "arm64"];

/// How many functions are to tell of a variable. Builds without inlining are fewer, and may be refused
/// more often.
const fn witnesses_of(kind: Kind) -> usize {
    match kind {
        Kind::NotInlined => 2,
        Kind::Usual => 3,
    }
}

/// Steps of a function that is kept: with fewer it could be mistaken, and more take room.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=192;

/// Functions that goheap goes by, whether they tell of a variable or not: where names are obfuscated,
/// they are recognised by their streams.
const BY_NAME: [&str; 5] = [
    "runtime.copystack",
    "runtime.shrinkstack",
    "runtime.recovery",
    "runtime.typedmemmove",
    "runtime.typedmemclr",
];

/// A program that has what every program has, and one that writes heap dumps and profiles.
const PROGRAMS: [(&str, &str); 2] = [
    ("smallest", "package main\n\nfunc main() { println() }\n"),
    (
        "dumping",
        "package main\n\nimport (\n\t\"os\"\n\t\"runtime\"\n\t\"runtime/debug\"\n)\n\nfunc main() {\n\t\
         debug.WriteHeapDump(os.Stdout.Fd())\n\truntime.MemProfile(nil, true)\n}\n",
    ),
];

const HEADING: &str = "# Where functions of Go's runtime refer to its variables, on MACHINE.\n\
                       # Written by `cargo xtask streams`; crates/golang/src/globals/streams.rs tells how to read it.\n";

/// What the toolchain of one version says.
struct Lesson {
    version: (u32, u32),
    /// Steps of the functions that refer to a variable, by name.
    functions: BTreeMap<String, Vec<LearntStep>>,
    /// Functions that only the second program has.
    rare: BTreeSet<String>,
    /// Variables that the first program has.
    common: BTreeSet<&'static str>,
    /// Variables that one of them has.
    all: BTreeSet<&'static str>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let mut same = true;
    for machine in MACHINES {
        let mut streams = Streams::default();
        for kind in Kind::ALL {
            let learn = |flags: &[&str]| -> Result<Vec<Lesson>> {
                let versions = toolchains::CLAIMED.iter();
                versions
                    .map(|version| lesson(version.number, machine, kind, flags))
                    .collect()
            };
            let lessons = learn(&[])?;
            // On arm64 go1.19 keeps addresses of variables in registers for these (cmd/compile/internal/
            // ssa/gen/ARM64.rules, go1.19: `Flag_shared`; from go1.21 at the latest it is `Flag_dynlink`).
            let independent = learn(&["-buildmode=pie"])?;
            let mut chosen = choose(&lessons, &streams, witnesses_of(kind));
            match kind {
                Kind::Usual => chosen.extend(BY_NAME.map(str::to_owned)),
                // The usual ones are recognised by their code too, for which more are better.
                Kind::NotInlined => prune(&mut chosen, &lessons, &streams, witnesses_of(kind)),
            }
            for function in &chosen {
                for lesson in lessons.iter().zip(&independent).flat_map(<[_; 2]>::from) {
                    if let Some(steps) = lesson.functions.get(function) {
                        streams.add(function, kind, lesson.version, steps.clone());
                    }
                }
            }
            println!("{machine}, {}: {} functions", name_of(kind), chosen.len());
            for (variable, fewest) in witnesses(&lessons, &chosen) {
                if fewest < witnesses_of(kind) {
                    println!("  {variable}: told by {fewest} in some version");
                }
            }
        }
        let text = HEADING.replace("MACHINE", machine) + &streams.to_text();
        let path = path(machine);
        let before = fs::read_to_string(&path).unwrap_or_default();
        println!(
            "{machine}: {} bytes{}",
            text.len(),
            if before == text {
                ", as they were"
            } else {
                ", others than in the repository"
            }
        );
        same &= before == text;
        if !args.check {
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
    }
    Ok(same || !args.check)
}

/// The file of a machine.
fn path(machine: &str) -> PathBuf {
    root()
        .join("crates/golang/streams")
        .join(machine)
        .with_extension("txt")
}

/// Tells what the functions that are learnt from look like in a release, against another; whether the
/// streams have that release.
pub(crate) fn tell(new: &str, old: &str) -> Result<bool> {
    for machine in MACHINES {
        let text = fs::read_to_string(path(machine)).context(machine)?;
        let streams = Streams::parse(machine, &text)?;
        for kind in Kind::ALL {
            let (was, is) = (
                lesson(old, machine, kind, &[])?,
                lesson(new, machine, kind, &[])?,
            );
            tell_kind(machine, kind, &streams, &was, is, old);
        }
    }
    has(new)
}

/// Tells of the builds of one kind.
fn tell_kind(machine: &str, kind: Kind, streams: &Streams, was: &Lesson, is: Lesson, old: &str) {
    let (mut same, mut other, mut gone) = (0, Vec::new(), Vec::new());
    for function in streams.functions(kind) {
        match (was.functions.get(function), is.functions.get(function)) {
            (Some(was), Some(is)) if was == is => same += 1,
            (Some(_), Some(_)) => other.push(function),
            (Some(_), None) => gone.push(function),
            (None, _) => {}
        }
    }
    println!(
        "- {machine}, {}: of the functions that are learnt from, {same} are as in go{old}, {} are not, \
         {} are gone or tell of nothing",
        name_of(kind),
        other.len(),
        gone.len()
    );
    for (what, functions) in [("not", other), ("gone", gone)] {
        if !functions.is_empty() {
            println!("  {what}: {}", functions.join(", "));
        }
    }
    for (what, variables) in [
        ("are there no more", was.all.difference(&is.all)),
        ("are there, and were not", is.all.difference(&was.all)),
    ] {
        let variables: Vec<&str> = variables.copied().collect();
        if !variables.is_empty() {
            println!("  variables that {what}: {}", variables.join(", "));
        }
    }
    let chosen = streams.functions(kind).map(str::to_owned).collect();
    let wanted = witnesses_of(kind);
    let few: Vec<&str> = witnesses(&[is], &chosen)
        .into_iter()
        .filter(|(_, times)| *times < wanted)
        .map(|(variable, _)| variable)
        .collect();
    if !few.is_empty() {
        println!(
            "  variables that fewer than {wanted} of them tell of: {}",
            few.join(", ")
        );
    }
}

/// Whether the streams of all machines have a release, in builds of all kinds.
pub(crate) fn has(version: &str) -> Result<bool> {
    let mut has = true;
    for machine in MACHINES {
        let text = fs::read_to_string(path(machine)).context(machine)?;
        let streams = Streams::parse(machine, &text)?;
        let version = numbers(version)?;
        has &= Kind::ALL
            .into_iter()
            .all(|kind| streams.versions(kind).contains(&version));
    }
    Ok(has)
}

/// What a kind of build is called.
fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::NotInlined => "without inlining",
        Kind::Usual => "as usual",
    }
}

/// What builds of a kind say, with these flags beside.
fn lesson(version: &str, machine: &str, kind: Kind, beside: &[&str]) -> Result<Lesson> {
    let mut flags = beside.to_vec();
    match kind {
        Kind::NotInlined => flags.push("-gcflags=all=-N -l"),
        Kind::Usual => {}
    }
    let mut lesson = Lesson {
        version: numbers(version)?,
        functions: BTreeMap::new(),
        rare: BTreeSet::new(),
        common: BTreeSet::new(),
        all: BTreeSet::new(),
    };
    for (name, source) in PROGRAMS {
        let folder = tempfile::tempdir().context("a folder")?;
        let path = go_build(&Build {
            version,
            machine,
            folder: folder.path(),
            name,
            source,
            out: name,
            flags: &flags,
            environment: &[],
        })?;
        let data = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        let executable = Executable::parse(data)?;
        let variables: Vec<(&'static str, u64, u64)> = VARIABLES
            .iter()
            .filter_map(|&name| {
                let symbol = executable.symbol(name)?;
                Some((name, symbol.addr.get(), symbol.size))
            })
            .collect();
        lesson.all.extend(variables.iter().map(|(name, ..)| *name));
        let is_common = name == PROGRAMS[0].0;
        if is_common {
            lesson.common = variables.iter().map(|(name, ..)| *name).collect();
        }
        let code = Code::new(&executable)?;
        ensure!(
            executable
                .symbol("runtime.firstmoduledata")
                .map(|symbol| symbol.addr)
                == Some(code.module().at),
            "go{version} {machine}: the moduledata that was found is not runtime.firstmoduledata"
        );
        for (function, place) in code.functions() {
            let Named::One(place) = place else { continue };
            if lesson.functions.contains_key(&function) {
                continue;
            }
            let Some(steps) = code.steps(place) else {
                continue;
            };
            let steps: Vec<LearntStep> = steps
                .into_iter()
                .map(|step| learnt(step, &variables))
                .collect();
            let tells = steps
                .iter()
                .any(|step| matches!(step.target, LearntTarget::Variable(..)));
            if (tells || BY_NAME.contains(&&*function)) && LENGTHS.contains(&steps.len()) {
                if !is_common {
                    lesson.rare.insert(function.clone());
                }
                lesson.functions.insert(function, steps);
            }
        }
    }
    Ok(lesson)
}

/// A step with the name of the variable that it refers to.
fn learnt(step: Step, variables: &[(&'static str, u64, u64)]) -> LearntStep {
    let target = match step.to {
        Refers::Function(name) => LearntTarget::Function(name),
        Refers::Data(at) => {
            let inside =
                |start: u64, size: u64| at.get().checked_sub(start).filter(|inside| *inside < size);
            variables
                .iter()
                .find_map(|(name, start, size)| {
                    Some(LearntTarget::Variable(name, inside(*start, *size)?))
                })
                .unwrap_or(LearntTarget::Other)
        }
    };
    LearntStep {
        op: step.op,
        target,
    }
}

/// How often each variable is told of by `chosen`, in the version in which that is fewest.
fn witnesses(lessons: &[Lesson], chosen: &BTreeSet<String>) -> BTreeMap<&'static str, usize> {
    let mut fewest = BTreeMap::new();
    for lesson in lessons {
        let mut told: BTreeMap<&'static str, usize> =
            lesson.common.iter().map(|name| (*name, 0)).collect();
        for function in chosen {
            for variable in tells(lesson, function) {
                *told.entry(variable).or_default() += 1;
            }
        }
        for (variable, count) in told {
            let least = fewest.entry(variable).or_insert(count);
            *least = count.min(*least);
        }
    }
    fewest
}

/// The variables that a function tells of. One that not every program has tells only of those that not
/// every program has.
fn tells(lesson: &Lesson, function: &str) -> BTreeSet<&'static str> {
    let steps = lesson.functions.get(function).into_iter().flatten();
    let variables = steps.filter_map(|step| match step.target {
        LearntTarget::Variable(name, _) => Some(name),
        _ => None,
    });
    let rare = lesson.rare.contains(function);
    variables
        .filter(|name| !rare || !lesson.common.contains(name))
        .collect()
}

/// How much each function would take.
fn costs<'l>(lessons: &'l [Lesson], kept: &Streams) -> BTreeMap<&'l str, usize> {
    let mut costs: BTreeMap<&str, usize> = BTreeMap::new();
    for function in lessons.iter().flat_map(|lesson| lesson.functions.keys()) {
        if costs.contains_key(function.as_str()) {
            continue;
        }
        let mut forms: Vec<&Vec<LearntStep>> = Vec::new();
        for form in lessons
            .iter()
            .filter_map(|lesson| lesson.functions.get(function))
        {
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        let cost = |form: &&Vec<LearntStep>| match kept.has(function, form) {
            true => 1,
            false => form.len() + 2,
        };
        costs.insert(function, forms.iter().map(cost).sum());
    }
    costs
}

/// Drops functions again that later ones made needless, those that take most first.
fn prune(chosen: &mut BTreeSet<String>, lessons: &[Lesson], kept: &Streams, wanted: usize) {
    let costs = costs(lessons, kept);
    let mut order: Vec<String> = chosen.iter().cloned().collect();
    order.sort_by_key(|function| std::cmp::Reverse(costs.get(function.as_str()).copied()));
    for function in order {
        let is_needed = lessons.iter().any(|lesson| {
            tells(lesson, &function).into_iter().any(|variable| {
                let others = chosen.iter().filter(|other| **other != function);
                let telling = others.filter(|other| tells(lesson, other).contains(variable));
                telling.count() < wanted
            })
        });
        if !is_needed {
            chosen.remove(&function);
        }
    }
}

/// Picks functions, the one that adds most for its length first, until none adds anything. Forms that are
/// kept already cost a line.
fn choose(lessons: &[Lesson], kept: &Streams, wanted: usize) -> BTreeSet<String> {
    let costs = costs(lessons, kept);
    let mut chosen = BTreeSet::new();
    let mut told: BTreeMap<(usize, &'static str), usize> = BTreeMap::new();
    loop {
        let gain = |function: &str| -> usize {
            let each = lessons.iter().enumerate();
            let gains = each.flat_map(|(number, lesson)| {
                tells(lesson, function)
                    .into_iter()
                    .map(move |name| (number, name))
            });
            // The first to tell of something is worth most.
            gains
                .map(|key| wanted.saturating_sub(told.get(&key).copied().unwrap_or(0)))
                .sum()
        };
        let best = costs
            .iter()
            .filter(|(function, _)| !chosen.contains(**function))
            .map(|(function, cost)| (gain(function), *cost, *function))
            .filter(|(gain, ..)| *gain > 0)
            // More for its length, and of equals the first by name.
            .reduce(|best, next| match next.0 * best.1 > best.0 * next.1 {
                true => next,
                false => best,
            });
        let Some((_, _, function)) = best else {
            return chosen;
        };
        for (number, lesson) in lessons.iter().enumerate() {
            for name in tells(lesson, function) {
                *told.entry((number, name)).or_default() += 1;
            }
        }
        chosen.insert(function.to_owned());
    }
}

/// The minor version and the patch of `1.24.3`.
pub(crate) fn numbers(version: &str) -> Result<(u32, u32)> {
    let mut parts = version.split('.').skip(1).map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(minor)), Some(Ok(patch))) => Ok((minor, patch)),
        _ => bail!("{version} is no version like 1.24.3"),
    }
}

/// A program of one package to be built.
pub(crate) struct Build<'a> {
    /// By the toolchain of this version.
    pub(crate) version: &'a str,
    /// For this GOARCH.
    pub(crate) machine: &'a str,
    /// Where the sources are.
    pub(crate) folder: &'a Path,
    /// The file that the source goes to, without `.go`.
    pub(crate) name: &'a str,
    /// The source.
    pub(crate) source: &'a str,
    /// What the program is to be called.
    pub(crate) out: &'a str,
    /// More flags.
    pub(crate) flags: &'a [&'a str],
    /// More of the environment.
    pub(crate) environment: &'a [(&'a str, &'a str)],
}

/// Builds it.
pub(crate) fn go_build(build: &Build<'_>) -> Result<PathBuf> {
    let root = toolchains::any_goroot(build.version)?;
    let path = build.folder.join(build.name).with_extension("go");
    fs::write(&path, build.source).with_context(|| format!("writing {}", path.display()))?;
    let out = build.folder.join(build.out);
    let mut go = Command::new(root.join("bin/go"));
    go.arg("build")
        .args(build.flags)
        .arg("-o")
        .arg(&out)
        .arg(".");
    go.current_dir(build.folder)
        .env_remove("GOROOT")
        .envs([
            ("GOTOOLCHAIN", "local"),
            ("GO111MODULE", "off"),
            ("GOFLAGS", ""),
            ("GOENV", "off"),
            ("GOEXPERIMENT", ""),
            ("GOOS", "linux"),
            ("GOARCH", build.machine),
            ("CGO_ENABLED", "0"),
        ])
        .env("GOCACHE", toolchains::cache()?.join("gocache"))
        .envs(build.environment.iter().copied());
    let output = go.output().context("cannot run go")?;
    ensure!(
        output.status.success(),
        "go{} build of {} for {}: {}",
        build.version,
        build.name,
        build.machine,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(out)
}
