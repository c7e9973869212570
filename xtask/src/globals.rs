//! `globals`: builds programs in all ways, stripped and not, and sees whether what goheap says of the
//! stripped ones is what `go tool nm` says of the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use goheap_golang::globals::{Globals, VARIABLES};
use goheap_image::Executable;
use goheap_testkit::altered::Alteration;
use goheap_testkit::toolchains;

use crate::streams::{Build, go_build};

/// `globals`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these versions
    #[arg(long, num_args = 1.., value_name = "VERSION")]
    versions: Vec<String>,
    /// Only these ways to build
    #[arg(long, num_args = 1.., value_name = "WAY")]
    ways: Vec<String>,
    /// Build nothing: look at these executables, which have symbols, as if they had none
    #[arg(long, num_args = 1.., value_name = "PATH")]
    programs: Vec<PathBuf>,
    /// Say of each variable how many functions told of it
    #[arg(long)]
    witnesses: bool,
    /// Give all functions other names before
    #[arg(long, conflicts_with = "programs")]
    renamed: bool,
}

/// Ways to build: name, machine, flags of `go build`, environment.
type Way = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

const CGO: (&str, &str) = ("CGO_ENABLED", "1");

const WAYS: &[Way] = &[
    ("plain", "amd64", &[], &[]),
    ("pie", "amd64", &["-buildmode=pie"], &[]),
    ("race", "amd64", &["-race"], &[CGO]),
    ("cgo", "amd64", &["-tags=withcgo"], &[CGO]),
    (
        "cgo pie",
        "amd64",
        &["-tags=withcgo", "-buildmode=pie"],
        &[CGO],
    ),
    (
        "c-shared",
        "amd64",
        &["-tags=withcgo", "-buildmode=c-shared"],
        &[CGO],
    ),
    ("v3", "amd64", &[], &[("GOAMD64", "v3")]),
    ("unoptimised", "amd64", &["-gcflags=all=-N -l"], &[]),
    (
        "unoptimised pie",
        "amd64",
        &["-gcflags=all=-N -l", "-buildmode=pie"],
        &[],
    ),
    ("-N alone", "amd64", &["-gcflags=all=-N"], &[]),
    ("-l alone", "amd64", &["-gcflags=all=-l"], &[]),
    ("-l=4", "amd64", &["-gcflags=all=-l=4"], &[]),
    (
        "race unoptimised",
        "amd64",
        &["-race", "-gcflags=all=-N -l"],
        &[CGO],
    ),
    ("trimpath", "amd64", &["-trimpath"], &[]),
    ("arm64", "arm64", &[], &[]),
    ("arm64 pie", "arm64", &["-buildmode=pie"], &[]),
    ("arm64 unoptimised", "arm64", &["-gcflags=all=-N -l"], &[]),
];

/// Ways in which the runtime's functions are as none that was learnt: with more inlining than usual, or
/// with what the race detector wants and no inlining.
const UNLEARNT: [&str; 2] = ["-l=4", "race unoptimised"];

/// Ways in which the runtime's functions are not as usual.
const UNUSUAL: [&str; 5] = [
    "race",
    "unoptimised",
    "unoptimised pie",
    "-l alone",
    "arm64 unoptimised",
];

/// Two programs: one with next to nothing, and one with what services have.
const PROGRAMS: [(&str, &str); 2] = [
    ("smallest", "package main\n\nfunc main() { println() }\n"),
    (
        "service",
        "package main\n\nimport (\n\t\"fmt\"\n\t\"net/http\"\n\t\"os\"\n\t\"runtime\"\n\t\"runtime/debug\"\n)\n\n\
         func main() {\n\tdebug.WriteHeapDump(os.Stdout.Fd())\n\truntime.MemProfile(nil, true)\n\t\
         runtime.SetFinalizer(new([64]byte), func(*[64]byte) {})\n\t\
         fmt.Println(http.ListenAndServe(\":0\", nil))\n}\n",
    ),
];

/// What `cgo` programs have beside.
const WITH_CGO: &str = "//go:build withcgo\n\npackage main\n\nimport \"C\"\n\n//export answer\nfunc answer() C.int { return 42 }\n";

/// Functions that goheap asks for by name.
const FUNCTIONS: [&str; 8] = [
    "runtime.futex.abi0",
    "runtime.futex",
    "runtime.usleep.abi0",
    "runtime.usleep",
    "runtime.copystack",
    "runtime.shrinkstack",
    "runtime.recovery",
    "runtime.racecallbackthunk",
];

#[derive(Debug, Default)]
struct Tally {
    binaries: usize,
    refused: usize,
    right: usize,
    asked: usize,
    wrong: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let mut all: BTreeMap<&str, Tally> = BTreeMap::new();
    for path in &args.programs {
        let tally = all.entry("given").or_default();
        check_blinded(path, tally, args.witnesses).with_context(|| path.display().to_string())?;
    }
    for version in toolchains::CLAIMED {
        if !args.programs.is_empty() {
            break;
        }
        if !args.versions.is_empty() && !args.versions.iter().any(|v| v == version.number) {
            continue;
        }
        for way in WAYS {
            if !args.ways.is_empty() && !args.ways.iter().any(|name| name == way.0) {
                continue;
            }
            let tally = all.entry(way.0).or_default();
            for (name, source) in PROGRAMS {
                check(version.number, way, name, source, tally, args)
                    .with_context(|| format!("{name}, go{} {}", version.number, way.0))?;
            }
        }
    }
    let mut whole = true;
    println!("| way | binaries | refused | answers | right | wrong |\n|---|---|---|---|---|---|");
    for (way, tally) in &all {
        println!(
            "| {way} | {} | {} | {} | {} | {} |",
            tally.binaries,
            tally.refused,
            tally.asked,
            tally.right,
            tally.wrong.len()
        );
        // Functions that are not as usual are not recognised where they have other names.
        let may_be = UNLEARNT.contains(way) || args.renamed && UNUSUAL.contains(way);
        whole &= tally.wrong.is_empty() && (tally.refused == 0 || may_be);
    }
    for wrong in all.values().flat_map(|tally| &tally.wrong) {
        println!("{wrong}");
    }
    ensure!(!all.is_empty(), "nothing was built");
    Ok(whole)
}

fn check(
    version: &str,
    &(way, machine, flags, environment): &Way,
    name: &str,
    source: &str,
    tally: &mut Tally,
    args: &Args,
) -> Result<()> {
    let folder = tempfile::tempdir().context("a folder")?;
    let cgo = flags.contains(&"-tags=withcgo");
    if cgo {
        let path = folder.path().join("cgo.go");
        fs::write(&path, WITH_CGO).with_context(|| format!("writing {}", path.display()))?;
    }
    let build = |ldflags: &str, out: &str| {
        let ldflags = format!("-ldflags={ldflags}");
        let mut flags = flags.to_vec();
        flags.push(&ldflags);
        go_build(&Build {
            version,
            machine,
            folder: folder.path(),
            name,
            source,
            out,
            flags: &flags,
            environment,
        })
    };
    // As long as the other, for it is kept in the program.
    let unstripped = build(" -s=0", "unstripped")?;
    let mut stripped = build("-s -w", "stripped")?;
    if args.renamed {
        stripped = Alteration::AllRenamed.copy_of(&stripped)?;
    }
    let truth = symbols(version, &unstripped)?;
    let data = fs::read(&stripped).with_context(|| format!("reading {}", stripped.display()))?;
    compare(
        &format!("{name} go{version} {way}"),
        data,
        &truth,
        tally,
        args.witnesses,
    )
}

/// Looks at an executable that has symbols as if it had none, and its sections no names.
fn check_blinded(path: &Path, tally: &mut Tally, witnesses: bool) -> Result<()> {
    let mut data = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let known = Executable::parse(data.clone())?;
    let version = known
        .build_info()
        .context("it is no Go program")?
        .go_version;
    let number = version.trim_start_matches("go").split_whitespace().next();
    let number = number.context("its version")?;
    // Any toolchain's nm reads any Go program.
    let by = toolchains::version(number).map_or("1.27.3", |version| version.number);
    let truth = symbols(by, path)?;
    blind(&mut data).context("it is no 64-bit ELF file")?;
    compare(
        &format!("{} {version}", path.display()),
        data,
        &truth,
        tally,
        witnesses,
    )
}

/// Makes symbol tables sections of no kind, and takes all sections' names away (elf.h: Elf64_Shdr).
fn blind(data: &mut [u8]) -> Option<()> {
    const SYMBOL_TABLES: [u32; 2] = [2, 11];
    let headers = u64::from_le_bytes(data.get(40..48)?.try_into().ok()?) as usize;
    let size = u16::from_le_bytes(data.get(58..60)?.try_into().ok()?) as usize;
    let count = u16::from_le_bytes(data.get(60..62)?.try_into().ok()?) as usize;
    for at in (0..count).map(|i| headers + i * size) {
        let header = data.get_mut(at..at + 8)?;
        let kind = u32::from_le_bytes(header.get(4..8)?.try_into().ok()?);
        let kind = if SYMBOL_TABLES.contains(&kind) {
            0
        } else {
            kind
        };
        header.get_mut(4..8)?.copy_from_slice(&kind.to_le_bytes());
        header.get_mut(..4)?.fill(0);
    }
    Some(())
}

/// Compares what goheap says of `data`, which has no symbols, with the truth.
fn compare(
    title: &str,
    data: Vec<u8>,
    truth: &BTreeMap<String, u64>,
    tally: &mut Tally,
    witnesses: bool,
) -> Result<()> {
    let executable = Executable::parse(data)?;
    ensure!(
        executable.symbol("runtime.allgs").is_none(),
        "it is not stripped"
    );
    tally.binaries += 1;
    let globals = match Globals::of(&executable) {
        Ok(globals) => globals,
        Err(error) => {
            tally.refused += 1;
            println!("{title}: refused: {error}");
            return Ok(());
        }
    };
    if witnesses {
        let told = globals.witnesses().iter();
        let told: Vec<String> = told
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        println!("{title}: {}", told.join(", "));
    }
    let first = ["runtime.firstmoduledata"];
    for &name in VARIABLES.iter().chain(&first).chain(&FUNCTIONS) {
        let found = globals.address(name).map(|at| at.get());
        let real = truth.get(name).copied();
        // The function table has no calling conventions: both names find the function itself.
        let itself = truth.get(&format!("{name}.abi0")).copied();
        tally.asked += 1;
        // Not every function can be recognised where it has another name.
        if found.is_none() && globals.is_obfuscated() && FUNCTIONS.contains(&name) {
            continue;
        }
        match found == real || (itself.is_some() && found == itself) {
            true => tally.right += 1,
            false => {
                let wrong = format!("{title}: {name} is at {real:x?}, and was found at {found:x?}");
                tally.wrong.push(wrong);
            }
        }
    }
    Ok(())
}

/// The addresses that `go tool nm` tells, by name.
fn symbols(version: &str, path: &Path) -> Result<BTreeMap<String, u64>> {
    let root = toolchains::goroot(version)?;
    let output = Command::new(root.join("bin/go"))
        .args(["tool", "nm"])
        .arg(path)
        .env_remove("GOROOT")
        .env("GOTOOLCHAIN", "local")
        .output()
        .context("cannot run go tool nm")?;
    ensure!(
        output.status.success(),
        "go tool nm: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        let _kind = words.next()?;
        Some((words.next()?.to_owned(), address))
    });
    Ok(lines.collect())
}
