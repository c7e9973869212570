//! What came of the captures, as a table.

use std::fmt::Write;
use std::time::Duration;

use crate::real::judge::Judged;
use crate::types_share::judge::Shares;

use goheap_testkit::shipped::programs::Own;

/// A capture of a program.
#[derive(Default)]
pub(super) struct Row {
    pub(super) program: &'static str,
    pub(super) from: &'static str,
    /// How it is linked.
    pub(super) form: String,
    /// What it says of its own memory, before the capture and after.
    pub(super) own: Option<(Own, Own)>,
    pub(super) took: Duration,
    /// The first gaps.
    pub(super) gaps: Vec<String>,
    pub(super) told: Option<Told>,
    pub(super) failed: Option<String>,
}

/// What a dump says.
pub(super) struct Told {
    pub(super) go: String,
    pub(super) objects: u64,
    pub(super) bytes: u64,
    /// Of the runtime's own statistics in the dump.
    pub(super) heap_objects: u64,
    pub(super) heap_alloc: u64,
    pub(super) pause: Option<Duration>,
    pub(super) gap_count: u64,
    pub(super) safe: bool,
    pub(super) shares: Shares,
    pub(super) judged: Judged,
    /// The type that fills the most.
    pub(super) top: String,
    /// Why nobody can say what holds it.
    pub(super) why: Option<String>,
}

/// How many objects may contradict their type in a thousand: what the collector is told of them and
/// what the type says differ in few places only.
const CONTRADICT: u64 = 1;

impl Row {
    pub(super) fn failed(program: &'static str, why: String) -> Row {
        Row {
            program,
            failed: Some(why),
            ..Row::default()
        }
    }

    /// Whether all is proved: the dump is sound, each goroutine unwinds to its root, objects are as
    /// many as the statistics say, and types agree with the collector.
    pub(super) fn holds(&self) -> bool {
        let Some(told) = &self.told else { return false };
        self.failed.is_none()
            && told.judged.complaints.is_empty()
            && told.judged.unrooted.is_empty()
            && told.judged.frameless == 0
            && told.why.is_none()
            && (told.gap_count > 0
                || (told.objects, told.bytes) == (told.heap_objects, told.heap_alloc))
            && told.shares.contradict * 1000 <= told.shares.agree * CONTRADICT
    }

    /// What the table has no room for.
    pub(super) fn details(&self) -> String {
        let mut text = format!("{} {}:\n", self.program, self.from);
        let mut line = |what: &str, said: &str| {
            let _ = writeln!(text, "  {what}: {said}");
        };
        if let Some(failed) = &self.failed {
            line("failed", failed);
        }
        for gap in &self.gaps {
            line("gap", gap);
        }
        let Some(told) = &self.told else { return text };
        for complaint in &told.judged.complaints {
            line("verify", complaint);
        }
        for (function, count) in &told.judged.unrooted {
            line("goroutines end in", &format!("{function}, {count} times"));
        }
        for (count, example) in told.shares.examples.values() {
            line("contradicts", &format!("{count} as {example}"));
        }
        if (told.objects, told.bytes) != (told.heap_objects, told.heap_alloc) {
            let (objects, bytes) = (told.heap_objects, told.heap_alloc);
            line(
                "its statistics say",
                &format!("{objects} objects, {bytes} bytes"),
            );
        }
        if let Some(why) = &told.why {
            line("why", why);
        }
        let how = told.shares.by_how.iter();
        let how: Vec<String> = how
            .map(|(how, bytes)| format!("{how:?} {:.1} MB", *bytes as f64 / 1e6))
            .collect();
        line("how types are known", &how.join(", "));
        text
    }
}

/// The rows as a table.
pub(super) fn of(rows: &[Row]) -> String {
    let mut text = String::from(
        "| program | form | Go | from | heap, MB | objects | goroutines | its own heap, MB | its own objects | its own goroutines | gaps | sound | to their root | typed, % | contradict | fills the most | pause, ms | time, s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let Some(told) = &row.told else {
            let failed = row.failed.as_deref().unwrap_or("?").replace('\n', " ");
            let _ = writeln!(text, "| {} | failed: {failed} |", row.program);
            continue;
        };
        let own = |of: fn(&Own) -> f64, unit: f64| match &row.own {
            Some((before, after)) => {
                format!("{:.1}-{:.1}", of(before) / unit, of(after) / unit)
            }
            None => "-".to_owned(),
        };
        let all = told.shares.all[0] + told.shares.all[1];
        let typed = told.shares.typed[0] + told.shares.typed[1];
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.1} | {} | {} | {} | {} | {} | {}{} | {} | {} | {:.2} | {} of {} | {} | {} | {:.1} |",
            row.program,
            row.form,
            told.go,
            row.from,
            told.bytes as f64 / 1e6,
            told.objects,
            told.judged.goroutines,
            own(|own| own.heap_alloc, 1e6),
            own(|own| own.heap_objects, 1.0),
            own(|own| own.goroutines, 1.0),
            told.gap_count,
            if told.safe { "" } else { ", moment not safe" },
            if told.judged.complaints.is_empty() {
                "yes"
            } else {
                "NO"
            },
            if told.judged.unrooted.is_empty() {
                "all"
            } else {
                "NOT ALL"
            },
            typed as f64 / all.max(1) as f64 * 100.0,
            told.shares.contradict,
            told.shares.agree + told.shares.contradict,
            told.top,
            told.pause.map_or_else(
                || "-".to_owned(),
                |p| format!("{:.1}", p.as_secs_f64() * 1e3)
            ),
            row.took.as_secs_f64(),
        );
    }
    text
}
