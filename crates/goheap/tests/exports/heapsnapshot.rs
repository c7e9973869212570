//! memlab (npm's @memlab/core, which reads snapshots for others and works out dominators as DevTools does):
//! nodes, sizes and retained sizes are ours, with and without a limit.

use std::collections::HashMap;
use std::process::Command;

use goheap_analysis::{Analysis, NoWatch, NodeId, ObjectId};
use goheap_export::heapsnapshot::{self, MERGED, Written};
use goheap_export::text::clean;
use goheap_testkit::tools;
use serde_json::Value;

use crate::heaps::{class, hostile, reachable, shop};

/// Characters of a name in a snapshot.
const LONGEST: usize = 500;

/// Prints each node as a line of JSON: id, type, name, size, retained size, names of its edges.
const SCRIPT: &str = r#"
const { utils, analysis } = require('@memlab/core');
utils.getSnapshotFromFile(process.argv[2], { buildNodeIdIndex: true }).then(snapshot => {
  analysis.preparePathFinder(snapshot);
  const lines = [];
  snapshot.nodes.forEach(node => {
    const edges = node.references.map(edge => [edge.name_or_index, edge.toNode.id]);
    lines.push(JSON.stringify([node.id, node.type, node.name, node.self_size, node.retainedSize, edges]));
  });
  require('fs').writeFileSync(process.argv[3], lines.join('\n'));
}).catch(error => { console.error(error); process.exit(1); });
"#;

/// A node as memlab sees it.
struct Node {
    id: u64,
    ty: String,
    name: String,
    size: u64,
    retained: u64,
    edges: Vec<Value>,
}

fn exported(analysis: &Analysis, limit: u32) -> (Vec<u8>, Written) {
    let mut file = Vec::new();
    let written = heapsnapshot::write(analysis, limit, &NoWatch, &mut file).expect("an export");
    (file, written)
}

fn read(file: &[u8]) -> Vec<Node> {
    // It is JSON, as others read it.
    let json: Value = serde_json::from_slice(file).expect("JSON");
    let count = |name: &str| json[name].as_array().expect("rows").len() as u64;
    assert_eq!(json["snapshot"]["node_count"], count("nodes") / 7);
    assert_eq!(json["snapshot"]["edge_count"], count("edges") / 3);

    let folder = tempfile::tempdir().expect("a folder");
    let [path, script, out] =
        ["shop.heapsnapshot", "read.js", "read.jsonl"].map(|name| folder.path().join(name));
    std::fs::write(&path, file).expect("a file");
    std::fs::write(&script, SCRIPT).expect("a file");
    let memlab = tools::npm(tools::MEMLAB.0, tools::MEMLAB.1).expect("memlab");
    let output = Command::new("node")
        .arg(&script)
        .args([&path, &out])
        .env("NODE_PATH", memlab.join("node_modules"))
        .current_dir(folder.path())
        .output()
        .expect("node");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stdout)
    );
    let read = std::fs::read_to_string(&out).expect("what it read");
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value}"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = read.lines().map(|line| {
        let row: Value = serde_json::from_str(line).expect("JSON");
        Node {
            id: number(&row[0]),
            ty: text(&row[1]),
            name: text(&row[2]),
            size: number(&row[3]),
            retained: number(&row[4]),
            edges: row[5].as_array().expect("edges").clone(),
        }
    });
    nodes.collect()
}

/// Objects by their ids: places in the heap, in words of 8 bytes.
fn by_id(analysis: &Analysis) -> HashMap<u64, ObjectId> {
    let dump = &analysis.dump;
    let low = dump.params().heap.0.min(dump.address(ObjectId(0)));
    let id = |object: ObjectId| (dump.address(object) - low) / 8 * 2 + 1;
    dump.objects().map(|object| (id(object), object)).collect()
}

/// A snapshot that may have so many nodes.
fn limited(analysis: &Analysis, limit: u32) -> (Vec<Node>, Written) {
    let (file, written) = exported(analysis, limit);
    let nodes = judge(analysis, &file);
    assert_eq!(nodes.len() as u64, written.nodes);
    assert!(nodes.len() <= limit as usize);
    // Where there is no room for all, half of it at least is used.
    assert!(written.merged == 0 || nodes.len() >= limit as usize / 2 - 1);
    (nodes, written)
}

/// Sizes and retained sizes are ours.
fn judge(analysis: &Analysis, file: &[u8]) -> Vec<Node> {
    let nodes = read(file);
    let (_, bytes) = reachable(analysis);
    assert_eq!(nodes.iter().map(|node| node.size).sum::<u64>(), bytes);
    assert_eq!(nodes[0].retained, bytes);
    let objects = by_id(analysis);
    let mut compared = 0;
    for node in nodes.iter().filter(|node| node.ty == "object") {
        let object = objects[&node.id];
        let retained = analysis.retained_of(NodeId(object.0));
        assert_eq!(node.size, analysis.dump.size(object), "{}", node.name);
        assert_eq!(node.retained, retained, "{}", node.name);
        compared += 1;
    }
    assert!(compared > 0);
    nodes
}

/// Of a snapshot that has all objects, names and edges are ours as well.
pub(crate) fn judge_whole(analysis: &Analysis, file: &[u8]) {
    all_of_it(analysis, file);
}

fn all_of_it(analysis: &Analysis, file: &[u8]) -> Vec<Node> {
    let nodes = judge(analysis, file);
    let is_object = |node: &&Node| node.ty == "object";
    let (objects, _) = reachable(analysis);
    assert_eq!(nodes.iter().filter(is_object).count() as u64, objects);
    let ours = by_id(analysis);
    for node in nodes.iter().filter(is_object) {
        assert_eq!(node.name, clean(class(analysis, ours[&node.id]), LONGEST));
        let mut edges = 0;
        analysis
            .nodes
            .each(&analysis.dump, ours[&node.id].0, |_| edges += 1);
        assert_eq!(node.edges.len(), edges, "{}", node.name);
    }
    nodes
}

#[test]
fn all_of_it_is_ours() {
    let analysis = shop();
    let (file, written) = exported(&analysis, 10_000_000);
    assert_eq!((written.merged, written.stand_ins), (0, 0));
    let nodes = all_of_it(&analysis, &file);
    assert_eq!(nodes.len() as u64, written.nodes);
    // A field has its name.
    let session = nodes
        .iter()
        .find(|node| node.name == "main.Session")
        .expect("a session");
    let names: Vec<&str> = session
        .edges
        .iter()
        .filter_map(|edge| edge[0].as_str())
        .collect();
    assert!(names.contains(&"User"), "{names:?}");
}

#[test]
fn what_is_small_is_merged_and_sizes_stay() {
    let analysis = shop();
    let (nodes, written) = limited(&analysis, 600);
    assert!(written.merged > 10_000 && written.stand_ins > 10);
    let merged = nodes.iter().filter(|node| node.name == MERGED);
    assert_eq!(merged.count() as u64, written.stand_ins);
}

#[test]
fn names_do_no_harm() {
    let (nodes, _) = limited(&hostile(), 5000);
    for node in &nodes {
        assert!(
            !node
                .name
                .contains(|c: char| c.is_control() || c == '\u{202e}'),
            "{}",
            node.name
        );
        assert!(node.name.chars().count() < 600);
    }
}
