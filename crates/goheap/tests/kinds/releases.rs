//! A release of which there is no toolchain to be had: Go 1.20. A program of go1.21 says that it is one
//! of go1.20, whose structs are laid out much alike.

use std::path::Path;

use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, Program};

use super::{Said, folder, holds, lives, program};

const BUILT_BY: &str = "go1.21.13";
const SAID_TO_BE: &str = "go1.20.14";

/// `linked` makes three small objects to each large one.
const OBJECTS: &str = "4000";
const SMALL: u64 = 3_000;

/// The program with another release in all places that name its own: they are of the same length.
fn renamed(ldflags: Option<&'static str>, folder: &Path) -> Program {
    let options = BuildOptions {
        ldflags,
        ..BuildOptions::default()
    };
    let built = program("1.21.13", "linked", &options);
    let mut bytes = std::fs::read(&built.executable).expect("the program");
    let mut places = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .windows(BUILT_BY.len())
        .position(|window| window == BUILT_BY.as_bytes())
    {
        let start = at + found;
        at = start + BUILT_BY.len();
        bytes[start..at].copy_from_slice(SAID_TO_BE.as_bytes());
        places += 1;
    }
    // What the linker notes for tools, and the variable's text.
    assert!(places >= 1);
    let executable = super::copy(&built.executable, folder, "linked");
    std::fs::write(&executable, bytes).expect("the program");
    Program {
        executable,
        ..built
    }
}

#[test]
fn go1_20_without_dwarf_is_refused_by_name() {
    for ldflags in ["-s -w", "-w"] {
        let folder = folder();
        let program = renamed(Some(ldflags), folder.path());
        let mut running = Obedient::start(&program, &[OBJECTS]).expect("a program");
        let pid = running.pid().to_string();
        let output = folder.path().join("it.heapdump");
        let output = output.to_str().expect("UTF-8");
        Said::of(["dump", &pid, "-o", output]).refused(&[SAID_TO_BE, "--exe", "build without"]);
        assert!(!Path::new(output).exists());
        lives(&mut running);
    }
}

/// The layouts are those that it brings along.
#[test]
fn go1_20_is_served_by_its_own_dwarf() {
    let folder = folder();
    let program = renamed(None, folder.path());
    let mut running = Obedient::start(&program, &[OBJECTS]).expect("a program");
    let pid = running.pid().to_string();
    let info = Said::of(["info", &pid, "--json"]).json();
    assert_eq!(info["go"]["version"], SAID_TO_BE);
    holds(&pid, &[], "main.small", SMALL);
    lives(&mut running);
}
