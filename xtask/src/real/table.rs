//! What came of many captures of one program, as a row of a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use goheap_testkit::capture::Capture;

use super::judge::Judged;

/// Many captures of one program, live or from cores.
pub(super) struct Row {
    program: String,
    version: String,
    from: &'static str,
    captures: usize,
    /// The program came to its own end while it was looked at.
    pub(super) ended: usize,
    sound: usize,
    rooted: usize,
    /// Captures that failed, with what goheap said.
    pub(super) failed: Vec<String>,
    complaints: BTreeMap<String, usize>,
    unrooted: BTreeMap<String, u64>,
    frameless: u64,
    goroutines: Vec<u64>,
    frames: Vec<u64>,
    heap: Vec<u64>,
    with_gaps: usize,
    /// By what a gap is called: how many, and the first of them.
    gaps: BTreeMap<String, (u64, String)>,
    unsafe_moments: usize,
    tries: Vec<u64>,
    pauses: Vec<u64>,
    unreachable: Vec<f64>,
    took: Duration,
}

impl Row {
    pub(super) fn new(program: &str, version: &str, from: &'static str) -> Row {
        Row {
            program: program.to_owned(),
            version: version.to_owned(),
            from,
            captures: 0,
            ended: 0,
            sound: 0,
            rooted: 0,
            failed: Vec::new(),
            complaints: BTreeMap::new(),
            unrooted: BTreeMap::new(),
            frameless: 0,
            goroutines: Vec::new(),
            frames: Vec::new(),
            heap: Vec::new(),
            with_gaps: 0,
            gaps: BTreeMap::new(),
            unsafe_moments: 0,
            tries: Vec::new(),
            pauses: Vec::new(),
            unreachable: Vec::new(),
            took: Duration::ZERO,
        }
    }

    /// Adds a capture; whether something is wrong with it, or was not seen.
    pub(super) fn add(
        &mut self,
        what: &str,
        capture: &Capture,
        judged: &Judged,
        took: Duration,
    ) -> bool {
        let told = &capture.told;
        let number = |name: &str| told[name].as_u64();
        self.captures += 1;
        self.took += took;
        self.goroutines.push(judged.goroutines);
        self.frames.push(judged.frames);
        self.heap.extend(number("object_bytes"));
        self.pauses.extend(number("pause_ns"));
        self.tries.extend(number("tries"));
        if told["safe_moment"].as_bool() == Some(false) {
            self.unsafe_moments += 1;
        }
        let sound = judged.complaints.is_empty();
        self.sound += usize::from(sound);
        for complaint in &judged.complaints {
            *self.complaints.entry(complaint.clone()).or_default() += 1;
        }
        let rooted = judged.unrooted.is_empty() && judged.frameless == 0;
        self.rooted += usize::from(rooted);
        self.frameless += judged.frameless;
        for (function, count) in &judged.unrooted {
            *self.unrooted.entry(function.clone()).or_default() += count;
        }
        if let Some((all, lost)) = judged.shares {
            self.unreachable
                .push(100.0 * lost as f64 / all.max(1) as f64);
        }
        let gaps = capture.gaps();
        self.with_gaps += usize::from(capture.gap_count() > 0);
        for gap in &gaps {
            let name = gap.split(" at ").next().unwrap_or_default().to_owned();
            let first = || (0, format!("{what}: {gap}"));
            self.gaps.entry(name).or_insert_with(first).0 += 1;
        }
        !sound || !rooted || capture.gap_count() > 0
    }

    /// Whether all is proved: gaps are allowed, as long as they are told.
    pub(super) fn holds(&self) -> bool {
        self.failed.is_empty() && self.sound == self.captures && self.rooted == self.captures
    }

    /// A line on how it stands.
    pub(super) fn last(&self) -> String {
        format!(
            "{} captures, {} sound, {} rooted, {} with gaps, {} failed",
            self.captures,
            self.sound,
            self.rooted,
            self.with_gaps,
            self.failed.len()
        )
    }

    /// What a row has no room for.
    pub(super) fn details(&self) -> String {
        let mut text = format!("{} by Go {}, {}:\n", self.program, self.version, self.from);
        for failed in &self.failed {
            let _ = writeln!(text, "  failed: {failed}");
        }
        for (complaint, count) in &self.complaints {
            let _ = writeln!(text, "  verify, {count} times: {complaint}");
        }
        for (function, count) in &self.unrooted {
            let _ = writeln!(text, "  {count} goroutines end in {function}");
        }
        for (name, (count, first)) in &self.gaps {
            let _ = writeln!(text, "  gap {name}, {count} times; first: {first}");
        }
        if self.ended > 0 {
            let _ = writeln!(text, "  {} times it ended by itself before", self.ended);
        }
        text
    }
}

/// The rows as a table.
pub(super) fn of(rows: &[Row]) -> String {
    let mut text = String::from(
        "| program | Go | from | captures | sound | all goroutines to their root | without frames | goroutines | frames | heap, MB | with gaps | gaps | not safe | tries p50/max | pause p50/max, ms | unreachable, % | time of a capture, s |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let gaps: Vec<_> = row
            .gaps
            .iter()
            .map(|(name, (count, _))| format!("{name} {count}"))
            .collect();
        let (heap, _) = middle_and_most(&row.heap);
        let most_lost = row.unreachable.iter().copied().reduce(f64::max);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} |",
            row.program,
            row.version,
            row.from,
            row.captures + row.failed.len(),
            row.sound,
            row.rooted,
            row.frameless,
            range(&row.goroutines),
            range(&row.frames),
            heap / 1_000_000,
            row.with_gaps,
            gaps.join(", "),
            row.unsafe_moments,
            spread(&row.tries, 1),
            spread(&row.pauses, 1_000_000),
            most_lost.map_or_else(|| "-".to_owned(), |lost| format!("{lost:.1}")),
            row.took.as_secs_f64() / row.captures.max(1) as f64,
        );
    }
    text
}

fn range(values: &[u64]) -> String {
    let (least, most) = (values.iter().min(), values.iter().max());
    format!("{}-{}", least.unwrap_or(&0), most.unwrap_or(&0))
}

/// The median and the maximum in a unit, where there are any.
fn spread(values: &[u64], unit: u64) -> String {
    let (middle, most) = middle_and_most(values);
    match values {
        [] => "-".to_owned(),
        _ => format!("{}/{}", middle / unit, most / unit),
    }
}

/// The median and the maximum.
fn middle_and_most(values: &[u64]) -> (u64, u64) {
    let mut values = values.to_vec();
    values.sort_unstable();
    let middle = values.get(values.len() / 2).copied().unwrap_or(0);
    (middle, values.last().copied().unwrap_or(0))
}
