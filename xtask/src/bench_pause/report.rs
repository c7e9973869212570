//! The tables of `bench-pause`.

use std::path::Path;
use std::process::Command;

use super::sample::Sample;
use super::{Args, Way};
use crate::repository::root;

/// What was measured where, in front of the tables.
pub(super) fn head(args: &Args, goheap: &Path) -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(root())
            .output();
        output.map_or_else(
            |_| "?".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    format!(
        "Go {}, {} rounds in turns; {} threads beside the runtime's, {} MB a second allocated, {} old \
         objects a second written to; {} at commit {}; kernel {}, {} processors, load {} at the end.\n\n\
         Milliseconds: median / 99th percentile. \"From inside\": what a thread of the program saw.\n",
        args.go,
        args.rounds,
        args.threads,
        args.allocation,
        args.writes,
        goheap.display(),
        said("git", &["rev-parse", "--short", "HEAD"]),
        said("uname", &["-r"]),
        std::thread::available_parallelism().map_or(0, usize::from),
        load(),
    )
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// The table of one size.
pub(super) fn table(size: u64, about: &str, rows: &[(Way, Vec<Sample>)]) -> String {
    let control = rows.iter().find(|(way, _)| *way == Way::Control);
    let control: Vec<&Sample> = control.map_or(Vec::new(), |(_, samples)| samples.iter().collect());
    // Gaps that there are anyway, in ns a ns.
    let gaps: f64 = control.iter().map(|s| s.gaps() as f64).sum();
    let window: f64 = control.iter().map(|s| s.inside.window as f64).sum();
    let anyway = if window > 0.0 { gaps / window } else { 0.0 };

    let mut text = format!(
        "\n**{size} MB** ({about}; load now {}):\n\n\
         | by | captures | longest stop | all its stops | tries, most | from inside: the last stop | longest gap meanwhile | all gaps, \
         less the control's | longest step of the work | MB copied in the pause | MB needed beside | peak RSS / \
         RssAnon of the tool, MiB | RssAnon of the program at most more than before, MB | took, s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        load()
    );
    for (way, samples) in rows {
        let good: Vec<&Sample> = samples.iter().filter(|s| s.failed.is_none()).collect();
        let each = |value: &dyn Fn(&Sample) -> Option<f64>, digits: usize| {
            spread(good.iter().filter_map(|s| value(s)).collect(), digits)
        };
        let ms = |ns: u64| ns as f64 / 1e6;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let most = |value: &dyn Fn(&Sample) -> Option<i64>| {
            let most = good.iter().filter_map(|s| value(s)).max();
            most.map_or("-".to_owned(), |most| most.to_string())
        };
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} / {} | {} | {} |\n",
            way.title(),
            match samples.len() - good.len() {
                0 => samples.len().to_string(),
                failed => format!("{} and {failed} that failed", good.len()),
            },
            each(&|s| s.pause.map(ms), 2),
            each(&|s| s.stopped.map(ms), 2),
            most(&|s| s.tries.and_then(|t| i64::try_from(t).ok())),
            each(&|s| s.seen().map(ms), 2),
            each(&|s| Some(ms(s.longest_gap())), 2),
            each(
                &|s| Some((s.gaps() as f64 - anyway * s.inside.window as f64) / 1e6),
                1
            ),
            each(&|s| Some(ms(s.inside.step)), 1),
            each(&|s| s.copied_in_pause.map(mb), 1),
            each(&|s| s.extra.map(mb), 0),
            most(&|s| s.cost.map(|c| c.peak_rss / 1024)),
            most(&|s| s.cost.map(|c| c.peak_anon / 1024)),
            each(&|s| Some(mb(s.memory.peak - s.memory.before)), 0),
            each(&|s| Some(s.took.as_secs_f64()), 2),
        ));
    }
    text.push_str(&ratios(rows));
    text.push_str(&failures(rows));
    text
}

/// How the methods stand to the program's own dump to /dev/null, by medians.
fn ratios(rows: &[(Way, Vec<Sample>)]) -> String {
    let of = |wanted: Way| rows.iter().find(|(way, _)| *way == wanted);
    let stop = |way: Way| {
        let (_, samples) = of(way)?;
        median(samples.iter().filter_map(|s| s.pause.map(|p| p as f64)))
    };
    let gap = |way: Way| {
        let (_, samples) = of(way)?;
        let good = samples.iter().filter(|s| s.failed.is_none());
        median(good.filter_map(|s| s.seen().map(|seen| seen as f64)))
    };
    let Some(own) = stop(Way::Runtime { null: true }) else {
        return String::new();
    };
    let mut text = String::from("\n");
    for way in Way::ALL {
        if !matches!(way, Way::Goheap(_)) {
            continue;
        }
        if let (Some(stop), Some(gap)) = (stop(way), gap(way)) {
            text.push_str(&format!(
                "{}: 1/{:.0} of `WriteHeapDump` to /dev/null ({:.0} ms) by its own measure, 1/{:.0} from inside\n",
                way.title(),
                own / stop,
                own / 1e6,
                own / gap.max(1.0)
            ));
        }
    }
    text
}

fn failures(rows: &[(Way, Vec<Sample>)]) -> String {
    let failed = rows.iter().flat_map(|(way, samples)| {
        let why = samples.iter().filter_map(|s| s.failed.as_ref());
        why.take(1).map(|why| format!("{}: {why}\n", way.title()))
    });
    failed.collect()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Median and 99th percentile.
fn spread(mut values: Vec<f64>, digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((values.len() as f64 * share) as usize);
    match (at(0.5), at(0.99)) {
        (Some(median), Some(high)) => format!("{median:.digits$} / {high:.digits$}"),
        _ => "-".to_owned(),
    }
}
