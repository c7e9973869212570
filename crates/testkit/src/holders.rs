//! The lists of the program `holders`, and the judge of them: is each whole and reachable in a dump,
//! and what nothing holds not reachable.

use std::path::PathBuf;

use crate::reach::{Graph, Marks, word};
use crate::second_reader::{self, ReadError};
use crate::{BuildOptions, Error, Program, Result, build};

/// What the program's addresses are disguised with.
const MASK: u64 = 0x5a5a_5a5a_5a5a_5a5a;
/// In each node.
const MAGIC: u64 = 0x6c_6f6f_6b20_6d65;
/// Words of a node: next, magic, tag, index, sum.
const NODE: u64 = 40;
/// How many objects are looked at around a root that should lead to a list.
const NEAR: usize = 20_000;

/// A list of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// The kind of its holder.
    pub kind: String,
    /// How the name of the root begins that leads to it; empty if that is not certain.
    pub root: String,
    /// What its nodes are marked with.
    pub tag: u64,
    /// How many nodes it has.
    pub nodes: u64,
    /// The address of its first node.
    pub head: u64,
    /// Whether anything holds it.
    pub held: bool,
}

/// The ways of building the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Without flags.
    Plain,
    /// With cgo and its holders.
    Cgo,
    /// With cgo, and a plugin that it loads.
    Plugin,
}

/// The program, built, and what must be in its environment.
///
/// # Errors
/// What the compiler said.
pub fn program(version: &str, how: Build) -> Result<(Program, Vec<(String, String)>)> {
    let mut environment = Vec::new();
    let mut options = BuildOptions::default();
    if how != Build::Plain {
        options.cgo = true;
        options.tags.push("withcgo");
    }
    if how == Build::Plugin {
        options.tags.push("withplugin");
        let plugin = BuildOptions {
            plugin: true,
            ..BuildOptions::default()
        };
        let plugin = build(version, "holders_plugin", &plugin)?;
        let path = plugin.executable.to_string_lossy().into_owned();
        environment.push(("HOLDERS_PLUGIN".to_owned(), path));
    }
    Ok((build(version, "holders", &options)?, environment))
}

/// The lists that the program has told of.
///
/// # Errors
/// A line that is not what the program prints.
pub fn lists(said: &str) -> Result<Vec<List>> {
    let wrong = |line: &str| Error::Proc {
        path: PathBuf::from("what the program says"),
        text: line.to_owned(),
    };
    let list = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let head = u64::from_str_radix(value["head"].as_str()?, 16).ok()?;
        Some(List {
            kind: value["kind"].as_str()?.to_owned(),
            root: value["root"].as_str()?.to_owned(),
            tag: value["tag"].as_u64()?,
            nodes: value["nodes"].as_u64()?,
            head: head ^ MASK,
            held: value["held"].as_bool()?,
        })
    };
    said.lines()
        .filter_map(|line| line.strip_prefix("holder "))
        .map(|line| list(line).ok_or_else(|| wrong(line)))
        .collect()
}

/// What was found in a dump.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Lists that are as they should be.
    pub right: usize,
    /// What is wrong: the kind of holder, and what.
    pub wrong: Vec<(String, String)>,
}

/// Judges a dump of the program.
///
/// # Errors
/// A dump that cannot be read.
pub fn judge(lists: &[List], bytes: &[u8]) -> Result<Verdict, ReadError> {
    let dump = second_reader::read(bytes)?;
    let graph = Graph::of(&dump, bytes);
    let marks = graph.mark();
    let certain = graph.mark_from_certain();
    let mut verdict = Verdict::default();
    let mut from_segments = None;
    for list in lists {
        let found = if list.held {
            held(list, &graph, &marks).and_then(|()| {
                let near;
                let marks = match list.root.as_str() {
                    "" => return Ok(()),
                    "segment" => from_segments
                        .get_or_insert_with(|| graph.mark_from_named("segment", usize::MAX)),
                    root => {
                        near = graph.mark_from_named(root, NEAR);
                        &near
                    }
                };
                match graph.find(list.head) {
                    Some(head) if marks.reached(head) => Ok(()),
                    _ => Err(format!("reachable, but not from a {}", list.root)),
                }
            })
        } else {
            not_held(list, &graph, &certain)
        };
        match found {
            Ok(()) => verdict.right += 1,
            Err(what) => verdict.wrong.push((list.kind.clone(), what)),
        }
    }
    for what in broken(&graph, &marks) {
        verdict
            .wrong
            .push(("any list that is there".to_owned(), what));
    }
    Ok(verdict)
}

/// A node's words, if its five words lie within an object.
fn node(graph: &Graph<'_>, address: u64) -> Result<[u64; 5], String> {
    let index = graph
        .find(address)
        .ok_or_else(|| "in no object".to_owned())?;
    let object = &graph.objects()[index];
    let offset = address - object.address;
    let mut words = [0; 5];
    for (i, w) in words.iter_mut().enumerate() {
        *w = word(object.contents, offset + 8 * i as u64)
            .ok_or_else(|| format!("only {} bytes before its object's end", 8 * i))?;
    }
    if !object.fields.contains(&offset) {
        return Err("without a pointer in its first word".to_owned());
    }
    Ok(words)
}

fn sum(tag: u64, index: u64) -> u64 {
    MAGIC ^ tag.wrapping_mul(1_000_003) ^ index.wrapping_mul(7919)
}

/// Whether all nodes of a list are there, right and reachable.
fn held(list: &List, graph: &Graph<'_>, marks: &Marks) -> Result<(), String> {
    let mut at = list.head;
    for index in 0..list.nodes {
        let here = format!("node {index} of {} at {at:#x}", list.nodes);
        let [next, magic, tag, number, checksum] =
            node(graph, at).map_err(|why| format!("{here} is {why}"))?;
        if (magic, tag, number, checksum) != (MAGIC, list.tag, index, sum(list.tag, index)) {
            return Err(format!(
                "{here} holds {magic:x} {tag:x} {number:x} {checksum:x}"
            ));
        }
        if !graph.find(at).is_some_and(|object| marks.reached(object)) {
            return Err(format!("{here} is not reachable"));
        }
        at = next;
    }
    if at == 0 {
        Ok(())
    } else {
        Err(format!("the last node goes on to {at:#x}"))
    }
}

/// What became of a list in a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its first node is not there, or not right.
    Absent,
    /// Its first node is there, and no root leads to it.
    Unreachable,
    /// It is there, whole and reachable.
    Reachable,
}

/// What became of a list.
pub fn fate(list: &List, graph: &Graph<'_>, marks: &Marks) -> Fate {
    match node(graph, list.head) {
        Ok([_, MAGIC, tag, ..]) if tag == list.tag => match held(list, graph, marks) {
            Ok(()) => Fate::Reachable,
            Err(_) => Fate::Unreachable,
        },
        _ => Fate::Absent,
    }
}

/// Whether no node at the list's head is reachable. Its memory may have been used again.
fn not_held(list: &List, graph: &Graph<'_>, marks: &Marks) -> Result<(), String> {
    let Ok([_, MAGIC, tag, ..]) = node(graph, list.head) else {
        return Ok(());
    };
    match graph.find(list.head) {
        Some(object) if tag == list.tag && marks.reached(object) => Err(format!(
            "reachable, though nothing holds it: {}",
            graph.path(marks, object)
        )),
        _ => Ok(()),
    }
}

/// Nodes that are reachable and right, but the next of which is not. Lists that come and go are
/// judged by this alone.
fn broken(graph: &Graph<'_>, marks: &Marks) -> Vec<String> {
    let mut wrong = Vec::new();
    for (index, object) in graph.objects().iter().enumerate() {
        if !marks.reached(index) || object.contents.len() as u64 != (NODE + 8) {
            continue;
        }
        let Ok([next, MAGIC, tag, number, checksum]) = node(graph, object.address) else {
            continue;
        };
        if checksum != sum(tag, number) || next == 0 {
            continue;
        }
        let follows = node(graph, next).is_ok_and(|[_, magic, t, n, s]| {
            (magic, t, n, s) == (MAGIC, tag, number + 1, sum(tag, number + 1))
        });
        if !follows {
            wrong.push(format!(
                "node {number} of tag {tag} at {:#x} has no next one at {next:#x}; it is reached by {}",
                object.address,
                graph.path(marks, index)
            ));
        }
    }
    wrong.truncate(5);
    wrong
}
