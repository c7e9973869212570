//! What the twin tests share: how goheap is run, and how two dumps are judged.
#![allow(dead_code)] // each test binary uses its part of it

use std::path::Path;
use std::process::Command;

use goheap_format::verify::verify;
use goheap_format::{Reader, Writer};
use goheap_testkit::quiescent::Quiescent;
use goheap_testkit::symbols::Symbols;
use goheap_testkit::twin::{self, Allowed, Difference};
use goheap_testkit::{Program, second_reader, variant};

/// The program of a variant, built.
pub(crate) fn program(
    version: &str,
    variant_name: &str,
    name: &str,
) -> (Program, variant::Variant) {
    let variant = variant::named(variant_name).expect("a variant");
    assert!(
        variant.exists_in(version),
        "Go {version} has no {variant_name}"
    );
    let program = variant.program(version, name).expect("a program");
    (program, variant)
}

/// The method by which the twins of a version are captured: TWINS_METHOD in the environment (`xtask
/// matrix --method`), or else the versions take turns: the gentlest that is open, fork, stop.
pub(crate) fn method_for(version: &str) -> Vec<String> {
    const TURNS: [Option<&str>; 3] = [None, Some("fork"), Some("stop")];
    let claimed = goheap_testkit::toolchains::CLAIMED;
    let turn = claimed.iter().position(|v| v.number == version);
    let turn = TURNS[turn.expect("a claimed version") % TURNS.len()].map(str::to_owned);
    let method = std::env::var("TWINS_METHOD").ok().or(turn);
    method.map_or_else(Vec::new, |method| vec!["--method".to_owned(), method])
}

/// `goheap dump SOURCE --exact -o -` and more: what it writes. Fails the test with what it says.
pub(crate) fn goheap_dump(source: &str, executable: Option<&Path>, more: &[String]) -> Vec<u8> {
    let mut goheap = Command::new(env!("CARGO_BIN_EXE_goheap"));
    goheap
        .args(["dump", source, "--exact", "-o", "-"])
        .args(more);
    if let Some(executable) = executable {
        goheap.arg("--exe").arg(executable);
    }
    let output = goheap.output().expect("goheap to start");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "goheap dump {source}: {}\n{said}",
        output.status
    );
    output.stdout
}

/// What may differ in a program: the runtime's own buffer.
pub(crate) fn allowed(symbols: &Symbols, load_bias: u64) -> Allowed {
    let tmpbuf = symbols
        .named("runtime.tmpbuf")
        .expect("runtime.tmpbuf")
        .address;
    Allowed {
        tmpbuf: Some(tmpbuf.wrapping_add(load_bias)),
        ..Allowed::default()
    }
}

/// What differs between the runtime's dump and goheap's.
pub(crate) fn differences(
    runtime: &[u8],
    goheap: &[u8],
    allowed: &Allowed,
    symbols: &Symbols,
    load_bias: u64,
) -> Vec<Difference> {
    twin::compare(runtime, goheap, allowed, Some((symbols, load_bias))).unwrap_or_else(
        |(runtimes, e)| {
            panic!(
                "{} dump: {e}",
                if runtimes {
                    "the runtime's"
                } else {
                    "goheap's"
                }
            )
        },
    )
}

/// Fails unless nothing differs; keeps both dumps if the environment has TWINS_KEEP, a folder.
pub(crate) fn assert_equal(name: &str, runtime: &[u8], goheap: &[u8], differences: &[Difference]) {
    if differences.is_empty() {
        return;
    }
    if let Some(folder) = std::env::var_os("TWINS_KEEP") {
        let folder = Path::new(&folder);
        std::fs::create_dir_all(folder).expect("TWINS_KEEP");
        std::fs::write(folder.join(format!("{name}.runtime.heapdump")), runtime).expect("kept");
        std::fs::write(folder.join(format!("{name}.goheap.heapdump")), goheap).expect("kept");
    }
    panic!("{name}: {}", twin::summary(differences));
}

/// A quiescent twin: goheap's dump and the runtime's, compared.
pub(crate) fn quiescent_twin(version: &str, variant_name: &str) {
    let (program, variant) = program(version, variant_name, "everything");
    let symbols = variant.symbols(&program).expect("symbols");
    let twin = Quiescent::start(&program, variant.environment).expect("a program at a standstill");
    let load_bias = twin.load_bias(&symbols).expect("its load bias");
    let goheap = goheap_dump(&twin.pid().to_string(), None, &method_for(version));
    assert!(
        twin.stands_still().expect("the program"),
        "goheap's capture moved the program"
    );
    let runtime = twin.finish().expect("the runtime's dump");
    let allowed = allowed(&symbols, load_bias);
    let differences = differences(&runtime, &goheap, &allowed, &symbols, load_bias);
    assert_equal(
        &format!("twin-{version}-{variant_name}"),
        &runtime,
        &goheap,
        &differences,
    );
    assert!(second_reader::read(&goheap).expect("a dump").end == goheap.len());
    format_holds(&runtime);
    format_holds(&goheap);
}

/// What goheap's own reader and writer make of a real dump: it is sound, and what is read and
/// written again is the same to the byte.
fn format_holds(dump: &[u8]) {
    let mut reader = Reader::new(dump).expect("a header");
    let mut writer = Writer::new(Vec::with_capacity(dump.len()));
    for record in &mut reader {
        writer.write(&record.expect("a record")).expect("a Vec");
    }
    let again = writer.finish().expect("a whole dump");
    assert!(again == dump, "write(read(x)) differs from x");
    let verdict = verify(Reader::new(dump).expect("a header"));
    assert!(verdict.is_sound(), "{:?}", verdict.problems);
}

/// Tests for every claimed version. What is named behind `whole` runs by default on the oldest, the
/// newest and 1.24.3, and behind `every` on all; the rest is ignored, and run by `xtask matrix`.
#[macro_export]
macro_rules! for_every_version {
    ($check:path, every: [$($every:ident),*], whole: [$($whole:ident),*]) => {
        $crate::for_version!(go1_19_8, "1.19.8", $check, [$($every),*], [$($whole),*], []);
        $crate::for_version!(go1_21_13, "1.21.13", $check, [$($every),*], [], [$($whole),*]);
        $crate::for_version!(go1_22_10, "1.22.10", $check, [$($every),*], [], [$($whole),*]);
        $crate::for_version!(go1_23_9, "1.23.9", $check, [$($every),*], [], [$($whole),*]);
        $crate::for_version!(go1_24_3, "1.24.3", $check, [$($every),*], [$($whole),*], []);
        $crate::for_version!(go1_24_11, "1.24.11", $check, [$($every),*], [], [$($whole),*]);
        $crate::for_version!(go1_25_5, "1.25.5", $check, [$($every),*], [], [$($whole),*]);
        $crate::for_version!(go1_26_6, "1.26.6", $check, [$($every),*], [], [$($whole),*]);
        $crate::for_version!(go1_27_3, "1.27.3", $check, [$($every),*], [$($whole),*], []);

        /// The list of versions in this macro is that of the test kit.
        #[test]
        fn every_claimed_version_is_here() {
            let here = [
                "1.19.8", "1.21.13", "1.22.10", "1.23.9", "1.24.3", "1.24.11", "1.25.5", "1.26.6",
                "1.27.3",
            ];
            let claimed: Vec<_> =
                goheap_testkit::toolchains::CLAIMED.iter().map(|v| v.number).collect();
            assert_eq!(here.as_slice(), claimed);
        }
    };
}

/// The tests of one version, for [`for_every_version`].
#[macro_export]
macro_rules! for_version {
    ($module:ident, $version:literal, $check:path, [$($every:ident),*], [$($whole:ident),*], [$($rest:ident),*]) => {
        mod $module {
            $(#[test] fn $every() { $check($version, stringify!($every)); })*
            $(#[test] fn $whole() { $check($version, stringify!($whole)); })*
            $(#[test] #[ignore = "xtask matrix"] fn $rest() { $check($version, stringify!($rest)); })*
        }
    };
}
