//! The labels that a program has given its goroutines are tags of a profile.

use std::path::Path;
use std::process::Command;

use goheap_testkit::BuildOptions;
use goheap_testkit::capture::capture;
use goheap_testkit::obedient::Obedient;

use crate::heaps::analysed;
use crate::pprof::asked;

/// Workers with labels in the program.
const TENANTS: usize = 5;

/// What the allocator gave for the buffer of each, and for that of the worker without labels
/// (runtime/sizeclasses.go): 1000, 2000 ... and 100,000 bytes.
const BUFFERS: [u64; TENANTS + 1] = [1024, 2048, 3072, 4096, 5376, 106_496];

/// The program `labelled`.
fn tags(version: &str, _: &str) {
    let program = goheap_testkit::build(version, "labelled", &BuildOptions::default());
    let running = Obedient::start(&program.expect("a program"), &[]).expect("a process");
    let pid = running.pid().to_string();
    let goheap = Path::new(env!("CARGO_BIN_EXE_goheap"));
    let captured = capture(goheap, &pid, &[]).expect("a dump");
    let folder = tempfile::tempdir().expect("a folder");
    let dump = folder.path().join("labelled.heapdump");
    std::fs::write(&dump, &captured.dump).expect("a file");
    let exported = |source: &Path, name: &str| {
        let path = folder.path().join(name);
        let mut export = Command::new(goheap);
        let output = export
            .arg("export")
            .arg(source)
            .arg("-o")
            .arg(&path)
            .output();
        let output = output.expect("goheap");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        path
    };
    let profile = exported(&dump, "labelled.pb.gz");
    let raw = asked(&["-raw"], &profile);
    assert!(!raw.contains('\u{1b}'), "{raw}");
    for tenant in 0..TENANTS {
        let mine = format!("tenant:[tenant-{tenant}]");
        let told: Vec<&str> = raw.lines().filter(|line| line.contains(&mine)).collect();
        assert!(!told.is_empty(), "{mine}: {raw}");
        for line in told {
            assert!(line.contains("kind:[worker]"), "{line}");
            for more in 0..12 {
                let more = format!("more-{more}:[{}]", tenant * 100 + more);
                assert!(line.contains(&more), "{more}: {line}");
            }
        }
        // What the tenant's worker holds, and no other: pprof's own choice by tag.
        let focus = format!("-tagfocus=tenant=^tenant-{tenant}$");
        let top = asked(
            &[
                "-top",
                "-unit=B",
                "-nodecount=1000",
                "-nodefraction=0",
                &focus,
            ],
            &profile,
        );
        for (other, buffer) in BUFFERS.iter().enumerate() {
            let flat = format!("{buffer}B ");
            let has = top.lines().any(|line| line.trim_start().starts_with(&flat));
            assert_eq!(has, other == tenant, "{tenant}, {buffer} B: {top}");
        }
    }
    // The worker without labels has none of another's.
    let analysis = analysed(captured.dump);
    let of_main = analysis.dump.goroutines().iter().filter(|g| !g.system);
    let labels = goheap_analysis::answers::labels::Labels::of(&analysis);
    let labelled = of_main
        .filter(|g| !labels.of_goroutine(g).is_empty())
        .count();
    assert_eq!(labelled, TENANTS);

    // A dump that was redacted has no text, and so no label.
    let redacted = folder.path().join("redacted.heapdump");
    let mut redact = Command::new(goheap);
    let redact = redact
        .arg("dump")
        .arg(&dump)
        .args(["--redact", "-o"])
        .arg(&redacted);
    assert!(redact.output().expect("goheap").status.success());
    let raw = asked(&["-raw"], &exported(&redacted, "redacted.pb.gz"));
    assert!(!raw.contains("tenant"), "{raw}");
}

crate::for_every_version!(crate::labels::tags, every: [are_tags], whole: []);
