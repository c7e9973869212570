//! `twin`: one twin by hand, with all its differences and both dumps kept; `compare`: of two dumps
//! that were kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use goheap_testkit::entry::Entry;
use goheap_testkit::quiescent::Quiescent;
use goheap_testkit::symbols::Symbols;
use goheap_testkit::twin::{self, Allowed};
use goheap_testkit::{second_reader, variant};

use crate::repository::build_goheap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Version of Go
    version: String,
    /// How the program is built and run
    #[arg(long, default_value = "plain", value_parser = clap::builder::PossibleValuesParser::new(variant::NAMES))]
    variant: String,
    /// The program
    #[arg(long, default_value = "everything")]
    program: String,
    /// Stop at the entry of the runtime's writer instead of inside it
    #[arg(long)]
    entry: bool,
    /// Take goheap's dump from a core instead of the process
    #[arg(long, conflicts_with = "entry")]
    core: bool,
    /// How the process is captured; the gentlest way that is open, if not given
    #[arg(long, value_parser = ["pre-copy", "fork", "stop"], conflicts_with = "core")]
    method: Option<String>,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// Where both dumps are kept
    #[arg(long, default_value = "/tmp/twin")]
    keep: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let variant = variant::named(&args.variant)?;
    let program = variant.program(&args.version, &args.program)?;
    let symbols = variant.symbols(&program)?;
    fs::create_dir_all(&args.keep).with_context(|| format!("create {}", args.keep.display()))?;
    let other = args.keep.join("goheap.heapdump");
    let mut allowed = Allowed::default();
    let (runtime, bias) = if args.entry {
        let twin = Entry::start(&program, variant.environment, &args.keep)?;
        let bias = twin.load_bias();
        dump(
            &goheap,
            &twin.pid().to_string(),
            &other,
            args.method.as_deref(),
        )?;
        let runtime = twin.finish()?;
        let read = second_reader::read(&runtime)?;
        allowed = Allowed::at_entry(&read, &runtime, &symbols, bias);
        (runtime, bias)
    } else {
        let twin = Quiescent::start(&program, variant.environment)?;
        let bias = twin.load_bias(&symbols)?;
        if args.core {
            let core = goheap_testkit::core::of(twin.pid(), &args.keep)?;
            let core = core.to_str().context("a path in UTF-8")?;
            dump(&goheap, core, &other, None)?;
        } else {
            dump(
                &goheap,
                &twin.pid().to_string(),
                &other,
                args.method.as_deref(),
            )?;
        }
        (twin.finish()?, bias)
    };
    fs::write(args.keep.join("runtime.heapdump"), &runtime)?;
    allowed.tmpbuf = symbols
        .named("runtime.tmpbuf")
        .map(|s| s.address.wrapping_add(bias));
    let other = fs::read(&other)?;
    report(&runtime, &other, &allowed, Some((&symbols, bias)))
}

pub(crate) fn compare(runtime: &Path, other: &Path) -> Result<bool> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    report(&read(runtime)?, &read(other)?, &Allowed::default(), None)
}

fn report(
    runtime: &[u8],
    other: &[u8],
    allowed: &Allowed,
    symbols: Option<(&Symbols, u64)>,
) -> Result<bool> {
    match twin::compare(runtime, other, allowed, symbols) {
        Ok(differences) if differences.is_empty() => {
            println!("equal: {} bytes, but for what may differ", runtime.len());
            Ok(true)
        }
        Ok(differences) => {
            print!("{}", twin::summary(&differences));
            Ok(false)
        }
        Err((true, error)) => bail!("the runtime's dump: {error}"),
        Err((false, error)) => bail!("goheap's dump: {error}"),
    }
}

fn dump(goheap: &Path, source: &str, to: &Path, method: Option<&str>) -> Result<()> {
    let mut command = Command::new(goheap);
    command.args(["dump", source, "--exact", "-o"]).arg(to);
    if let Some(method) = method {
        command.args(["--method", method]);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot run {}", goheap.display()))?;
    if !status.success() {
        bail!("goheap dump {source}: {status}");
    }
    Ok(())
}
