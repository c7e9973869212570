//! Graphviz draws the pictures, inferno the flame graph.

use std::io::Write;
use std::process::{Command, Stdio};

use goheap_analysis::answers::tree::{TreeOptions, tree};
use goheap_analysis::answers::what::what;
use goheap_analysis::answers::why::why;
use goheap_analysis::{Analysis, NoWatch};
use goheap_export::select::Selection;
use goheap_export::{dot, folded};

use crate::heaps::{hostile, reachable, shop};

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

/// The picture that Graphviz makes of a graph: it has the boxes and arrows that the graph tells.
pub(crate) fn judge(graph: &[u8]) -> String {
    let text = std::str::from_utf8(graph).expect("UTF-8");
    let svg = drawn(graph);
    // Names stand in quotes, behind the statement's head.
    let head = |line: &str| line.split('"').next().unwrap_or_default().to_owned();
    let is_arrow = |head: &String| head.contains(" -> ");
    let arrows = text.lines().map(head).filter(is_arrow).count();
    let is_box = |head: &String| head.ends_with("[label=") && !is_arrow(head);
    let told = text.lines().map(head).filter(is_box).count();
    assert_eq!(boxes(&svg), told);
    assert_eq!(svg.matches("class=\"edge\"").count(), arrows);
    assert!(!svg.contains("<script") && !svg.contains('\u{1b}'), "{svg}");
    svg
}

#[test]
fn graphviz_draws_the_tree() {
    let svg = judge(&tree_of(&shop()));
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
        let svg = judge(&graph);
        assert!(boxes(&svg) >= 2 && svg.contains(shown), "{svg}");
    }
}

fn exported(analysis: &Analysis) -> String {
    let mut lines = Vec::new();
    let all = Selection::of(analysis, None);
    folded::write(analysis, &all, &NoWatch, &mut lines).expect("an export");
    String::from_utf8(lines).expect("UTF-8")
}

/// The flame graph that inferno makes of all: it counts the bytes that are reachable, and so do the lines.
pub(crate) fn judge_flames(analysis: &Analysis, lines: &str) -> String {
    let bytes = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    let sum: u64 = lines.lines().map(|line| bytes(line).expect("bytes")).sum();
    assert_eq!(sum, reachable(analysis).1);
    let mut svg = Vec::new();
    let mut options = inferno::flamegraph::Options::default();
    options.count_name = "bytes".to_owned();
    inferno::flamegraph::from_lines(&mut options, lines.lines(), &mut svg).expect("a flame graph");
    let svg = String::from_utf8(svg).expect("UTF-8");
    // It counts what it draws.
    let all = format!("total_samples=\"{sum}\"");
    let head = svg.get(..2000).unwrap_or(&svg);
    assert!(svg.contains(&all), "{all} in {head}");
    svg
}

#[test]
fn inferno_draws_the_flames() {
    let analysis = shop();
    let svg = judge_flames(&analysis, &exported(&analysis));
    assert!(svg.contains("main.Session"));
}

#[test]
fn names_do_no_harm() {
    let analysis = hostile();
    let svg = judge(&tree_of(&analysis));
    assert!(svg.starts_with("<?xml") && svg.matches("<svg").count() == 1);
    let flames = judge_flames(&analysis, &exported(&analysis));
    assert!(!flames.contains("<script>alert"));
}
