//! `bench-top`: what fills a heap of many small objects, asked of goheap and of readers of others, in
//! turns: golang/debug's `viewcore CORE histogram` of a core of the process, heapspurs of the dump
//! that its runtime wrote, goheap of both kinds of dump. The readers of others are wherever they were
//! built; what each is run with can be given.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use goheap_testkit::core;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::cgroup::Cgroup;
use crate::linked::{self, Links};
use crate::measure::{self, Cost};
use crate::repository::build_goheap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Version of Go
    #[arg(long, default_value = "1.24.3")]
    go: String,
    /// How many objects, 36 bytes each on average
    #[arg(long, default_value_t = 28_000_000)]
    objects: u64,
    /// How many rounds; the medians are told
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// golang/debug's viewcore
    #[arg(long)]
    viewcore: Option<PathBuf>,
    /// github.com/adamroach/heapspurs
    #[arg(long)]
    heapspurs: Option<PathBuf>,
    /// Another command, NAME=COMMAND, its words separated by spaces; or another command line for one
    /// of `goheap`, `goheap-runtime`, `viewcore`, `heapspurs`. In it stand {goheap}, {viewcore},
    /// {heapspurs}, {exe}, {core}, {dump} (goheap's), {runtime} (the runtime's own dump), {head} (the
    /// address of an object, in decimal)
    #[arg(long = "command", value_name = "NAME=COMMAND")]
    commands: Vec<String>,
    /// Only these commands
    #[arg(long, num_args = 1.., value_name = "NAME")]
    only: Vec<String>,
    /// Run each in a memory cgroup of so many GiB, the pages of its files included; these are not in
    /// memory when it begins
    #[arg(long, value_name = "GIB")]
    limit: Option<u64>,
    /// A folder for the core and the dumps
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
}

/// The files that the commands read.
struct Files {
    exe: PathBuf,
    core: PathBuf,
    dump: PathBuf,
    runtime: PathBuf,
    head: String,
}

/// A command and what it took.
struct Row {
    name: String,
    words: Vec<String>,
    costs: Vec<Cost>,
    /// Peaks of the cgroup, in bytes.
    groups: Vec<u64>,
    /// How it ended where it did not end well.
    failed: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let folder = tempfile::Builder::new()
        .prefix("bench-top-")
        .tempdir_in(&args.folder)?;
    let mut rows = rows(args, &goheap)?;
    ensure!(!rows.is_empty(), "no command is left");
    let files = make(args, &goheap, &rows, folder.path())?;
    for row in &mut rows {
        for word in &mut row.words {
            *word = filled(word, &files);
        }
    }
    for round in 0..args.rounds {
        for row in &mut rows {
            eprintln!("round {} of {}: {}", round + 1, args.rounds, row.name);
            measure_one(row, &files, args.limit)?;
        }
    }
    print!("{}", report(args, &rows, &files));
    Ok(rows.iter().all(|row| row.failed.is_empty()))
}

/// The commands that are asked for.
fn rows(args: &Args, goheap: &Path) -> Result<Vec<Row>> {
    let mut lines = vec![
        ("goheap".to_owned(), "{goheap} top {dump}".to_owned()),
        (
            "goheap-runtime".to_owned(),
            "{goheap} top {runtime} --exe {exe}".to_owned(),
        ),
    ];
    if args.viewcore.is_some() {
        let line = "{viewcore} {core} --exe {exe} histogram";
        lines.push(("viewcore".to_owned(), line.to_owned()));
    }
    if args.heapspurs.is_some() {
        let line = "{heapspurs} --hexdump --address {head} {runtime}";
        lines.push(("heapspurs".to_owned(), line.to_owned()));
    }
    for given in &args.commands {
        let (name, line) = given.split_once('=').context("NAME=COMMAND")?;
        lines.retain(|(known, _)| known != name);
        lines.push((name.to_owned(), line.to_owned()));
    }
    let tools = [
        ("{goheap}", Some(goheap)),
        ("{viewcore}", args.viewcore.as_deref()),
        ("{heapspurs}", args.heapspurs.as_deref()),
    ];
    let word = |word: &str| match tools.iter().find(|(name, _)| *name == word) {
        Some((_, Some(path))) => Ok(path.display().to_string()),
        Some((name, None)) => bail!("where is {name}?"),
        None => Ok(word.to_owned()),
    };
    lines
        .into_iter()
        .filter(|(name, _)| args.only.is_empty() || args.only.contains(name))
        .map(|(name, line)| {
            Ok(Row {
                name,
                words: line.split_whitespace().map(word).collect::<Result<_>>()?,
                costs: Vec::new(),
                groups: Vec::new(),
                failed: Vec::new(),
            })
        })
        .collect()
}

/// Makes the heap and, of one process that stands still, those of the files that are needed.
fn make(args: &Args, goheap: &Path, rows: &[Row], folder: &Path) -> Result<Files> {
    let (program, mut target) = linked::start(&args.go, args.objects, Links::InOrder)?;
    let said = target.said();
    let head = said.lines().find_map(|line| line.strip_prefix("head "));
    let mut files = Files {
        exe: program.executable.clone(),
        core: folder.join(format!("core.{}", target.pid())),
        dump: folder.join("goheap.heapdump"),
        runtime: folder.join("runtime.heapdump"),
        head: head
            .context("it has not said where its head is")?
            .to_owned(),
    };
    let asked = |what: &str| {
        rows.iter()
            .any(|r| r.words.iter().any(|w| w.contains(what)))
    };
    if asked("{core}") {
        eprintln!("writing a core");
        files.core = core::of(target.pid(), folder)?;
    }
    if asked("{dump}") {
        eprintln!("goheap writes its dump");
        linked::write(goheap, &target, &files.dump)?;
    }
    if asked("{runtime}") {
        eprintln!("the runtime writes its dump");
        target.dump(&files.runtime)?;
    }
    Ok(files)
}

fn filled(word: &str, files: &Files) -> String {
    word.replace("{exe}", &files.exe.display().to_string())
        .replace("{core}", &files.core.display().to_string())
        .replace("{dump}", &files.dump.display().to_string())
        .replace("{runtime}", &files.runtime.display().to_string())
        .replace("{head}", &files.head)
}

fn measure_one(row: &mut Row, files: &Files, limit: Option<u64>) -> Result<()> {
    let (program, arguments) = row.words.split_first().context("no words")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let used = [&files.core, &files.dump, &files.runtime];
    let mut used = used.map(|path| path.as_path()).into_iter().filter(|path| {
        let name = path.display().to_string();
        row.words.iter().any(|word| word.contains(&name))
    });
    let (cost, how) = match limit {
        None => {
            used.try_for_each(warm)?;
            measure::attempt(&command)?
        }
        Some(gib) => {
            used.try_for_each(evict)?;
            let group = Cgroup::with_limit(gib << 30)?;
            let done = measure::attempt(&group.wrap(&command))?;
            row.groups.extend(group.peak());
            done
        }
    };
    eprintln!(
        "    {:.2} s, {} MB anonymous, {} MB in all {how}",
        cost.wall,
        cost.peak_anon / 1024,
        cost.peak_rss / 1024
    );
    if how.is_empty() {
        row.costs.push(cost);
    } else {
        row.failed.push(how);
    }
    Ok(())
}

/// Reads a file, so that its pages are in memory.
fn warm(path: &Path) -> Result<()> {
    let mut file = File::open(path).with_context(|| path.display().to_string())?;
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Writes a file's pages and drops them from memory.
fn evict(path: &Path) -> Result<()> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    file.sync_all()?;
    posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?;
    Ok(())
}

fn report(args: &Args, rows: &[Row], files: &Files) -> String {
    let mut text = format!(
        "Go {}, {} objects, {} rounds in turns, medians{}.\n\n",
        args.go,
        args.objects,
        args.rounds,
        match args.limit {
            Some(gib) =>
                format!("; each in a memory cgroup of {gib} GiB, its files not in memory at first"),
            None => "; files in memory".to_owned(),
        }
    );
    for (name, path) in [
        ("core", &files.core),
        ("goheap's dump", &files.dump),
        ("the runtime's dump", &files.runtime),
    ] {
        if let Ok(found) = fs::metadata(path) {
            // A core has holes.
            let stored = found.blocks() * 512;
            text.push_str(&format!("{name}: {} MB\n", stored / 1_000_000));
        }
    }
    text.push_str(
        "\n| command | time, s | CPU, s | peak RSS, MiB | peak RssAnon, MiB | the same an object, B | peak of the cgroup, MiB | failed |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let anon = median(row.costs.iter().map(|c| c.peak_anon as f64));
        let group = row.groups.iter().max().map(|b| (b >> 20).to_string());
        text.push_str(&format!(
            "| {} | {:.2} | {:.2} | {:.0} | {:.0} | {:.1} | {} | {} |\n",
            row.name,
            median(row.costs.iter().map(|c| c.wall)),
            median(row.costs.iter().map(|c| c.cpu)),
            median(row.costs.iter().map(|c| c.peak_rss as f64)) / 1024.0,
            anon / 1024.0,
            anon * 1024.0 / args.objects as f64,
            group.unwrap_or_else(|| "-".to_owned()),
            row.failed.join(", ")
        ));
    }
    for row in rows {
        let each: Vec<_> = row.costs.iter().map(|c| format!("{:.2}", c.wall)).collect();
        text.push_str(&format!("\n{}, each round: {}\n", row.name, each.join(" ")));
    }
    text
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
