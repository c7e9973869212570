//! The program `truth` captured by goheap, and that dump opened and analysed.

use std::path::Path;

use goheap_analysis::{Analysis, Dump, NoWatch, ObjectId, OpenOptions};
use goheap_testkit::BuildOptions;
use goheap_testkit::capture::capture;
use goheap_testkit::truth::{Honest, Told};

/// The program, and what goheap's library makes of a dump of it.
pub(crate) struct Answered {
    pub(crate) honest: Honest,
    pub(crate) analysis: Analysis,
}

/// Starts the program and captures it. `without_dwarf` leaves the types of DWARF out, as a program has
/// them that was stripped.
pub(crate) fn answered(version: &str, without_dwarf: bool) -> Answered {
    let honest = Honest::start(version, &BuildOptions::default()).expect("a program");
    let pid = honest.running.pid().to_string();
    let options: &[&str] = if without_dwarf { &["--no-dwarf"] } else { &[] };
    let capture = capture(Path::new(env!("CARGO_BIN_EXE_goheap")), &pid, options).expect("a dump");
    assert_eq!(capture.gap_count(), 0, "{:?}", capture.gaps());
    let analysis = analysed(capture.dump);
    Answered { honest, analysis }
}

/// A dump, opened and analysed.
pub(crate) fn analysed(dump: Vec<u8>) -> Analysis {
    let dump = Dump::open(Box::new(dump), &OpenOptions::default(), &NoWatch).expect("a dump");
    assert!(dump.missing().is_empty(), "{:?}", dump.missing());
    Analysis::of(dump, &NoWatch).expect("an analysis")
}

impl Answered {
    /// The object that a thing which was told of lies in.
    pub(crate) fn object(&self, told: &Told) -> ObjectId {
        let found = self.analysis.dump.find(told.address);
        found.map(|(object, _)| object).expect("an object")
    }

    /// The name of an object's class.
    pub(crate) fn class(&self, object: ObjectId) -> &str {
        let types = &self.analysis.types;
        types
            .class(types.class_of(object))
            .map_or("", |class| &class.name)
    }
}

/// Fails with the first of what is wrong.
pub(crate) fn assert_none(what: &str, wrong: &[String]) {
    let first = &wrong[..wrong.len().min(25)];
    assert!(
        wrong.is_empty(),
        "{what}: {} wrong: {first:#?}",
        wrong.len()
    );
}
