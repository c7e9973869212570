//! A profile for `go tool pprof`: profile.proto, compressed by gzip.
//!
//! The fields are those of pprof's `proto/profile.proto`, numbers
//! included; what is not needed is left out.
//!
//! Sample types are `inuse_objects` (count), `inuse_space` (bytes) and `retained_space` (bytes); pprof
//! shows `inuse_space` if not told otherwise. What the stacks are: [`crate::stacks`]. In each type every
//! object, or byte, counts once, so that the total is that of the heap. For `retained_space` an object
//! that another one holds alone counts there, at the outermost: the sample of `main.cache` has all that
//! would be gone without it.
//!
//! Tags of what goroutines hold: `goroutine` (its number), `wait_reason`, and the labels that the program
//! has set by `runtime/pprof`, by their own names.
//!
//! # What it cannot say
//! Which objects these are, and that an object is held in more than one way.

use std::collections::HashMap;
use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use goheap_analysis::answers::labels::Labels;
use goheap_analysis::{Analysis, Watch};
use prost::Message;

use crate::ExportError;
use crate::select::Selection;
use crate::stacks::{Sample, Stacks};
use crate::text::clean;

/// Characters of a tag.
const LONGEST: usize = 240;

/// profile.proto: message ValueType.
#[derive(Clone, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    ty: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

/// profile.proto: message Label.
#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    text: i64,
    #[prost(int64, tag = "3")]
    number: i64,
}

/// profile.proto: message Sample. Locations stand the innermost first.
#[derive(Clone, PartialEq, Message)]
struct ProtoSample {
    #[prost(uint64, repeated, tag = "1")]
    locations: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    values: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    labels: Vec<Label>,
}

/// profile.proto: message Line.
#[derive(Clone, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function: u64,
}

/// profile.proto: message Location.
#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(message, repeated, tag = "4")]
    lines: Vec<Line>,
}

/// profile.proto: message Function, without `system_name`: of one that equals the name, pprof takes all in
/// parentheses away (google/pprof, internal/symbolizer: `demangleSingleFunction`).
#[derive(Clone, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

/// profile.proto: message Profile, in pieces: a message that is written twice is read as one of both, so
/// that no more than a sample is held at once.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_types: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<ProtoSample>,
    #[prost(message, repeated, tag = "4")]
    locations: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    functions: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    strings: Vec<String>,
    #[prost(int64, repeated, tag = "13")]
    comments: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_type: i64,
}

/// The table of strings; the first is empty.
struct Strings {
    known: HashMap<String, i64>,
    all: Vec<String>,
}

impl Strings {
    fn new() -> Strings {
        Strings {
            known: HashMap::from([(String::new(), 0)]),
            all: vec![String::new()],
        }
    }

    fn of(&mut self, text: &str) -> i64 {
        if let Some(known) = self.known.get(text) {
            return *known;
        }
        let next = self.all.len() as i64;
        self.all.push(text.to_owned());
        self.known.insert(text.to_owned(), next);
        next
    }
}

/// Writes the profile of the objects that are selected.
///
/// # Errors
/// Of the writer; interrupted.
pub fn write(
    analysis: &Analysis,
    selection: &Selection,
    watch: &dyn Watch,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let stacks = Stacks::of(analysis, selection, watch)?;
    // Without a time and a name in its header the same profile is the same bytes.
    let mut out = GzEncoder::new(out, Compression::default());
    let mut strings = Strings::new();
    let mut types = Vec::new();
    for (ty, unit) in [
        ("inuse_objects", "count"),
        ("inuse_space", "bytes"),
        ("retained_space", "bytes"),
    ] {
        let (ty, unit) = (strings.of(ty), strings.of(unit));
        types.push(ValueType { ty, unit });
    }
    let default_type = strings.of("inuse_space");
    let mut comments =
        vec![strings.of("objects by the shortest path that holds them; made by goheap export")];
    if stacks.merged > 0 {
        let said = format!("the {} smallest samples are told as one", stacks.merged);
        comments.push(strings.of(&said));
    }
    piece(
        &mut out,
        &Profile {
            sample_types: types,
            comments,
            default_type,
            ..Profile::default()
        },
    )?;
    let labels = Labels::of(analysis);
    for sample in &stacks.samples {
        let sample = proto_sample(analysis, sample, &labels, &mut strings);
        piece(
            &mut out,
            &Profile {
                samples: vec![sample],
                ..Profile::default()
            },
        )?;
    }
    for (name, id) in stacks.names.iter().zip(1u64..) {
        let name = strings.of(name);
        piece(
            &mut out,
            &Profile {
                locations: vec![Location {
                    id,
                    lines: vec![Line { function: id }],
                }],
                functions: vec![Function { id, name }],
                ..Profile::default()
            },
        )?;
    }
    for text in strings.all {
        piece(
            &mut out,
            &Profile {
                strings: vec![text],
                ..Profile::default()
            },
        )?;
    }
    out.finish()?;
    Ok(())
}

fn piece(out: &mut impl Write, piece: &Profile) -> Result<(), ExportError> {
    out.write_all(&piece.encode_to_vec())?;
    Ok(())
}

fn proto_sample(
    analysis: &Analysis,
    sample: &Sample,
    set: &Labels<'_>,
    strings: &mut Strings,
) -> ProtoSample {
    let value = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let goroutine = sample.goroutine.and_then(|goroutine| {
        let goroutines = analysis.dump.goroutines();
        goroutines.get(goroutine as usize)
    });
    let mut labels = Vec::new();
    if let Some(goroutine) = goroutine {
        labels.push(Label {
            key: strings.of("goroutine"),
            text: 0,
            number: value(goroutine.id),
        });
        if !goroutine.wait_reason.is_empty() {
            labels.push(Label {
                key: strings.of("wait_reason"),
                text: strings.of(&clean(&goroutine.wait_reason, LONGEST)),
                number: 0,
            });
        }
        let text = |bytes: &[u8]| clean(&String::from_utf8_lossy(bytes), LONGEST);
        for (key, value) in set.of_goroutine(goroutine) {
            labels.push(Label {
                key: strings.of(&text(&key)),
                text: strings.of(&text(&value)),
                number: 0,
            });
        }
    }
    ProtoSample {
        locations: sample
            .stack
            .iter()
            .rev()
            .map(|name| u64::from(*name) + 1)
            .collect(),
        values: vec![
            value(sample.sums.objects),
            value(sample.sums.bytes),
            value(sample.sums.retained),
        ],
        labels,
    }
}
