//! Go code in libraries: of a program in C, of two at once, and plugins of a Go program.

use std::path::Path;

use goheap_testkit::{BuildOptions, core, host};

use super::{GO, Said, VERSIONS, copy, file_of, folder, holds, library, lives, program, types_of};
use goheap_testkit::obedient::Obedient;

#[test]
fn of_a_program_in_c() {
    for version in VERSIONS {
        let library = library(version).executable;
        let mut running = host::start(&[(&library, 5_000)]).expect("a host");
        let pid = running.pid().to_string();
        holds(&pid, &[], "main.link", 5_000);
        assert_eq!(file_of(&pid, &[]), library);
        // Named, it is the same.
        let named = library.to_str().expect("UTF-8");
        holds(&pid, &["--exe", named], "main.link", 5_000);
        lives(&mut running);
        let folder = folder();
        let core = core::of(running.pid(), folder.path()).expect("a core");
        let core = core.to_str().expect("UTF-8");
        holds(core, &[], "main.link", 5_000);
        assert_eq!(file_of(core, &[]), library);
        lives(&mut running);
    }
}

#[test]
fn of_two_at_once_one_is_asked_for() {
    let folder = folder();
    let library = library(GO).executable;
    let first = copy(&library, folder.path(), "first.so");
    let second = copy(&library, folder.path(), "second.so");
    let mut running = host::start(&[(&first, 3_000), (&second, 7_000)]).expect("a host");
    let pid = running.pid().to_string();
    let of_two = ["2 Go programs", "first.so", "second.so", "--module"];
    Said::of(["info", &pid]).refused(&of_two);
    holds(&pid, &["--module", "first.so"], "main.link", 3_000);
    holds(&pid, &["--module", "second.so"], "main.link", 7_000);
    let whole = second.to_str().expect("UTF-8");
    assert_eq!(file_of(&pid, &["--module", whole]), second);
    // The end of a name is not the end of a path.
    for wrong in ["third.so", "irst.so"] {
        let words = ["no Go program", wrong, "first.so", "second.so"];
        Said::of(["info", &pid, "--module", wrong]).refused(&words);
    }
    let core = core::of(running.pid(), folder.path()).expect("a core");
    let core = core.to_str().expect("UTF-8");
    Said::of(["info", core]).refused(&of_two);
    holds(core, &["--module", "second.so"], "main.link", 7_000);
    // Of another library by its file: both have its build.
    let other = super::library("1.27.3").executable;
    let args = [
        Path::new("info"),
        Path::new(&pid),
        Path::new("--exe"),
        &other,
    ];
    Said::of(args).refused(&["another build", "carried"]);
    lives(&mut running);
}

#[test]
fn of_a_program_with_a_plugin() {
    for version in VERSIONS {
        let cgo = BuildOptions {
            cgo: true,
            ..BuildOptions::default()
        };
        let as_plugin = BuildOptions {
            plugin: true,
            ..BuildOptions::default()
        };
        let host = program(version, "plugged", &cgo);
        let plugin = program(version, "plugged_plugin", &as_plugin);
        let path = plugin.executable.to_str().expect("UTF-8");
        let mut running = Obedient::start(&host, &[path]).expect("a program");
        let pid = running.pid().to_string();
        // Its own package is called by a name that no two plugins have. Before go1.22 objects do not
        // have their type in front of them, and of a plugin's variables nothing is known but their
        // names.
        let headers = version != "1.19.8";
        let wide = |source: &str| {
            let types = types_of(source, &[]).into_iter();
            let wide = types.filter(|(name, _)| name.ends_with(".wide"));
            wide.map(|(_, objects)| objects).collect::<Vec<_>>()
        };
        let expected = if headers { vec![1] } else { Vec::new() };
        assert_eq!(wide(&pid), expected);
        let variable = Said::of(["why", &pid, "var:inBss"]);
        let text = format!("{}{}", variable.out, variable.err);
        assert!(text.contains(".inBss"), "{text}");
        assert_eq!(file_of(&pid, &[]), host.executable);
        Said::of(["info", &pid, "--exe", path]).refused(&["is a Go plugin", "plugged_plugin"]);
        let folder = folder();
        let core = core::of(running.pid(), folder.path()).expect("a core");
        // What the core leaves out of the plugin its file has.
        assert_eq!(wide(core.to_str().expect("UTF-8")), expected);
        lives(&mut running);
    }
}
