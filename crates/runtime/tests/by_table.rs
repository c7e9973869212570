//! Programs without DWARF: the layouts come out of a table, and a stopped program gives the same dump
//! as by its own DWARF. Where a program lies about its version, its memory finds that out.
//!
//! `GOHEAP_VERSIONS=all`, or a list with commas, for other versions than the three of a short run.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::io;
use std::path::Path;

use goheap_format::annex::Note;
use goheap_format::{Record, Writer};
use goheap_golang::{ElfProgram, Program};
use goheap_image::Executable;
use goheap_memory::Target;
use goheap_process::{Mapped, Process, StopOptions, map_file};
use goheap_runtime::{Fidelity, Sink, WalkError, World, dump};
use goheap_testkit::{BuildOptions, build};

use support::{Told, versions};

/// The program, without DWARF and with its symbols.
fn built(version: &str, ldflags: &'static str) -> goheap_testkit::Program {
    let options = BuildOptions {
        ldflags: Some(ldflags),
        ..BuildOptions::default()
    };
    build(version, "unseen", &options).unwrap()
}

fn executable(path: &Path) -> Executable<Mapped> {
    Executable::parse(map_file(path).unwrap()).unwrap()
}

/// A whole dump, with its notes.
struct Whole {
    writer: Writer<Vec<u8>>,
    notes: Vec<String>,
}

impl Sink for Whole {
    fn record(&mut self, record: &Record<'_>) -> io::Result<()> {
        self.writer.write(record).map_err(io::Error::other)
    }

    fn note(&mut self, note: &Note<'_>) -> io::Result<()> {
        self.notes.push(format!("{note:?}"));
        Ok(())
    }
}

fn whole(target: &dyn Target, elf: &ElfProgram<'_, Mapped>) -> (Vec<u8>, Vec<String>) {
    let mut whole = Whole {
        writer: Writer::new(Vec::new()),
        notes: Vec::new(),
    };
    let world = World::open(target, elf).unwrap();
    let summary = dump(&world, Fidelity::Mended, &mut whole).unwrap();
    assert_eq!(summary.gaps.count(), 0, "{:?}", summary.gaps);
    (whole.writer.finish().unwrap(), whole.notes)
}

#[test]
fn a_table_gives_the_same_dump_as_dwarf() {
    for version in versions() {
        let (with, without) = (built(version, ""), built(version, "-w"));
        let told = Told::start(&with.executable, &[]);
        let process = Process::find(told.pid()).unwrap();
        let stopped = process.stop(&StopOptions::default()).unwrap();
        let (with, without) = (
            executable(&with.executable),
            executable(&without.executable),
        );
        let by_dwarf = ElfProgram::new(&with, &stopped).unwrap();
        // It is the same program, but for the DWARF.
        let by_table = ElfProgram::new(&without, &stopped).unwrap();
        for name in ["runtime.mheap_", "runtime.firstmoduledata", "runtime.allgs"] {
            assert_eq!(by_dwarf.address(name), by_table.address(name), "{name}");
        }
        assert!(by_dwarf.table().is_none());
        let expected = whole(&stopped, &by_dwarf);
        let found = whole(&stopped, &by_table);
        assert_eq!(by_table.table().unwrap().release(), version);
        assert_eq!(found.1, expected.1, "go{version}");
        // Not assert_eq: nobody could read it.
        assert!(found.0 == expected.0, "go{version}: the dumps differ");
        drop(stopped);
    }
}

/// Stops a program and opens it by what its executable says.
fn opened(program: &goheap_testkit::Program) -> (Result<(), WalkError>, String) {
    let told = Told::start(&program.executable, &[]);
    let process = Process::find(told.pid()).unwrap();
    let stopped = process.stop(&StopOptions::default()).unwrap();
    let executable = executable(&program.executable);
    let elf = ElfProgram::new(&executable, &stopped).unwrap();
    let opened = World::open(&stopped as &dyn Target, &elf).map(|_| ());
    let release = elf.table().unwrap().release().to_owned();
    (opened, release)
}

/// In go1.24.11 `m` has a field more than in go1.24.3 (runtime/runtime2.go: `allpSnapshot`): of two
/// tables of a minor version, that is taken which fits.
#[test]
fn the_table_of_another_patch_release_is_found() {
    let lies = built("1.24.11", "-w -X runtime.buildVersion=go1.24.3");
    let (opened, release) = opened(&lies);
    opened.unwrap();
    assert_eq!(release, "1.24.11");
}

#[test]
fn a_table_that_does_not_fit_is_refused() {
    // The newest that goheap claims, and one that is not it.
    let (newest, other) = ("1.27.3", "-w -X runtime.buildVersion=go1.25.5");
    let (opened, _release) = opened(&built(newest, other));
    let error = opened.unwrap_err();
    assert!(matches!(error, WalkError::OtherLayout { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("go1.25.5") && text.contains("--exe PATH"),
        "{text}"
    );
}
