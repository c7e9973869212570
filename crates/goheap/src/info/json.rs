//! The JSON of `goheap info`, as `docs/commands.md` documents it.

use std::collections::BTreeMap;

use goheap_format::annex::Digest;
use goheap_format::{Compression, RecordKind};
use serde::Serialize;

use super::{From, Info};
use crate::census::{Census, Head, status_name};
use crate::gaps::GapsValue;
use crate::records::MemStatsValue;
use crate::source::Source;
use crate::standstill::{PassedOver, Told};
use crate::text::{hex, json_text};

/// The shape, and its version.
const SCHEMA: &str = "goheap.info/1";

#[derive(Serialize)]
pub(super) struct InfoValue {
    schema: &'static str,
    source: SourceValue,
    program: Option<ProgramValue>,
    go: Option<GoValue>,
    objects: u64,
    object_bytes: u64,
    phantom_objects: Option<u64>,
    size_classes: Vec<SizeValue>,
    goroutines: GoroutinesValue,
    conservative_frames: Option<u64>,
    stack_objects: Option<u64>,
    thread_roots: Option<u64>,
    threads: u64,
    records: BTreeMap<&'static str, u64>,
    memstats: Option<MemStatsValue>,
    pause_ns: Option<u128>,
    stopped_ns: Option<u128>,
    tries: Option<u64>,
    method: Option<String>,
    passed_over: Vec<PassedOver>,
    copied_in_pause_bytes: Option<u64>,
    copied_bytes: Option<u64>,
    extra_bytes: Option<u64>,
    left: Option<String>,
    safe_moment: Option<bool>,
    caveat: Option<String>,
    gaps: Option<GapsValue>,
    capture: Option<CaptureValue>,
    annex: Option<AnnexValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    analysis: Option<crate::analysed::AnalysisValue>,
    ledger: Option<super::ledger::LedgerValue>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum SourceValue {
    Process { pid: u32 },
    Core { path: String },
    Dump(DumpValue),
}

#[derive(Serialize)]
struct DumpValue {
    path: String,
    format: String,
    compression: Option<&'static str>,
    file_bytes: Option<u64>,
    bytes: u64,
    trailing_bytes: u64,
}

/// How what is in the dump was captured, as its annex tells.
#[derive(Serialize)]
struct CaptureValue {
    source: String,
    method: String,
    unix_ns: u64,
    goheap_version: Option<String>,
}

#[derive(Serialize)]
struct AnnexValue {
    rows: BTreeMap<String, u64>,
    error: Option<String>,
}

#[derive(Serialize)]
struct ProgramValue {
    executable: Option<String>,
    main_package: Option<String>,
    main_version: Option<String>,
    go_build_id: Option<String>,
    gnu_build_id: Option<String>,
}

#[derive(Serialize)]
struct GoValue {
    version: String,
    arch: String,
    pointer_size: u64,
    big_endian: bool,
    ncpu: u64,
    heap_start: String,
    heap_end: String,
}

#[derive(Serialize)]
struct SizeValue {
    size: u64,
    objects: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct GoroutinesValue {
    total: u64,
    system: u64,
    by_state: BTreeMap<String, u64>,
    by_wait_reason: BTreeMap<String, u64>,
    frames: u64,
    frame_bytes: u64,
}

impl InfoValue {
    pub(super) fn of(info: &Info) -> InfoValue {
        let census = &info.census;
        let (source, program, walked, caveat, gaps) = match &info.from {
            From::Program {
                source,
                facts,
                walked,
            } => {
                let program = ProgramValue {
                    executable: facts
                        .executable
                        .as_deref()
                        .map(|path| json_text(path.as_os_str().as_encoded_bytes())),
                    main_package: facts.main_package.clone(),
                    main_version: facts.main_version.clone(),
                    go_build_id: facts.go_build_id.clone(),
                    gnu_build_id: facts.gnu_build_id.as_deref().map(hex),
                };
                let gaps = GapsValue::of(&walked.summary.gaps);
                let caveat = facts.caveat.clone();
                (
                    source_value(source),
                    Some(program),
                    Some(walked),
                    caveat,
                    Some(gaps),
                )
            }
            From::Dump(dump) => {
                let value = DumpValue {
                    path: dump.name.clone(),
                    format: String::from_utf8_lossy(dump.header.bytes())
                        .trim_end()
                        .to_owned(),
                    compression: match dump.compression {
                        Compression::None => None,
                        Compression::Gzip => Some("gzip"),
                        Compression::Zstd => Some("zstd"),
                    },
                    file_bytes: dump.file_len,
                    bytes: dump.bytes,
                    trailing_bytes: dump.trailing,
                };
                // An annex that has an analysis alone tells of no gaps.
                let analysis = info.notes.analysis.as_ref();
                let tells = dump.annex && !analysis.is_some_and(|analysis| analysis.no_annex);
                let gaps = tells.then(|| GapsValue::told(&info.notes));
                (
                    match &dump.of {
                        Some(source) => source_value(source),
                        None => SourceValue::Dump(value),
                    },
                    told_program(&info.notes),
                    None,
                    None,
                    gaps,
                )
            }
        };
        let walk = walked.map(|walked| &walked.summary.goroutines);
        let standstill = walked.and_then(|walked| walked.standstill.as_ref());
        let told = info.notes.capture.as_ref();
        let annex = match &info.from {
            From::Program { .. } => Some(None),
            From::Dump(dump) => dump.annex.then_some(dump.annex_error.as_ref()),
        };
        InfoValue {
            schema: SCHEMA,
            source,
            program,
            go: census.head.as_ref().map(go),
            objects: census.count(RecordKind::Object),
            object_bytes: census.object_bytes,
            phantom_objects: match &info.from {
                From::Program { walked, .. } => Some(walked.summary.objects.phantoms),
                From::Dump(_) => None,
            },
            size_classes: sizes(census),
            goroutines: goroutines(census),
            conservative_frames: walk.map(|walk| walk.conservative_frames),
            stack_objects: walk.map(|walk| walk.stack_objects),
            thread_roots: walk.map(|walk| walk.thread_roots),
            threads: census.count(RecordKind::OsThread),
            records: RecordKind::ALL
                .map(|kind| (kind.name(), census.count(kind)))
                .into(),
            memstats: census.memstats.as_deref().map(MemStatsValue::of),
            pause_ns: standstill
                .map(|standstill| standstill.pause.as_nanos())
                .or(told.and_then(|told| told.pause_ns).map(u128::from)),
            stopped_ns: standstill
                .map(|standstill| standstill.total.as_nanos())
                .or(told.and_then(|told| told.stopped_ns).map(u128::from)),
            tries: standstill
                .map(|standstill| u64::from(standstill.tries))
                .or(told.map(|told| told.tries).filter(|&tries| tries > 0)),
            method: walked
                .map(|walked| walked.method().to_owned())
                .or(told.map(|told| json_text(&told.method))),
            passed_over: standstill
                .map(|standstill| standstill.passed_over.clone())
                .or(told.map(|told| Told(told).passed_over()))
                .unwrap_or_default(),
            copied_in_pause_bytes: standstill
                .map(|standstill| standstill.copied_in_pause)
                .or(told.and_then(|told| told.copied_in_pause)),
            copied_bytes: standstill
                .map(|standstill| standstill.copied)
                .or(told.and_then(|told| told.copied)),
            extra_bytes: standstill
                .map(|standstill| standstill.extra)
                .or(told.and_then(|told| told.extra)),
            left: standstill
                .and_then(|standstill| standstill.left.clone())
                .or(told.and_then(|told| Told(told).left())),
            safe_moment: walked
                .map(|walked| walked.safe_moment)
                .or(told.map(|told| told.safe_moment)),
            caveat,
            gaps,
            capture: told.map(|told| CaptureValue {
                source: json_text(&told.source),
                method: json_text(&told.method),
                unix_ns: told.unix_ns,
                goheap_version: info
                    .notes
                    .program
                    .as_ref()
                    .and_then(|program| told_text(&program.goheap_version)),
            }),
            annex: annex.map(|error| AnnexValue {
                rows: rows(&info.notes),
                error: error.map(ToString::to_string),
            }),
            analysis: info.analysis.as_ref().map(crate::analysed::Standing::json),
            ledger: info.ledger.as_ref().map(super::ledger::LedgerValue::of),
        }
    }
}

/// The program that the annex of a dump tells of.
fn told_program(notes: &Digest) -> Option<ProgramValue> {
    let program = notes.program.as_ref()?;
    let gnu = &program.gnu_build_id;
    Some(ProgramValue {
        executable: told_text(&program.executable),
        main_package: told_text(&program.main_package),
        main_version: told_text(&program.main_version),
        go_build_id: told_text(&program.go_build_id),
        gnu_build_id: (!gnu.is_empty()).then(|| hex(gnu)),
    })
}

/// Where the annex has nothing, JSON has `null`.
fn told_text(text: &[u8]) -> Option<String> {
    (!text.is_empty()).then(|| json_text(text))
}

fn rows(notes: &Digest) -> BTreeMap<String, u64> {
    let sections = notes.sections.iter();
    sections
        .map(|(name, &rows)| (json_text(name), rows))
        .collect()
}

fn source_value(source: &Source) -> SourceValue {
    match source {
        Source::Process(pid) => SourceValue::Process { pid: *pid },
        Source::Core(path) | Source::Dump(path) => SourceValue::Core {
            path: json_text(path.as_os_str().as_encoded_bytes()),
        },
    }
}

fn go(head: &Head) -> GoValue {
    GoValue {
        version: head.go_version.clone(),
        arch: head.arch.clone(),
        pointer_size: head.pointer_size,
        big_endian: head.big_endian,
        ncpu: head.ncpu,
        heap_start: format!("{:#x}", head.heap_start),
        heap_end: format!("{:#x}", head.heap_end),
    }
}

fn sizes(census: &Census) -> Vec<SizeValue> {
    let sizes = census.biggest_sizes().into_iter();
    sizes
        .map(|(size, objects, bytes)| SizeValue {
            size,
            objects,
            bytes,
        })
        .collect()
}

fn goroutines(census: &Census) -> GoroutinesValue {
    let mut by_state = BTreeMap::new();
    for (&status, &count) in &census.by_status {
        *by_state.entry(status_name(status)).or_default() += count;
    }
    let reasons = census.by_wait_reason.iter();
    GoroutinesValue {
        total: census.count(RecordKind::Goroutine),
        system: census.system_goroutines,
        by_state,
        by_wait_reason: reasons
            .map(|(reason, &count)| (json_text(reason), count))
            .collect(),
        frames: census.count(RecordKind::StackFrame),
        frame_bytes: census.frame_bytes,
    }
}
