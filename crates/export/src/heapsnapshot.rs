//! A heap snapshot for Chrome's DevTools (Memory, *Load profile*), and for others that read V8's.
//!
//! The JSON is that of V8's `src/profiler/heap-snapshot-generator.cc`, `HeapSnapshotJSONSerializer`: rows of
//! numbers for nodes and edges, described by `snapshot.meta`, and a table of strings at the end. The first
//! node is the root; a node's edges stand together, in the order of nodes.
//!
//! Packages, their variables, groups of goroutines, goroutines and their frames are nodes of type `native`;
//! objects are of type `object`, and their constructor is their Go type. An edge is a property where the
//! field has a name, else an element: the number of the word that it lies in.
//!
//! # Small objects
//! There are at most as many nodes as `limit` says. If the heap has more, the largest branches of the
//! dominator tree are kept; what a kept node holds beside them is one node, [`MERGED`], with the bytes and the
//! edges of all that. Since what is merged is held by that node alone, sizes and retained sizes of all
//! kept nodes, and who dominates them, stay what they are.
//!
//! # What it cannot say
//! Addresses; how a type is known; contents. Garbage is left out. A node's id is made of its address, so that
//! two snapshots of one process can be compared, unless the heap spans more than 16 GiB of addresses.

use std::collections::{HashMap, HashSet};
use std::io::Write;

use goheap_analysis::paths::slot as slot_name;
use goheap_analysis::types::{ClassId, What};
use goheap_analysis::{Analysis, NodeId, NodeKind, ObjectId, Watch};

use crate::ExportError;
use crate::label::label;
use crate::text::clean;

/// What a node is called that stands for several.
pub const MERGED: &str = "(smaller objects, merged)";

/// Characters of a string.
const LONGEST: usize = 500;

/// How many names of fields are told; beyond, edges have numbers.
const NAMES: usize = 1 << 18;

/// No row.
const NONE: u32 = u32::MAX;

/// Fields of a node, and of an edge.
const NODE_FIELDS: u64 = 7;

/// Places in `meta`'s lists of types.
const OBJECT: u32 = 3;
const NATIVE: u32 = 8;
const SYNTHETIC: u32 = 9;
const ELEMENT: u32 = 1;
const PROPERTY: u32 = 2;

/// The description of the rows, as V8 writes it.
const META: &str = r#"{"node_fields":["type","name","id","self_size","edge_count","trace_node_id","detachedness"],"node_types":[["hidden","array","string","object","code","closure","regexp","number","native","synthetic","concatenated string","sliced string","symbol","bigint","object shape"],"string","number","number","number","number","number"],"edge_fields":["type","name_or_index","to_node"],"edge_types":[["context","element","property","internal","hidden","shortcut","weak"],"string_or_number","node"],"trace_function_info_fields":["function_id","name","script_name","script_id","line","column"],"trace_node_fields":["id","function_info_index","count","size","children"],"sample_fields":["timestamp_us","last_assigned_id"],"location_fields":["object_index","script_id","line","column"]}"#;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Nodes in the file.
    pub nodes: u64,
    /// Nodes of the heap that are told in one with others.
    pub merged: u64,
    /// Nodes in the file that stand for these.
    pub stand_ins: u64,
}

/// A node of the file.
struct Row {
    /// The node; of a merged one, that which holds it.
    node: u32,
    is_merged: bool,
    /// The row of what is merged below it.
    below: u32,
    bytes: u64,
    edges: u32,
}

/// Writes what is reachable.
///
/// # Errors
/// Of the writer; interrupted.
pub fn write(
    analysis: &Analysis,
    limit: u32,
    watch: &dyn Watch,
    out: &mut dyn Write,
) -> Result<Written, ExportError> {
    let mut snapshot = Snapshot::of(analysis, limit, watch)?;
    snapshot.count(watch)?;
    snapshot.write(watch, out)?;
    Ok(Written {
        nodes: snapshot.rows.len() as u64,
        merged: snapshot.merged,
        stand_ins: snapshot.rows.iter().filter(|row| row.is_merged).count() as u64,
    })
}

struct Snapshot<'a> {
    analysis: &'a Analysis,
    rows: Vec<Row>,
    /// The row of each node.
    row_of: Vec<u32>,
    merged: u64,
    strings: Strings,
    /// Names of fields.
    fields: HashMap<(ClassId, u64), u32>,
}

#[derive(Default)]
struct Strings {
    known: HashMap<String, u32>,
    all: Vec<String>,
}

impl Strings {
    fn of(&mut self, text: &str) -> u32 {
        let text = clean(text, LONGEST);
        if let Some(known) = self.known.get(&text) {
            return *known;
        }
        let next = self.all.len() as u32;
        self.all.push(text.clone());
        self.known.insert(text, next);
        next
    }
}

impl<'a> Snapshot<'a> {
    /// Chooses the nodes.
    fn of(
        analysis: &'a Analysis,
        limit: u32,
        watch: &dyn Watch,
    ) -> Result<Snapshot<'a>, ExportError> {
        let tree = &analysis.dominators;
        let order = tree.preorder();
        let mut room = Room::of(analysis, limit);
        let mut snapshot = Snapshot {
            analysis,
            rows: Vec::new(),
            row_of: vec![NONE; tree.node_count() as usize],
            merged: 0,
            strings: Strings::default(),
            fields: HashMap::new(),
        };
        let mut rest = order;
        while let Some(node) = rest.first().copied() {
            if rest.len().is_multiple_of(1 << 14) {
                watch.step("choosing nodes", 0, order.len() as u64)?;
            }
            let passed = match room.takes(analysis, node) {
                true => {
                    snapshot.add(node, false, analysis.size_of(NodeId(node)));
                    1
                }
                false => snapshot.merge(node),
            };
            rest = rest.get(passed..).unwrap_or_default();
        }
        Ok(snapshot)
    }

    fn add(&mut self, node: u32, is_merged: bool, bytes: u64) -> u32 {
        let row = self.rows.len() as u32;
        self.rows.push(Row {
            node,
            is_merged,
            below: NONE,
            bytes,
            edges: 0,
        });
        if let Some(of) = self.row_of.get_mut(node as usize).filter(|_| !is_merged) {
            *of = row;
        }
        row
    }

    /// Puts a branch into the node for what is small below the one that holds it. How many these are.
    fn merge(&mut self, node: u32) -> usize {
        let analysis = self.analysis;
        let branch = analysis.dominators.subtree(node);
        let above = analysis.dominators.idom(node).unwrap_or(0);
        let holder = self.row_of.get(above as usize).copied().unwrap_or(NONE);
        let below = self.rows.get(holder as usize).map_or(NONE, |row| row.below);
        let below = match below {
            NONE => {
                let below = self.add(above, true, 0);
                if let Some(row) = self.rows.get_mut(holder as usize) {
                    row.below = below;
                }
                below
            }
            below => below,
        };
        if let Some(row) = self.rows.get_mut(below as usize) {
            row.bytes = row.bytes.saturating_add(analysis.retained_of(NodeId(node)));
        }
        for node in branch {
            if let Some(of) = self.row_of.get_mut(*node as usize) {
                *of = below;
            }
        }
        self.merged += branch.len() as u64;
        branch.len().max(1)
    }

    fn row_of(&self, node: u32) -> Option<u32> {
        let row = self.row_of.get(node as usize).copied();
        row.filter(|row| *row != NONE)
    }

    /// Shows where a row leads: the pointer's place in its object, or a running number, and the row.
    fn each_edge(&self, row: &Row, mut visit: impl FnMut(Option<(ObjectId, u64)>, u32)) {
        let Analysis {
            dump,
            nodes,
            dominators,
            ..
        } = self.analysis;
        let is_merged = |row: u32| self.rows.get(row as usize).is_some_and(|row| row.is_merged);
        // To what was merged one edge is enough.
        let mut seen: HashSet<u32> = HashSet::new();
        if row.is_merged {
            let own = self
                .rows
                .get(self.row_of(row.node).unwrap_or(NONE) as usize);
            let own = own.map_or(NONE, |row| row.below);
            for child in dominators.children(row.node) {
                if self.row_of(child) != Some(own) {
                    continue;
                }
                for node in dominators.subtree(child) {
                    nodes.each(dump, *node, |to| {
                        seen.extend(self.row_of(to).filter(|to| *to != own));
                    });
                }
            }
            let mut all: Vec<u32> = seen.into_iter().collect();
            all.sort_unstable();
            all.into_iter().for_each(|to| visit(None, to));
            return;
        }
        let mut show = |at: Option<(ObjectId, u64)>, to: u32| {
            if let Some(to) = self.row_of(to)
                && (!is_merged(to) || seen.insert(to))
            {
                visit(at, to);
            }
        };
        match nodes.kind(NodeId(row.node)) {
            NodeKind::Object(object) => {
                nodes.each_edge(dump, object, |slot, to, _| show(Some((object, slot)), to.0));
            }
            _ => nodes.each(dump, row.node, |to| show(None, to)),
        }
    }

    fn count(&mut self, watch: &dyn Watch) -> Result<(), ExportError> {
        let total = self.rows.len();
        for at in 0..total {
            if at.is_multiple_of(1 << 12) {
                watch.step("counting edges", at as u64, total as u64)?;
            }
            let mut edges = 0u32;
            if let Some(row) = self.rows.get(at) {
                self.each_edge(row, |_, _| edges = edges.saturating_add(1));
            }
            if let Some(row) = self.rows.get_mut(at) {
                row.edges = edges;
            }
        }
        Ok(())
    }

    fn write(&mut self, watch: &dyn Watch, out: &mut dyn Write) -> Result<(), ExportError> {
        let rows = std::mem::take(&mut self.rows);
        let edges: u64 = rows.iter().map(|row| u64::from(row.edges)).sum();
        write!(
            out,
            "{{\"snapshot\":{{\"meta\":{META},\"node_count\":{},\"edge_count\":{edges},\"trace_function_count\":0}},\n\"nodes\":[",
            rows.len()
        )?;
        let ids = Ids::of(self.analysis);
        for (row, at) in rows.iter().zip(0u64..) {
            let kind = self.analysis.nodes.kind(NodeId(row.node));
            let (ty, name) = match kind {
                _ if row.is_merged => (NATIVE, MERGED.to_owned()),
                NodeKind::Object(_) => (OBJECT, label(self.analysis, NodeId(row.node))),
                NodeKind::All => (SYNTHETIC, String::new()),
                _ => (NATIVE, label(self.analysis, NodeId(row.node))),
            };
            let name = self.strings.of(&name);
            let id = match kind {
                NodeKind::Object(object) if !row.is_merged => ids.object(self.analysis, object, at),
                _ => ids.other(at),
            };
            let comma = if at == 0 { "" } else { ",\n" };
            write!(
                out,
                "{comma}{ty},{name},{id},{},{},0,0",
                row.bytes, row.edges
            )?;
        }
        write!(out, "],\n\"edges\":[")?;
        self.rows = rows;
        self.write_edges(watch, out)?;
        write!(
            out,
            "],\n\"trace_function_infos\":[],\"trace_tree\":[],\"samples\":[],\"locations\":[],\n\"strings\":["
        )?;
        for (text, at) in self.strings.all.iter().zip(0u64..) {
            let comma = if at == 0 { "" } else { ",\n" };
            write!(out, "{comma}")?;
            serde_json::to_writer(&mut *out, text).map_err(std::io::Error::from)?;
        }
        writeln!(out, "]}}")?;
        Ok(())
    }

    fn write_edges(&mut self, watch: &dyn Watch, out: &mut dyn Write) -> Result<(), ExportError> {
        let mut is_first = true;
        let mut edges: Vec<(Option<(ObjectId, u64)>, u32)> = Vec::new();
        for at in 0..self.rows.len() {
            if at.is_multiple_of(1 << 12) {
                watch.step("writing edges", at as u64, self.rows.len() as u64)?;
            }
            edges.clear();
            if let Some(row) = self.rows.get(at) {
                self.each_edge(row, |from, to| edges.push((from, to)));
            }
            for ((from, to), number) in edges.iter().zip(0u64..) {
                let (ty, name) = match from {
                    Some((object, slot)) => self.field(*object, *slot),
                    None => (ELEMENT, number),
                };
                let comma = if is_first { "" } else { ",\n" };
                is_first = false;
                write!(out, "{comma}{ty},{name},{}", u64::from(*to) * NODE_FIELDS)?;
            }
        }
        Ok(())
    }

    /// The type and the name of the edge that lies at `slot` of an object.
    fn field(&mut self, object: ObjectId, slot: u64) -> (u32, u64) {
        let types = &self.analysis.types;
        let class = types.class_of(object);
        let word = u64::from(self.analysis.dump.params().model.word).max(1);
        let is_value = types
            .class(class)
            .is_some_and(|class| matches!(class.what, What::Value(_) | What::Closure(_)));
        if let Some(name) = self.fields.get(&(class, slot)) {
            return (PROPERTY, (*name).into());
        }
        if !is_value || self.fields.len() >= NAMES {
            return (ELEMENT, slot / word);
        }
        let name = slot_name(self.analysis, object, slot);
        let name = match name.trim_start_matches('.') {
            "" => format!("+{slot:#x}"),
            name => name.to_owned(),
        };
        let name = self.strings.of(&name);
        self.fields.insert((class, slot), name);
        (PROPERTY, name.into())
    }
}

/// Which nodes are kept, those that hold a kept one among them.
struct Room {
    /// All that retain more bytes are kept; `None` if there is room for all.
    least: Option<u64>,
    /// How many more that retain just as much.
    equal: usize,
}

impl Room {
    fn of(analysis: &Analysis, limit: u32) -> Room {
        let order = analysis.dominators.preorder();
        if order.len() <= limit as usize {
            return Room {
                least: None,
                equal: 0,
            };
        }
        // Each kept node may have one below for what is merged. The root is kept in any case.
        let kept = (limit as usize / 2).saturating_sub(1).max(1);
        let mut retained: Vec<u64> = order
            .iter()
            .map(|node| analysis.retained_of(NodeId(*node)))
            .collect();
        let place = retained.len().saturating_sub(kept);
        let (_, least, above) = retained.select_nth_unstable(place.min(order.len() - 1));
        let least = *least;
        let more = above.iter().filter(|retained| **retained > least).count();
        Room {
            least: Some(least),
            equal: kept.saturating_sub(more),
        }
    }

    /// Whether the next node in the tree's preorder is kept, given that the one that holds it is.
    fn takes(&mut self, analysis: &Analysis, node: u32) -> bool {
        let Some(least) = self.least else {
            return true;
        };
        let retained = analysis.retained_of(NodeId(node));
        if retained > least || node == analysis.dominators.root() {
            return true;
        }
        let takes = retained == least && self.equal > 0;
        self.equal -= usize::from(takes);
        takes
    }
}

/// Ids of nodes: DevTools keeps 32 bits of them.
struct Ids {
    /// Where the heap begins, if places in it fit.
    low: Option<u64>,
}

impl Ids {
    fn of(analysis: &Analysis) -> Ids {
        let dump = &analysis.dump;
        let last = ObjectId(dump.object_count().saturating_sub(1));
        let low = dump.params().heap.0.min(dump.address(ObjectId(0)));
        let span = dump.address(last).checked_sub(low);
        Ids {
            low: span.filter(|span| *span < 1 << 34).map(|_| low),
        }
    }

    /// Odd ones, as V8's objects have.
    fn object(&self, analysis: &Analysis, object: ObjectId, row: u64) -> u64 {
        let place = match self.low {
            Some(low) => analysis.dump.address(object).saturating_sub(low) / 8,
            None => row,
        };
        place * 2 + 1
    }

    fn other(&self, row: u64) -> u64 {
        (row + 1) * 2
    }
}
