//! Captures of programs that run flat out, at whatever instruction the stop hits: each goroutine
//! unwinds to its root, through just the callers that it has; what a register alone holds is found.
//!
//! By default a few captures on three Go versions. `GOHEAP_VERSIONS=all`, or a list with commas, for
//! others; `GOHEAP_CAPTURES` for more of each program; `GOHEAP_CONTEXTS` for some of the programs.
#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::time::Duration;

use goheap_format::Record;
use goheap_golang::ElfProgram;
use goheap_image::Executable;
use goheap_memory::Target;
use goheap_process::{Mapped, Process, StopOptions, map_file};
use goheap_runtime::{Fidelity, Rule, World, dump};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build, toolchains};

/// How often `main.chain` stands below a leaf (programs/contexts/main.go: `depth`).
const DEPTH: usize = 7;

/// The first word of what only a register holds (same place: `mark`).
const MARK: u64 = 0x6f6e_6c79_2069_6e20;

/// What to run, and how it is built.
const PROGRAMS: &[(&str, Build)] = &[
    ("clock", Build::Plain),
    ("allocate", Build::Plain),
    ("grow", Build::Plain),
    ("channel", Build::Plain),
    ("system raw", Build::Plain),
    ("spin", Build::Plain),
    ("move", Build::Plain),
    ("timer", Build::Plain),
    ("yield locked", Build::Plain),
    ("panic", Build::Plain),
    ("spawn collect", Build::Plain),
    ("register", Build::Plain),
    ("profile spin clock grow", Build::Plain),
    ("c callback foreign", Build::Cgo),
    ("profile c callback clock", Build::Cgo),
    ("allocate channel clock", Build::Race),
    ("", Build::Plain),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Build {
    Plain,
    Cgo,
    Race,
}

/// What many captures of one program showed.
#[derive(Debug, Default)]
struct Tally {
    captures: u64,
    goroutines: u64,
    from_registers: u64,
    chains: u64,
    held: u64,
    roots: u64,
    interrupted: u64,
    told: BTreeMap<Rule, u64>,
    /// Gaps by kind, with how often, and the first one in words.
    gaps: BTreeMap<String, (u64, String)>,
    wrong: Vec<String>,
}

/// One capture, as far as it matters here.
#[derive(Default)]
struct Seen {
    /// The functions of each goroutine's frames, innermost first.
    stacks: Vec<(u64, Vec<String>)>,
    /// Start and end of objects that begin with the mark.
    marked: Vec<(u64, u64)>,
    roots: Vec<(String, u64)>,
}

impl Seen {
    fn take(&mut self, record: &Record<'_>) {
        match record {
            Record::Goroutine(goroutine) => self.stacks.push((goroutine.id, Vec::new())),
            Record::StackFrame(frame) => {
                let name = String::from_utf8_lossy(frame.function).into_owned();
                if let Some((_, stack)) = self.stacks.last_mut() {
                    stack.push(name);
                }
            }
            Record::Object(object) if object.contents.starts_with(&MARK.to_le_bytes()) => {
                let end = object.address + object.contents.len() as u64;
                self.marked.push((object.address, end));
            }
            Record::OtherRoot(root) => {
                let description = String::from_utf8_lossy(root.description).into_owned();
                self.roots.push((description, root.target));
            }
            _ => {}
        }
    }

    /// What is wrong with the stacks; `lost` goroutines have none, or half of one.
    fn check(&self, tally: &mut Tally, lost: &[u64]) {
        for (id, stack) in &self.stacks {
            tally.goroutines += 1;
            if lost.contains(id) {
                continue;
            }
            let ends = (stack.iter().take(12), stack.iter().rev().take(12).rev());
            let complain = |what: &str| {
                let (inner, outer): (Vec<_>, Vec<_>) =
                    (ends.0.clone().collect(), ends.1.clone().collect());
                format!("goroutine {id}: {what}: {inner:?} to {outer:?}")
            };
            let root = ["runtime.goexit", "runtime.rt0_go", "runtime.mstart"];
            let topmost = stack.last().map(|name| name.trim_end_matches(".abi0"));
            if !topmost.is_some_and(|name| root.contains(&name)) {
                tally.wrong.push(complain("no root"));
            }
            let leaf = stack.iter().position(|name| is_leaf(name));
            if let Some(leaf) = leaf {
                tally.chains += 1;
                let below = &stack[leaf + 1..];
                let chain = below.iter().take_while(|name| *name == "main.chain");
                let chain = chain.count();
                // `main.main.gowrap1` and the like stand between `run` and the root.
                let rest = &below[chain..];
                let goes_on = rest.first().is_some_and(|name| name == "main.run");
                if chain != DEPTH || !goes_on || rest.len() > 3 {
                    tally.wrong.push(complain("another chain"));
                }
            }
            if stack.first().is_some_and(|name| name == "main.whirl") {
                tally.held += 1;
                let holds = |(start, end): &(u64, u64)| {
                    let inside = |target: u64| *start <= target && target < *end;
                    self.roots.iter().any(|(description, target)| {
                        description.starts_with("register ")
                            && description.ends_with(&format!("(goroutine {id})"))
                            && inside(*target)
                    })
                };
                if !self.marked.iter().any(holds) {
                    tally.wrong.push(complain("nobody holds its object"));
                }
            }
        }
    }
}

/// Whether it is a leaf, and not a function inside of one.
fn is_leaf(name: &str) -> bool {
    name.strip_prefix("main.leaf")
        .is_some_and(|rest| !rest.contains('.'))
}

fn capture(process: &Process, executable: &Executable<Mapped>, tally: &mut Tally) {
    // Another one may be just ending.
    let stopped = process.stop(&StopOptions::default()).unwrap();
    let elf = ElfProgram::new(executable, &stopped).unwrap();
    let world = World::open(&stopped as &dyn Target, &elf).unwrap();
    let mut seen = Seen::default();
    let summary = dump(&world, Fidelity::Mended, &mut |record: &Record<'_>| {
        seen.take(record);
        Ok(())
    })
    .unwrap();
    drop(world);
    stopped.resume().expect("it was held until now");
    tally.captures += 1;
    tally.from_registers += summary.goroutines.from_registers;
    tally.interrupted += summary.goroutines.interrupted;
    for (rule, count) in summary.goroutines.told {
        *tally.told.entry(rule).or_default() += count;
    }
    tally.roots += summary.goroutines.thread_roots;
    let mut lost = Vec::new();
    for gap in summary.gaps.kept() {
        // Of other parts of the walk there may be some: it does not wait for a safe moment here.
        let ours = gap.what.contains("goroutine")
            || gap.what.contains("thread")
            || gap.what.contains("vector");
        let kind = gap
            .why
            .split(|c: char| !c.is_ascii_alphabetic() && c != ' ')
            .filter(|part| part.len() > 2)
            .collect::<Vec<_>>()
            .join("..");
        let kind = format!(
            "{}{}: {kind}",
            if ours { "" } else { "(not ours) " },
            gap.what
        );
        let (count, _) = tally.gaps.entry(kind).or_insert((0, gap.to_string()));
        *count += 1;
        if let Some((id, _)) = gap
            .why
            .strip_prefix("goroutine ")
            .and_then(|why| why.split_once(':'))
            && let Ok(id) = id.parse()
        {
            lost.push(id);
        }
    }
    seen.check(tally, &lost);
}

fn run(version: &str, what: &str, how: Build, captures: u64) -> Tally {
    let options = BuildOptions {
        cgo: how != Build::Plain,
        race: how == Build::Race,
        ..BuildOptions::default()
    };
    let program = build(version, "contexts", &options).unwrap();
    let names: Vec<&str> = what.split_whitespace().collect();
    let running = Obedient::start(&program, &names).unwrap();
    let process = Process::find(running.pid()).unwrap();
    let executable = Executable::parse(map_file(&program.executable).unwrap()).unwrap();
    let mut tally = Tally::default();
    for i in 0..captures {
        // Not in step with anything that the program does.
        std::thread::sleep(Duration::from_micros(200 + i * 7919 % 3001));
        capture(&process, &executable, &mut tally);
    }
    tally
}

#[test]
fn every_goroutine_unwinds_to_its_root() {
    let env = |name| std::env::var(name).unwrap_or_default();
    let captures = env("GOHEAP_CAPTURES").parse().unwrap_or(8);
    let (versions, wanted) = (env("GOHEAP_VERSIONS"), env("GOHEAP_CONTEXTS"));
    let versions = toolchains::CLAIMED
        .iter()
        .filter(|version| match versions.as_str() {
            "" => version.whole,
            "all" => true,
            list => list.split(',').any(|number| number == version.number),
        });
    let mut wrong = Vec::new();
    for version in versions {
        for (what, how) in PROGRAMS {
            let chosen = wanted.split(',').any(|wanted| *what == wanted);
            if !wanted.is_empty() && !chosen {
                continue;
            }
            let tally = run(version.number, what, *how, captures);
            let name = format!("go{} {how:?} {what:?}", version.number);
            eprintln!(
                "{name}: {} captures, {} goroutines, {} from registers, {} chains, {} held, {} roots of threads",
                tally.captures,
                tally.goroutines,
                tally.from_registers,
                tally.chains,
                tally.held,
                tally.roots
            );
            eprintln!("    {} in handlers, {:?}", tally.interrupted, tally.told);
            for (kind, (count, first)) in &tally.gaps {
                eprintln!("    {count} x {kind}\n        {first}");
            }
            for complaint in tally.wrong {
                wrong.push(format!("{name}: {complaint}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
