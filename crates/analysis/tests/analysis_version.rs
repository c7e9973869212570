//! The version of the analysis is raised when what it finds out changes.
//!
//! An analysed snapshot is used only by a goheap of its [`VERSION`]. Nobody can tell by a test whether a change
//! of the inference gives other types for some program; so this test fails for every change of the code that
//! they come out of, and whoever has made it says here whether it changes what comes out.

use std::path::{Path, PathBuf};

use goheap_analysis::snapshot::VERSION;

/// What was thought of: the version, and the digest of the sources.
///
/// If this test fails: does the change give another number to an object or a node, another edge, another
/// class, another [`How`](goheap_analysis::types::How), another order of any of these, for any dump at all?
/// Then raise `VERSION` in `src/snapshot/mod.rs`. In doubt, raise it: a snapshot of an earlier version is
/// analysed anew, which is slow, and a wrong answer is wrong. Then put here what the test tells.
const THOUGHT_OF: (u64, u64) = (1, 0x488a772550de99d3);

/// What objects, nodes, edges, the tree and types come out of.
const SOURCES: [&str; 9] = [
    "analysis/src/dump",
    "analysis/src/graph",
    "analysis/src/nodes",
    "analysis/src/nodes.rs",
    "analysis/src/types",
    "golang/src/catalogue.rs",
    "golang/src/features.rs",
    "golang/src/map",
    "golang/src/map.rs",
];

#[test]
fn the_version_is_raised_when_what_is_found_out_changes() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for source in SOURCES {
        gather(&crates.join(source), &mut files);
    }
    files.sort();
    assert!(files.len() > 50, "{} files", files.len());
    let mut digest = Digest(0xcbf2_9ce4_8422_2325);
    for file in &files {
        let name = file.strip_prefix(&crates).unwrap();
        digest.add(name.to_str().unwrap());
        let text = std::fs::read_to_string(file).unwrap();
        // Tests stand at the end of a file, or in one of their own; comments change nothing.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        for line in code.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with("//") {
                digest.add(line);
            }
        }
    }
    let now = (VERSION, digest.0);
    assert!(
        now == THOUGHT_OF,
        "the code of the analysis has changed: see THOUGHT_OF in {}; \
         it is ({}, {:#018x}) now, or a higher version",
        file!(),
        now.0,
        now.1
    );
}

fn gather(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in std::fs::read_dir(path).unwrap() {
            gather(&entry.unwrap().path(), files);
        }
    } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
        files.push(path.to_owned());
    }
}

/// FNV-1a of lines.
struct Digest(u64);

impl Digest {
    fn add(&mut self, line: &str) {
        for byte in line.bytes().chain([b'\n']) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
