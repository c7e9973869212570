//! `soak`: a thousand captures in a row of a loaded HTTP service, by each method and on several versions
//! of Go: is each request answered rightly, and is anything left in the service.

use std::path::PathBuf;

use anyhow::Result;
use goheap_testkit::soak::{self, Plan, Report};

use crate::repository::build_goheap;

/// How far RSS may be from what it was, as a share.
const RSS: f64 = 0.05;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Versions of Go
    #[arg(long, num_args = 1.., value_name = "VERSION", default_values = ["1.21.13", "1.24.11", "1.27.3"])]
    versions: Vec<String>,
    /// Methods of goheap, and control, which captures nothing
    #[arg(long, num_args = 1.., value_name = "METHOD", default_values = ["control", "pre-copy", "fork", "stop"])]
    methods: Vec<String>,
    /// How many captures of each
    #[arg(long, default_value_t = 1000)]
    captures: usize,
    /// How many threads of the service do nothing but wait; each number is a run of its own
    #[arg(long, num_args = 1.., value_name = "N", default_values_t = [0, 1000])]
    threads: Vec<usize>,
    /// How many clients ask
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// How many requests a second they make together
    #[arg(long, default_value_t = 400)]
    rate: u32,
    /// How many requests are answered before the first capture
    #[arg(long, default_value_t = 10_000)]
    warm_up: u64,
    /// A goheap that is built already
    #[arg(long)]
    goheap: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<bool> {
    let goheap = match &args.goheap {
        Some(path) => path.clone(),
        None => build_goheap()?,
    };
    println!(
        "{} clients, {} requests a second, each with its answer checked; latencies and stops in ms, p50 / p99 / \
         longest; RSS in MB, at rest before and after, and beside it what the runtime tells of as in use.\n\n\
         | Go | method | idle threads | captures | took, s | stood still | requests | wrong or missing | latency \
         without captures | with them | RSS before | after | the runtime tells | slope of RSS under load, over all captures | \
         goroutines | left behind | with gaps |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        args.clients, args.rate
    );
    let mut good = true;
    for threads in &args.threads {
        for version in &args.versions {
            for method in &args.methods {
                let plan = Plan {
                    goheap: &goheap,
                    version,
                    method: Some(method),
                    captures: args.captures,
                    threads: *threads,
                    load: (args.clients, args.rate),
                    warm_up: args.warm_up,
                };
                let report = soak::run(&plan)?;
                println!("{}", row(&plan, method, &report));
                let mut harm = report.harm();
                harm.extend(growth(&report));
                for one in harm.iter().take(10) {
                    eprintln!("Go {version}, {method}, {threads} threads: {one}");
                }
                if let Some(gap) = &report.gap {
                    eprintln!("Go {version}, {method}, {threads} threads: a gap: {gap}");
                }
                good &= harm.is_empty();
            }
        }
    }
    Ok(good)
}

/// How its memory has grown, if it has.
fn growth(report: &Report) -> Vec<String> {
    let (before, after) = (report.rss.0 as f64, report.rss.1 as f64);
    let mut growth = Vec::new();
    if (after - before).abs() > RSS * before {
        growth.push(format!("RSS at rest: {before} before, {after} after"));
    }
    if drift(report) > RSS {
        growth.push(format!(
            "RSS under load grew by {:.1} %",
            100.0 * drift(report)
        ));
    }
    growth
}

/// By what share of its mean RSS grew over all captures.
fn drift(report: &Report) -> f64 {
    report.rss_slope() * report.rss_under_load.len() as f64 / report.rss_mean().max(1.0)
}

fn row(plan: &Plan<'_>, method: &str, report: &Report) -> String {
    let ms = |d: std::time::Duration| d.as_secs_f64() * 1e3;
    let seen = |seen: &soak::Seen| {
        format!(
            "{:.1} / {:.1} / {:.1}",
            ms(seen.median),
            ms(seen.p99),
            ms(seen.longest)
        )
    };
    let (without, with) = report.seen.as_ref().map_or_else(
        || ("-".to_owned(), "-".to_owned()),
        |(without, with)| (seen(without), seen(with)),
    );
    let (requests, bad) = report.seen.map_or((0, 0), |(one, other)| {
        let right = one.right + other.right;
        let bad = one.wrong + one.failed + other.wrong + other.failed;
        (right + bad, bad)
    });
    let told = |one: fn(&soak::Inside) -> String| {
        report.inside.map_or_else(String::new, |(before, after)| {
            format!("{} / {}", one(&before), one(&after))
        })
    };
    let goroutines = told(|inside| inside.goroutines.to_string());
    let in_use = told(|inside| format!("{:.1}", inside.in_use as f64 / 1e6));
    format!(
        "| {} | {method} | {} | {} of {} | {:.0} | {} | {requests} | {bad} | {without} | {with} | {:.1} | {:.1} | \
         {in_use} | {:+.2} % | {goroutines} | {} | {} |",
        plan.version,
        plan.threads,
        report.captures,
        plan.captures,
        report.took.as_secs_f64(),
        stops(report),
        report.rss.0 as f64 / 1e6,
        report.rss.1 as f64 / 1e6,
        100.0 * drift(report),
        match report.left.len() {
            0 => "nothing".to_owned(),
            n => n.to_string(),
        },
        report.with_gaps,
    )
}

fn stops(report: &Report) -> String {
    let mut stops: Vec<f64> = report.stopped.iter().map(|ns| *ns as f64 / 1e6).collect();
    stops.sort_by(f64::total_cmp);
    let at = |share: f64| stops.get((stops.len() as f64 * share) as usize);
    match (at(0.5), at(0.99), stops.last()) {
        (Some(median), Some(p99), Some(most)) => format!("{median:.2} / {p99:.2} / {most:.2}"),
        _ => "-".to_owned(),
    }
}
