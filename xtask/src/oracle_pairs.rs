//! `oracle-pairs`: for each version of Go and each processor, a dump by the runtime and a core of
//! nearly the same moment; does goheap make of the core what the runtime wrote.

use std::path::PathBuf;

use anyhow::{Context, Result};
use goheap_testkit::capture::capture;
use goheap_testkit::pairs::{self, Compared};
use goheap_testkit::toolchains;

use crate::repository::build_goheap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Versions of Go; all that goheap claims if none is given
    #[arg(long, num_args = 1.., value_name = "VERSION")]
    versions: Vec<String>,
    /// Processors, by Go's names; all that programs can be run for if none is given
    #[arg(long, num_args = 1.., value_name = "GOARCH", value_parser = clap::builder::PossibleValuesParser::new(pairs::processors()))]
    arch: Vec<String>,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// A folder in which pairs are kept that differ
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// How many differences of one pair are shown.
const SHOWN: usize = 12;

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let versions: Vec<&str> = match args.versions.is_empty() {
        true => toolchains::CLAIMED.iter().map(|v| v.number).collect(),
        false => args.versions.iter().map(String::as_str).collect(),
    };
    let chosen = |goarch: &&str| args.arch.is_empty() || args.arch.iter().any(|a| a == goarch);
    let (mut all_right, mut made) = (true, 0);
    for goarch in pairs::processors().filter(chosen) {
        if !pairs::can_run(goarch) {
            println!("{goarch:9} skipped: its programs do not run here (install qemu-user)");
            all_right &= args.arch.is_empty();
            continue;
        }
        for version in &versions {
            made += 1;
            match pair(version, goarch, &goheap, args) {
                Ok(right) => all_right &= right,
                Err(error) => {
                    all_right = false;
                    println!("{goarch:9} {version:8} FAILED: {error:#}");
                }
            }
        }
    }
    Ok(all_right && made > 0)
}

fn pair(version: &str, goarch: &str, goheap: &std::path::Path, args: &Args) -> Result<bool> {
    let folder = tempfile::tempdir().context("a folder for a pair")?;
    let pair = pairs::make(version, goarch, folder.path())?;
    let exe = pair.program.executable.display().to_string();
    let core = pair.core.display().to_string();
    let theirs = std::fs::read(&pair.dump).context("the runtime's dump")?;
    let exact = capture(goheap, &core, &["--exe", &exe, "--exact"])?;
    let compared = pairs::compare(&theirs, &exact.dump)?;
    // What only the mended walk looks at must be understood too.
    let mended = capture(goheap, &core, &["--exe", &exe])?;
    let mut gaps = exact.gaps();
    gaps.extend(mended.gaps());
    // A crash tells every thread by a signal to say where it is.
    gaps.retain(|gap| !gap.starts_with("the moment at ") || !gap.ends_with(pairs::IN_A_HANDLER));
    let mut differs = Vec::new();
    for alteration in pairs::alterations(goarch) {
        let altered = alteration.copy_of(&pair.program.executable)?;
        let altered = altered.display().to_string();
        match capture(goheap, &core, &["--exe", &altered, "--exact"]) {
            Ok(less) if less.dump == exact.dump => {}
            Ok(_) => differs.push(format!("{alteration:?}: another dump")),
            Err(error) => differs.push(format!("{alteration:?}: {error}")),
        }
    }
    let right = compared.wrong.is_empty() && gaps.is_empty() && differs.is_empty();
    println!("{goarch:9} {version:8} {}", line(&compared, &gaps));
    for wrong in compared.wrong.iter().take(SHOWN) {
        println!("    {wrong}");
    }
    for gap in gaps.iter().take(SHOWN) {
        println!("    gap: {gap}");
    }
    match (pairs::alterations(goarch), differs.as_slice()) {
        ([], _) => {}
        (all, []) => println!("    the same dump with less in the executable: {all:?}"),
        (_, differs) => println!("    WRONG with less in the executable: {differs:#?}"),
    }
    if let (false, Some(keep)) = (right, &args.keep) {
        let kept = keep.join(format!("{version}-{goarch}"));
        std::fs::create_dir_all(&kept).with_context(|| kept.display().to_string())?;
        std::fs::copy(&pair.dump, kept.join("pair.heapdump"))?;
        std::fs::copy(&pair.core, kept.join("core"))?;
        std::fs::copy(&pair.program.executable, kept.join("everything"))?;
    }
    Ok(right)
}

fn line(compared: &Compared, gaps: &[String]) -> String {
    let list = |map: &mut dyn Iterator<Item = (String, u64)>| -> String {
        let parts: Vec<String> = map.map(|(what, count)| format!("{count} {what}")).collect();
        parts.join(", ")
    };
    let same = list(
        &mut compared
            .same
            .iter()
            .map(|(what, n)| ((*what).to_owned(), *n)),
    );
    let explained = list(
        &mut compared
            .explained
            .iter()
            .map(|(what, n)| (what.clone(), *n)),
    );
    format!(
        "{}: the same: {same}; explained: {explained}; different: {}; gaps: {}",
        match compared.wrong.is_empty() && gaps.is_empty() {
            true => "right",
            false => "WRONG",
        },
        compared.wrong.len(),
        gaps.len(),
    )
}
