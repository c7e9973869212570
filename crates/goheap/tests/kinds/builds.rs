//! Executables as linkers make them: by the system's, position-independent and static, and started by
//! naming the dynamic linker.

use goheap_testkit::BuildOptions;
use goheap_testkit::obedient::Obedient;

use super::{GO, VERSIONS, file_of, holds, lives, program};

/// `linked` makes three small objects to each large one.
const OBJECTS: &str = "4000";
const SMALL: u64 = 3_000;

#[test]
fn linked_by_the_systems_linker() {
    let external = BuildOptions {
        cgo: true,
        ldflags: Some("-linkmode=external"),
        ..BuildOptions::default()
    };
    let static_pie = BuildOptions {
        pie: true,
        ldflags: Some("-linkmode=external -extldflags=-static-pie"),
        ..external.clone()
    };
    let static_file = BuildOptions {
        ldflags: Some("-linkmode=external -extldflags=-static"),
        ..external.clone()
    };
    for version in VERSIONS {
        for options in [&external, &static_pie, &static_file] {
            // Static ones of go1.19 that the system's linker made end before main, whoever looks.
            if options != &external && version == "1.19.8" {
                continue;
            }
            let program = program(version, "linked", options);
            let mut running = Obedient::start(&program, &[OBJECTS]).expect("a program");
            holds(&running.pid().to_string(), &[], "main.small", SMALL);
            lives(&mut running);
        }
    }
}

#[test]
fn started_by_naming_the_dynamic_linker() {
    let options = BuildOptions {
        cgo: true,
        pie: true,
        ldflags: Some("-linkmode=external"),
        ..BuildOptions::default()
    };
    let mut program = program(GO, "linked", &options);
    let linked = program.executable.clone();
    let path = linked.to_str().expect("UTF-8").to_owned();
    program.executable = "/lib64/ld-linux-x86-64.so.2".into();
    let mut running = Obedient::start(&program, &[&path, OBJECTS]).expect("a program");
    let pid = running.pid().to_string();
    holds(&pid, &[], "main.small", SMALL);
    holds(&pid, &["--exe", &path], "main.small", SMALL);
    assert_eq!(file_of(&pid, &[]), linked);
    lives(&mut running);
}
