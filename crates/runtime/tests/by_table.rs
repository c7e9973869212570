//! Programs without DWARF, whose layouts come out of a table: where a program lies about its version,
//! its memory finds that out.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::path::Path;

use goheap_golang::{ElfProgram, GoVersion, LayoutTable, Layouts, Program};
use goheap_image::Executable;
use goheap_image::layout::{Shape, TypeLayout};
use goheap_memory::{Addr, Core, Layer, Spliced, Target};
use goheap_process::{Mapped, Process, StopOptions, map_file};
use goheap_runtime::{Fidelity, WalkError, World, dump};
use goheap_testkit::{BuildOptions, build};

use support::Told;

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

/// A program as its table has it, but for one field of `runtime.m`, which is taken to be where another
/// one is.
struct Misplaced<'p, P> {
    program: &'p P,
    field: &'static str,
    at: &'static str,
}

impl<P: Program> Layouts for Misplaced<'_, P> {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        let mut layout = self.program.type_layout(name)?;
        if name != "runtime.m" {
            return Some(layout);
        }
        let offset = layout.member(self.at)?.offset;
        if let Shape::Struct { members } = &mut layout.shape {
            let moved = members.iter_mut().find(|member| member.name == self.field);
            moved?.offset = offset;
        }
        Some(layout)
    }
}

impl<P: Program> Program for Misplaced<'_, P> {
    fn address(&self, name: &str) -> Option<Addr> {
        self.program.address(name)
    }

    fn inferred(&self) -> Option<&GoVersion> {
        self.program.inferred()
    }

    fn table(&self) -> Option<&LayoutTable> {
        self.program.table()
    }
}

/// `m.procid` leads nowhere, so that only the process's own threads tell whether it is one.
#[test]
fn numbers_of_threads_that_are_elsewhere_are_refused() {
    for version in support::versions() {
        let program = built(version, "-s -w");
        let told = Told::start(&program.executable, &[]);
        let process = Process::find(told.pid()).unwrap();
        let stopped = process.stop(&StopOptions::default()).unwrap();
        let executable = executable(&program.executable);
        let elf = ElfProgram::new(&executable, &stopped).unwrap();
        let walked = |at: &'static str| {
            let misplaced = Misplaced {
                program: &elf,
                field: "procid",
                at,
            };
            let world = World::open(&stopped as &dyn Target, &misplaced)?;
            let mut records = support::Graph::default();
            dump(&world, Fidelity::Exact, &mut records).map(|_| ())
        };
        walked("procid").unwrap();
        for at in ["g0", "id", "mallocing", "vdsoPC"] {
            let error = walked(at).expect_err(at);
            let is_refused = matches!(&error, WalkError::OtherLayout { what, .. }
                if what.contains("(procid)"));
            assert!(is_refused, "Go {version}, {at}: {error}");
        }
    }
}

/// A core has the numbers that whoever wrote it saw.
#[test]
fn cores_have_numbers_of_threads_that_fit() {
    for version in support::versions() {
        let program = built(version, "-s -w");
        let told = Told::start(&program.executable, &[]);
        let folder = tempfile::tempdir().unwrap();
        let core = goheap_testkit::core::of(told.pid(), folder.path()).unwrap();
        let core = Core::parse(std::fs::read(core).unwrap()).unwrap();
        assert!(core.threads().len() > 1);
        let executable = executable(&program.executable);
        let layers = executable.segments().into_iter().filter(|part| !part.write);
        let layers = layers.map(|part| Layer {
            start: Addr::new(part.addr.get()),
            bytes: &executable.data()[part.file_range],
        });
        let spliced = Spliced::new(core, layers);
        let elf = ElfProgram::new(&executable, &spliced).unwrap();
        let world = World::open(&spliced as &dyn Target, &elf).unwrap();
        let mut records = support::Graph::default();
        dump(&world, Fidelity::Exact, &mut records).unwrap();
        assert!(records.objects.len() > 10, "Go {version}");
    }
}
