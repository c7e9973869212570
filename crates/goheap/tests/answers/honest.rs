//! The program `truth` tells the truth: what it says of its objects is so in goheap's dump of it, as
//! the test kit's own reader sees that. What the answers are judged by is judged here, without them.
use std::collections::BTreeMap;
use std::path::Path;

use goheap_testkit::BuildOptions;
use goheap_testkit::capture::capture;
use goheap_testkit::reach::Graph;
use goheap_testkit::second_reader::{self, Dump};
use goheap_testkit::truth::{Honest, Shape, Told};

pub(crate) fn check(version: &str, _: &str) {
    let honest = Honest::start(version, &BuildOptions::default()).expect("a program");
    let pid = honest.running.pid().to_string();
    let capture = capture(Path::new(env!("CARGO_BIN_EXE_goheap")), &pid, &[]).expect("a dump");
    assert_eq!(capture.gap_count(), 0, "{:?}", capture.gaps());
    let dump = second_reader::read(&capture.dump).expect("a dump");
    let graph = Graph::of(&dump, &capture.dump);
    let marks = graph.mark();
    let certain = graph.mark_from_certain();
    let mut wrong = Vec::new();
    assert!(honest.truth.objects.len() > 25_000);
    for told in &honest.truth.objects {
        let found = graph.find(told.address);
        let what = match found {
            None => "there is no such object",
            Some(object) if told.held && !marks.reached(object) => "it is not reachable",
            Some(object) if !told.held && certain.reached(object) => "it is reachable",
            Some(object) => match place(told, graph.objects()[object].address) {
                true => continue,
                false => "it is in the middle of an object",
            },
        };
        wrong.push(format!(
            "{:#x} {} {:?}: {what}",
            told.address, told.ty, told.paths
        ));
    }
    assert!(
        wrong.is_empty(),
        "Go {version}: {} wrong: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(20)]
    );
    let functions = functions(&dump, &capture.dump);
    for group in &honest.truth.groups {
        assert_eq!(
            functions.get(&group.function),
            Some(&group.count),
            "{}",
            group.function
        );
    }
}

/// Whether a thing that is told begins where its object does: at its start, behind a malloc header of
/// 8 bytes (runtime/mbitmap.go, go1.22), or anywhere in a block of the tiny allocator.
fn place(told: &Told, object: u64) -> bool {
    match told.address - object {
        0 | 8 => true,
        offset => told.shape == Shape::Tiny && offset < 16,
    }
}

/// How many goroutines have each function among their frames.
fn functions(dump: &Dump, bytes: &[u8]) -> BTreeMap<String, u64> {
    let mut functions = BTreeMap::new();
    for record in &dump.records {
        if record.kind() == "stackframe" {
            let name = record.bytes("function", bytes).unwrap_or_default();
            *functions
                .entry(String::from_utf8_lossy(name).into_owned())
                .or_default() += 1;
        }
    }
    functions
}

crate::for_every_version!(crate::honest::check, every: [is_true], whole: []);
