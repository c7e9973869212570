//! `goheap export` of programs of every Go release, read back.

use std::path::{Path, PathBuf};
use std::process::Command;

use goheap_analysis::answers::what::{Asked, what};
use goheap_analysis::{Analysis, NodeKind};
use goheap_testkit::BuildOptions;
use goheap_testkit::capture::capture;
use goheap_testkit::quiescent::Quiescent;
use goheap_testkit::truth::Honest;
use serde_json::Value;
use tempfile::TempDir;

use crate::heaps::{analysed, reachable};
use crate::{drawn, heapsnapshot, hprof, pprof};

/// A dump in a folder of its own, and what goheap's library makes of it.
struct Heap {
    folder: TempDir,
    dump: PathBuf,
    analysis: Analysis,
}

impl Heap {
    fn of(dump: Vec<u8>) -> Heap {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("it.heapdump");
        std::fs::write(&path, &dump).expect("a file");
        let analysis = analysed(dump);
        Heap {
            folder,
            dump: path,
            analysis,
        }
    }

    /// `goheap export` into a file of that name; it has nothing to say against it.
    #[track_caller]
    fn exported(&self, name: &str, more: &[&str]) -> PathBuf {
        let path = self.folder.path().join(name);
        let mut export = Command::new(env!("CARGO_BIN_EXE_goheap"));
        export.arg("export").arg(&self.dump).args(more);
        let output = export.arg("-o").arg(&path).output().expect("goheap");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        assert_eq!(said, "", "{name}");
        path
    }

    /// All that is exported, by its own readers.
    fn judge(&self) {
        let of = &self.analysis;
        self.totals();
        pprof::judge(of, &self.exported("it.pb.gz", &[]));
        let path = self.exported("it.hprof", &[]);
        hprof::counts_are_ours(of, &path);
        hprof::edges_and_dominators_are_ours(of, read(&path));
        heapsnapshot::judge_whole(of, &read(&self.exported("it.heapsnapshot", &[])));
        drawn::judge(&read(&self.exported("it.dot", &[])));
        let lines = String::from_utf8(read(&self.exported("it.folded", &[]))).expect("UTF-8");
        drawn::judge_flames(of, &lines);
    }

    /// What the readers' sums are held against is what `goheap top` says.
    fn totals(&self) {
        let mut top = Command::new(env!("CARGO_BIN_EXE_goheap"));
        let output = top.arg("top").arg(&self.dump).arg("--json").output();
        let top: Value = serde_json::from_slice(&output.expect("goheap").stdout).expect("JSON");
        let number = |name: &str| top["heap"][name].as_u64().expect("a number");
        let told = (number("reachable_objects"), number("reachable_bytes"));
        assert_eq!(told, reachable(&self.analysis));
        assert_eq!(
            number("objects"),
            u64::from(self.analysis.dump.object_count())
        );
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}

/// The program `truth`, which has values of all kinds.
fn truth(version: &str, _: &str) {
    let honest = Honest::start(version, &BuildOptions::default()).expect("a program");
    let pid = honest.running.pid().to_string();
    let captured = capture(Path::new(env!("CARGO_BIN_EXE_goheap")), &pid, &[]).expect("a dump");
    assert_eq!(captured.gap_count(), 0, "{:?}", captured.gaps());
    let heap = Heap::of(captured.dump);
    heap.judge();

    // What variables alone hold.
    let of = &heap.analysis;
    let whole = honest.truth.retained.iter().filter(|(_, whole)| **whole);
    let mut variables = 0;
    for (name, _) in whole
        .filter(|(name, _)| name.starts_with("main."))
        .step_by(8)
    {
        let Ok(Asked::Variable(root)) = what(of, name) else {
            panic!("{name}");
        };
        let path = heap.exported("held.pb.gz", &["--of", name]);
        let retained = of.retained_by(NodeKind::Root(root));
        assert_eq!(pprof::held(&path), [retained; 2], "{name}");
        variables += 1;
    }
    assert!(variables > 1);
    let graph = heap.exported("held.dot", &["--of", "main.item"]);
    assert!(drawn::judge(&read(&graph)).contains("main.item"));
}

crate::for_every_version!(crate::releases::truth, every: [], whole: [is_read_back]);

/// A dump of the runtime's own, which says no type's name: of a program with odd frames, finalizers and
/// goroutines in all states.
#[test]
fn the_runtimes_own_dump_is_read_back() {
    let (program, variant) = crate::support::program("1.24.3", "plain", "everything");
    let twin = Quiescent::start(&program, variant.environment).expect("a program at a standstill");
    Heap::of(twin.finish().expect("the runtime's dump")).judge();
}
