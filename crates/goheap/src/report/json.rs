//! The JSON of `goheap report`, as `docs/commands.md` documents it: its own part is the suspects, all
//! else are the values of the commands.

use goheap_analysis::Analysis;
use goheap_analysis::answers::suspects::{
    Content, Name, Part, Sentence, Suspect, SuspectKind, Suspects, Useless,
};
use goheap_page::suspects::in_words;
use serde::Serialize;

use super::{Answers, GROUPS, facts};
use crate::goroutines::GoroutinesValue;
use crate::info::LedgerValue;
use crate::top::TopValue;
use crate::tree::TreeValue;
use crate::waste::WasteValue;

/// The shape, and its version.
const SCHEMA: &str = "goheap.report/1";

#[derive(Serialize)]
struct ReportValue<'a> {
    schema: &'static str,
    source: &'a str,
    redacted: bool,
    facts: Vec<FactValue>,
    notes: Vec<String>,
    suspects: SuspectsValue,
    top: TopValue<'a>,
    tree: TreeValue<'a>,
    goroutines: GoroutinesValue,
    waste: WasteValue,
    ledger: LedgerValue,
}

#[derive(Serialize)]
struct FactValue {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
struct SuspectsValue {
    verdict: Option<String>,
    found: Vec<SuspectValue>,
    largest: Option<SuspectValue>,
}

#[derive(Serialize)]
struct SuspectValue {
    kind: &'static str,
    name: String,
    about: Option<String>,
    address: Option<String>,
    count: u64,
    leaked: Option<u64>,
    bytes: u64,
    share: Option<f64>,
    retained_bytes: u64,
    own_bytes: u64,
    entries: Option<u64>,
    content: Option<ContentValue>,
    sentence: String,
    notes: Vec<String>,
    ask: Option<Vec<String>>,
}

#[derive(Serialize)]
struct ContentValue {
    #[serde(rename = "type")]
    class: String,
    objects: u64,
    own_bytes: u64,
    retained_bytes: u64,
    through: String,
    example: String,
    known: KnownValue,
}

#[derive(Serialize)]
struct KnownValue {
    sure_bytes: u64,
    guessed_bytes: u64,
    unknown_bytes: u64,
}

/// The whole report on one line.
pub(super) fn text(
    source: &str,
    asked: &str,
    analysis: &Analysis,
    answers: &Answers,
    redact: bool,
) -> String {
    let missing = analysis.dump.missing();
    let value = ReportValue {
        schema: SCHEMA,
        source,
        redacted: redact,
        facts: facts::of(analysis)
            .into_iter()
            .map(|(name, value)| FactValue { name, value })
            .collect(),
        notes: facts::notes(analysis),
        suspects: SuspectsValue::of(&answers.suspects, asked, redact),
        top: TopValue::of(source, &answers.top, missing),
        tree: TreeValue::of(source, &answers.tree, missing),
        goroutines: GoroutinesValue::of_groups(source, analysis, &answers.goroutines, GROUPS),
        waste: WasteValue::of(source, analysis, &answers.waste),
        ledger: LedgerValue::of(&answers.ledger),
    };
    // Strings and numbers alone: this does not fail.
    let mut text = serde_json::to_string(&value).unwrap_or_default();
    text.push('\n');
    text
}

impl SuspectsValue {
    fn of(suspects: &Suspects, asked: &str, redact: bool) -> SuspectsValue {
        let one = |suspect: &Suspect| SuspectValue::of(suspects, suspect, asked, redact);
        SuspectsValue {
            verdict: suspects.verdict().map(|said| words(&said, redact)),
            found: suspects.found.iter().map(one).collect(),
            largest: suspects.largest.as_ref().map(one),
        }
    }
}

/// A sentence with its full stop.
fn words(sentence: &Sentence, redact: bool) -> String {
    let mut text: String = sentence
        .iter()
        .map(|part| part_in_words(part, redact))
        .collect();
    text.push('.');
    text
}

fn part_in_words(part: &Part, redact: bool) -> String {
    match part {
        Part::Name { name, .. } => shown(name, redact),
        part => in_words(part),
    }
}

fn shown(name: &Name, redact: bool) -> String {
    match redact {
        true => name.signature.clone(),
        false => name.text.clone(),
    }
}

impl SuspectValue {
    fn of(all: &Suspects, suspect: &Suspect, asked: &str, redact: bool) -> SuspectValue {
        let heap = all.heap.bytes;
        SuspectValue {
            kind: kind(suspect.kind),
            name: shown(&suspect.name, redact),
            about: (!suspect.about.is_empty()).then(|| suspect.about.clone()),
            address: (suspect.address != 0).then(|| format!("{:#x}", suspect.address)),
            count: suspect.count,
            leaked: (suspect.kind == SuspectKind::Goroutines).then_some(suspect.leaked),
            bytes: suspect.bytes,
            share: (heap > 0).then(|| suspect.bytes as f64 / heap as f64),
            retained_bytes: suspect.retained,
            own_bytes: suspect.own,
            entries: suspect.entries,
            content: suspect.content.as_ref().map(ContentValue::of),
            sentence: words(&all.sentence(suspect), redact),
            notes: all
                .notes(suspect)
                .iter()
                .map(|note| words(note, redact))
                .collect(),
            ask: suspect.ask.as_ref().map(|ask| {
                let words = ask.words(asked).into_iter();
                std::iter::once("goheap")
                    .chain(words)
                    .map(str::to_owned)
                    .collect()
            }),
        }
    }
}

impl ContentValue {
    fn of(content: &Content) -> ContentValue {
        ContentValue {
            class: content.class.clone(),
            objects: content.objects,
            own_bytes: content.bytes,
            retained_bytes: content.retained,
            // Keys and indexes of one of them say nothing of the others.
            through: content.through.signature.clone(),
            example: format!("{:#x}", content.address),
            known: KnownValue {
                sure_bytes: content.known.sure,
                guessed_bytes: content.known.guessed,
                unknown_bytes: content.known.unknown,
            },
        }
    }
}

fn kind(kind: SuspectKind) -> &'static str {
    match kind {
        SuspectKind::Holder => "holder",
        SuspectKind::Type => "type",
        SuspectKind::Goroutines => "goroutines",
        SuspectKind::Finalizers { .. } => "finalizers",
        SuspectKind::Waste(Useless::SliceTails) => "waste:slice_tails",
        SuspectKind::Waste(Useless::Pinned) => "waste:pinned",
        SuspectKind::Waste(Useless::MapSlots) => "waste:map_slots",
        SuspectKind::Waste(Useless::Duplicates) => "waste:duplicate_strings",
        SuspectKind::Waste(Useless::Channels) => "waste:channels",
        SuspectKind::Waste(Useless::Pools) => "waste:pools",
        SuspectKind::Garbage => "garbage",
    }
}
