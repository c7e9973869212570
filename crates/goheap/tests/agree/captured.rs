//! One core of the program `truth`, stripped, and two dumps of it.

use std::path::Path;
use std::process::Command;

use goheap_analysis::types::{Class, What};
use goheap_analysis::{Analysis, Dump, NoWatch, ObjectId, OpenOptions};
use goheap_testkit::capture::capture;
use goheap_testkit::truth::Honest;
use goheap_testkit::{core, stripped};
use serde_json::Value;
use tempfile::TempDir;

/// A dump, and what goheap's library makes of it.
pub(crate) struct Side {
    pub(crate) file: String,
    pub(crate) analysis: Analysis,
}

/// The two of them.
pub(crate) struct Captured {
    /// By the stripped executable alone.
    pub(crate) stripped: Side,
    /// By its twin.
    pub(crate) twin: Side,
    _folder: TempDir,
}

impl Captured {
    pub(crate) fn of(version: &str, pie: bool) -> Captured {
        let twins = stripped::twins(version, "truth", pie).expect("programs");
        let honest = Honest::of(twins.stripped, &[]).expect("a program");
        let folder = tempfile::tempdir().expect("a folder");
        let core = core::of(honest.running.pid(), folder.path()).expect("a core");
        let side = |executable: &Path, name: &str| {
            let goheap = Path::new(env!("CARGO_BIN_EXE_goheap"));
            let source = core.to_str().expect("UTF-8");
            let executable = executable.to_str().expect("UTF-8");
            let taken = capture(goheap, source, &["--exe", executable]).expect("a dump");
            let file = folder.path().join(name);
            std::fs::write(&file, &taken.dump).expect("a file");
            let dump = Dump::open(Box::new(taken.dump), &OpenOptions::default(), &NoWatch);
            let dump = dump.expect("a dump");
            assert!(dump.missing().is_empty(), "{:?}", dump.missing());
            let side = Side {
                file: file.to_str().expect("UTF-8").to_owned(),
                analysis: Analysis::of(dump, &NoWatch).expect("an analysis"),
            };
            (side, taken.told)
        };
        let (stripped, told) = side(&honest.program.executable, "stripped.heapdump");
        let (twin, twin_told) = side(&twins.with_symbols.executable, "twin.heapdump");
        assert!(!stripped.analysis.dump.catalogue().dwarf);
        assert!(twin.analysis.dump.catalogue().dwarf);
        for what in [
            "objects",
            "object_bytes",
            "spans",
            "goroutines",
            "system_goroutines",
            "frames",
            "conservative_frames",
            "stack_objects",
            "thread_roots",
            "threads",
            "itabs",
            "gaps",
            "safe_moment",
        ] {
            assert_eq!(told[what], twin_told[what], "{what}");
        }
        std::fs::remove_file(core).expect("the core");
        Captured {
            stripped,
            twin,
            _folder: folder,
        }
    }

    /// What a command says of both, in JSON; `{}` in an argument is the dump.
    #[track_caller]
    pub(crate) fn ask(&self, arguments: &[&str]) -> [Value; 2] {
        [&self.stripped, &self.twin].map(|side| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_goheap"));
            command.args(arguments.iter().map(|word| match *word {
                "{}" => side.file.as_str(),
                word => word,
            }));
            let output = command.arg("--json").output().expect("goheap");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "goheap {arguments:?}: {said}");
            serde_json::from_slice(&output.stdout).expect("JSON")
        })
    }
}

impl Side {
    /// The class of an object.
    pub(crate) fn class(&self, object: ObjectId) -> &Class {
        let types = &self.analysis.types;
        types.class(types.class_of(object)).expect("a class")
    }
}

/// Whether a class is known.
pub(crate) fn is_known(class: &Class) -> bool {
    !matches!(class.what, What::Unknown { .. })
}

/// Whether a class of this name is known.
pub(crate) fn is_known_name(name: &str) -> bool {
    !name.starts_with("unknown, ")
}

/// Whether a variable is called by a function that uses it and by its address, which it then gives.
pub(crate) fn by_use(name: &str) -> Option<(&str, u64)> {
    let (function, address) = name.rsplit_once("@0x")?;
    Some((function, u64::from_str_radix(address, 16).ok()?))
}

/// Fails with the first of what is wrong.
#[track_caller]
pub(crate) fn assert_none(what: &str, wrong: &[String]) {
    let first = &wrong[..wrong.len().min(25)];
    assert!(
        wrong.is_empty(),
        "{what}: {} wrong: {first:#?}",
        wrong.len()
    );
}
