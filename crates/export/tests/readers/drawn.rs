//! Graphviz draws the pictures, inferno the flame graph.

use std::io::Write;
use std::process::{Command, Stdio};

use goheap_analysis::answers::tree::{TreeOptions, tree};
use goheap_analysis::answers::what::what;
use goheap_analysis::answers::why::why;
use goheap_analysis::{Analysis, NoWatch};
use goheap_export::select::Selection;
use goheap_export::{dot, folded};

use crate::support::{hostile, reachable, shop};

/// The picture that Graphviz makes of a graph.
fn drawn(graph: &[u8]) -> String {
    let mut dot = Command::new("dot")
        .arg("-Tsvg")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Graphviz: .ci/packages installs it");
    let mut stdin = dot.stdin.take().expect("a pipe");
    stdin.write_all(graph).expect("dot reads");
    drop(stdin);
    let output = dot.wait_with_output().expect("dot");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(graph)
    );
    // Fonts are another matter.
    assert!(!said.contains("syntax"), "{said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn boxes(svg: &str) -> usize {
    svg.matches("class=\"node\"").count()
}

fn tree_of(analysis: &Analysis) -> Vec<u8> {
    let options = TreeOptions {
        depth: 6,
        min: None,
        branches: 10,
    };
    let tree = tree(analysis, None, &options, &NoWatch).expect("a tree");
    let mut out = Vec::new();
    dot::tree(&tree, &mut out).expect("a Vec");
    out
}

#[test]
fn graphviz_draws_the_tree() {
    let graph = tree_of(&shop());
    let text = String::from_utf8(graph.clone()).expect("UTF-8");
    let svg = drawn(&graph);
    let told = text
        .lines()
        .filter(|line| line.contains("[label=") && !line.contains("->"));
    assert_eq!(boxes(&svg), told.count());
    assert!(svg.contains("4875 × main.Session"), "{svg}");
}

#[test]
fn graphviz_draws_who_holds_a_thing() {
    let analysis = shop();
    for (asked, shown) in [("main.Session", "main.store"), ("main.store", "main.store")] {
        let asked = what(&analysis, asked).expect("it");
        let answer = why(&analysis, &asked, 8, &NoWatch).expect("paths");
        let mut graph = Vec::new();
        dot::why(&answer, &mut graph).expect("a Vec");
        let svg = drawn(&graph);
        assert!(boxes(&svg) >= 2 && svg.contains(shown), "{svg}");
    }
}

fn flame(analysis: &Analysis) -> (String, String) {
    let mut lines = Vec::new();
    let all = Selection::of(analysis, None);
    folded::write(analysis, &all, &NoWatch, &mut lines).expect("an export");
    let lines = String::from_utf8(lines).expect("UTF-8");
    let mut svg = Vec::new();
    let mut options = inferno::flamegraph::Options::default();
    options.count_name = "bytes".to_owned();
    inferno::flamegraph::from_lines(&mut options, lines.lines(), &mut svg).expect("a flame graph");
    (lines, String::from_utf8(svg).expect("UTF-8"))
}

#[test]
fn inferno_draws_the_flames() {
    let analysis = shop();
    let (lines, svg) = flame(&analysis);
    let bytes = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    let sum: u64 = lines.lines().map(|line| bytes(line).expect("bytes")).sum();
    assert_eq!(sum, reachable(&analysis).1);
    // It counts what it draws.
    let all = format!("total_samples=\"{sum}\"");
    assert!(
        svg.contains(&all),
        "{all} in {}",
        svg.get(..2000).unwrap_or(&svg)
    );
    assert!(svg.contains("main.Session"));
}

#[test]
fn names_do_no_harm() {
    let analysis = hostile();
    let graph = tree_of(&analysis);
    let svg = drawn(&graph);
    assert!(!svg.contains("<script") && !svg.contains('\u{1b}'), "{svg}");
    assert!(svg.starts_with("<?xml") && svg.matches("<svg").count() == 1);
    let (lines, flames) = flame(&analysis);
    assert!(!flames.contains("<script>alert"));
    let bytes = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    let sum: u64 = lines.lines().map(|line| bytes(line).expect("bytes")).sum();
    assert_eq!(sum, reachable(&analysis).1);
}
