//! `bench-serve`: how soon `goheap serve` shows its first page of a heap of many small objects, beside
//! `goheap top`, and how long each kind of click takes, over many random objects.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::linked::{self, Links};
use crate::measure;
use crate::repository::build_goheap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Version of Go
    #[arg(long, default_value = "1.24.3")]
    go: String,
    /// How many objects, 36 bytes each on average
    #[arg(long, default_value_t = 28_000_000)]
    objects: u64,
    /// How many clicks of each kind
    #[arg(long, default_value_t = 200)]
    clicks: usize,
    /// How often the first page is waited for, and `top` run; the medians are told
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
    /// A dump that is there already
    #[arg(long)]
    dump: Option<PathBuf>,
    /// A folder for the dump
    #[arg(long, default_value = "/var/tmp")]
    folder: PathBuf,
}

/// How long all answers together may take to be ready.
const PATIENCE: Duration = Duration::from_secs(900);

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    let folder = tempfile::Builder::new()
        .prefix("bench-serve-")
        .tempdir_in(&args.folder)?;
    let dump = match &args.dump {
        Some(dump) => dump.clone(),
        None => linked::dump(
            &args.go,
            (args.objects, Links::InOrder),
            &goheap,
            folder.path(),
        )?,
    };
    std::io::copy(&mut std::fs::File::open(&dump)?, &mut std::io::sink())?;
    let (mut tops, mut firsts) = (Vec::new(), Vec::new());
    let mut last = None;
    for round in 0..args.rounds.max(1) {
        eprintln!("round {}: top", round + 1);
        tops.push(measure::of(Command::new(&goheap).arg("top").arg(&dump))?.wall);
        eprintln!("round {}: serve", round + 1);
        drop(last.take());
        let begun = Instant::now();
        let served = Served::start(&goheap, &dump)?;
        let first = served.get("")?;
        firsts.push(begun.elapsed().as_secs_f64());
        ensure!(
            first.contains("held by this alone"),
            "no first page: {first}"
        );
        last = Some((served, begun));
    }
    let (served, begun) = last.context("no round")?;
    eprintln!("until all is ready");
    for page in ["", "top/size", "waste", "objects"] {
        while served.get(page)?.contains("class=\"wait\"") {
            ensure!(begun.elapsed() < PATIENCE, "{page} is not ready");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let ready = begun.elapsed().as_secs_f64();
    let rows = clicks(args, &served)?;
    println!(
        "Go {}, {}, {} clicks of each kind\n",
        args.go,
        dump.display(),
        args.clicks
    );
    println!("| | s |\n|---|---|");
    println!("| goheap top | {:.2} |", median(&mut tops));
    println!("| start to first page | {:.2} |", median(&mut firsts));
    println!("| start to everything ready | {ready:.1} |");
    println!(
        "\nPeak RSS {} MiB, anonymous at the end {} MiB\n",
        served.status("VmHWM")? / 1024,
        served.status("RssAnon")? / 1024
    );
    println!("| click | median, ms | p99, ms | longest, ms |\n|---|---|---|---|");
    let mut is_quick = true;
    for (name, mut took) in rows {
        took.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (took.len() as f64 * share) as usize;
            took.get(place.min(took.len().saturating_sub(1)))
        };
        let (middle, most, longest) = (at(0.5), at(0.99), took.last());
        let number = |n: Option<&f64>| n.copied().unwrap_or(0.0);
        is_quick &= number(most) < 200.0;
        println!(
            "| {name} | {:.1} | {:.1} | {:.1} |",
            number(middle),
            number(most),
            number(longest)
        );
    }
    Ok(is_quick)
}

/// Clicks on each kind of page, with how long each took in milliseconds.
fn clicks(args: &Args, served: &Served) -> Result<Vec<(&'static str, Vec<f64>)>> {
    // Constants of Knuth's MMIX: the same clicks in each run.
    let mut state = 4711u64;
    let mut random = move |below: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below.max(1)
    };
    let types = links(&served.get("top/type")?, "/type/");
    let holders = links(&served.get("top/root")?, "/holder/");
    let places = links(&served.get("map")?, "/map?at=");
    ensure!(!types.is_empty() && !holders.is_empty(), "no types");
    // Random objects of the types with most of them.
    let mut lists = Vec::new();
    for id in links(&served.get("top/type?sort=objects")?, "/type/")
        .iter()
        .take(2)
    {
        let list = format!("objects?type={}", id.rsplit('/').next().unwrap_or_default());
        let page = served.get(&list)?;
        let total = page
            .split(" of ")
            .filter_map(|rest| rest.split_once(" object"))
            .find_map(|(count, _)| count.replace(',', "").parse::<u64>().ok());
        lists.push((list, total.unwrap_or(1)));
    }
    let mut objects = Vec::new();
    while objects.len() < args.clicks {
        let (list, total) = &lists[random(lists.len() as u64) as usize];
        let page = random(total / 100) + 1;
        let found = links(&served.get(&format!("{list}&page={page}"))?, "/object/");
        let Some(object) = found.get(random(found.len() as u64) as usize) else {
            continue;
        };
        objects.push(object.clone());
    }
    let mut rows: Vec<(&'static str, Vec<f64>)> = Vec::new();
    for kind in [
        "overview",
        "map",
        "map, a place in it",
        "map of an object",
        "types, sorted and filtered",
        "a list of objects",
        "an object",
        "a type",
        "a holder",
        "goroutines",
        "waste",
        "search: a name",
        "search: an address",
    ] {
        eprintln!("clicking: {kind}");
        let mut took = Vec::new();
        for number in 0..args.clicks {
            let mut one = |all: &[String]| match all.len() {
                0 => String::new(),
                len => all[random(len as u64) as usize].clone(),
            };
            let page = match kind {
                "overview" => String::new(),
                "map" => "map?as=icicle".to_owned(),
                "map, a place in it" => one(&places),
                "map of an object" => {
                    let object = one(&objects);
                    let page = served.get(&object)?;
                    links(&page, "/map?under=")
                        .first()
                        .cloned()
                        .unwrap_or_default()
                }
                "types, sorted and filtered" => format!("top/type?sort=objects&q=a{}", number % 7),
                "a list of objects" => {
                    let (list, total) = &lists[number % lists.len()];
                    format!("{list}&page={}", random(total / 100) + 1)
                }
                "an object" => objects[number % objects.len()].clone(),
                "a type" => one(&types),
                "a holder" => one(&holders),
                "search: a name" => "find?q=main".to_owned(),
                "search: an address" => {
                    let object = one(&objects);
                    format!("find?q={}", object.rsplit('/').next().unwrap_or_default())
                }
                page => page.to_owned(),
            };
            let begun = Instant::now();
            served.get(&page)?;
            took.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
        rows.push((kind, took));
    }
    Ok(rows)
}

/// The links of a page whose path has this in it, without what all addresses begin with.
fn links(page: &str, part: &str) -> Vec<String> {
    let hrefs = page.split("href=\"").skip(1);
    let hrefs = hrefs.filter_map(|rest| rest.split('"').next());
    hrefs
        .filter(|href| href.contains(part))
        .filter_map(|href| href.get(34..))
        .map(|href| href.replace("&amp;", "&"))
        .collect()
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(0.0)
}

/// A `goheap serve` at work.
struct Served {
    child: Child,
    port: u16,
    base: String,
}

impl Served {
    fn start(goheap: &Path, dump: &Path) -> Result<Served> {
        let mut child = Command::new(goheap)
            .arg("serve")
            .arg(dump)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().context("its output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let url = line.split_once("http://127.0.0.1:").context("no address")?;
        let (port, path) = url.1.split_once('/').context("no path")?;
        Ok(Served {
            child,
            port: port.parse()?,
            base: format!("/{}", path.trim_end().trim_end_matches('/')),
        })
    }

    /// A page.
    fn get(&self, page: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let (base, port) = (&self.base, self.port);
        let request = format!(
            "GET {base}/{page} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        let answer = String::from_utf8(answer)?;
        let is_there = answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 303");
        ensure!(
            is_there,
            "{page}: {}",
            answer.lines().next().unwrap_or_default()
        );
        Ok(answer)
    }

    /// A line of its status, in KiB.
    fn status(&self, name: &str) -> Result<u64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let words = line.and_then(|line| line.split_whitespace().nth(1));
        Ok(words.context("its status")?.parse()?)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
