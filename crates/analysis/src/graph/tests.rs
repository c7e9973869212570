//! Against brute force: what is gone when a node is taken out.

mod large;
mod paths;

use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::preorder::Preorder;
use super::{
    Csr, Dominators, Edges, GraphError, MAX_NODES, Part, Retained, heads, retained,
    retained_by_class, semi,
};
use crate::{NoWatch, Watch};

/// Where each node leads.
#[derive(Debug, Clone)]
struct Lists(Vec<Vec<u32>>);

impl Edges for Lists {
    fn node_count(&self) -> u32 {
        self.0.len() as u32
    }

    fn each(&self, node: u32, visit: impl FnMut(u32)) {
        self.0[node as usize].iter().copied().for_each(visit);
    }
}

impl Lists {
    fn nodes(&self) -> std::ops::Range<u32> {
        0..self.node_count()
    }

    /// What is reachable from the nodes `from` without `without`.
    fn reach(&self, from: &[u32], without: Option<u32>) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        let mut todo = from.to_vec();
        while let Some(node) = todo.pop() {
            if Some(node) != without && found.insert(node) {
                todo.extend(&self.0[node as usize]);
            }
        }
        found
    }

    /// What each node dominates: what is gone without it.
    fn dominated(&self, root: u32) -> Vec<BTreeSet<u32>> {
        let all = self.reach(&[root], None);
        self.nodes()
            .map(|node| {
                if !all.contains(&node) {
                    return BTreeSet::new();
                }
                let rest = self.reach(&[root], Some(node));
                all.difference(&rest).copied().collect()
            })
            .collect()
    }
}

/// Random graphs: sparse and dense, with loops, repeated edges and parts that nothing leads to; and
/// the same with a long chain in them, forwards or with ways back.
fn graphs() -> impl Strategy<Value = Lists> {
    (1..28u32, 0..4usize, any::<bool>(), any::<bool>()).prop_flat_map(
        |(nodes, per_node, chain, both)| {
            let edges = (0..nodes, 0..nodes);
            let count = nodes as usize * per_node / 2;
            prop::collection::vec(edges, 0..=count + 2).prop_map(move |edges| {
                let mut lists = Lists(vec![Vec::new(); nodes as usize]);
                if chain {
                    // Not from its first node to its last: numbers and order are to differ.
                    let step = |at: u32| (at * 5 + 2) % nodes;
                    for at in 0..nodes - 1 {
                        lists.0[step(at) as usize].push(step(at + 1));
                        if both {
                            lists.0[step(at + 1) as usize].push(step(at));
                        }
                    }
                }
                for (from, to) in edges {
                    lists.0[from as usize].push(to);
                }
                lists
            })
        },
    )
}

/// The tree by every way that there is: sorted as a whole, in groups, or not at all; climbed step by
/// step, or with ways that skip.
fn all_ways(graph: &impl Edges, root: u32) -> Vec<Dominators> {
    let mut trees = vec![Dominators::of(graph, root, &NoWatch).unwrap()];
    for (sorted, patience) in [(0, 0), (1, 3), (3, u64::MAX), (u64::MAX, 0)] {
        let walk = Preorder::of(graph, root, &NoWatch).unwrap();
        let (above, order) = semi::with_limits(walk, sorted, patience, &NoWatch).unwrap();
        let nodes = graph.node_count();
        trees.push(Dominators::arranged(root, nodes, above, order));
    }
    trees
}

fn same(one: &Dominators, other: &Dominators) {
    for node in 0..one.node_count() {
        assert_eq!(one.idom(node), other.idom(node), "{node}");
        assert_eq!(one.is_reachable(node), other.is_reachable(node), "{node}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn dominators_are_those_without_which_a_node_is_gone(graph in graphs(), root in any::<u32>()) {
        let root = root % graph.node_count();
        let dominated = graph.dominated(root);
        for tree in all_ways(&graph, root) {
            prop_assert_eq!(tree.reachable_count() as usize, dominated[root as usize].len());
            for node in graph.nodes() {
                let expected = &dominated[node as usize];
                prop_assert_eq!(tree.is_reachable(node), !expected.is_empty());
                let subtree = tree.subtree(node);
                prop_assert_eq!(&subtree.iter().copied().collect::<BTreeSet<_>>(), expected);
                prop_assert_eq!(subtree.len(), expected.len());
                for other in graph.nodes() {
                    prop_assert_eq!(tree.dominates(node, other), expected.contains(&other));
                }
                // The nearest dominator is the one that all others dominate.
                let proper = |node: u32| {
                    graph.nodes().filter(move |by| *by != node).filter(|by| {
                        dominated[*by as usize].contains(&node)
                    }).collect::<Vec<_>>()
                };
                let above = proper(node);
                let nearest = above.iter().copied().find(|by| proper(*by).len() + 1 == above.len());
                prop_assert_eq!(tree.idom(node), nearest);
                let mut children: Vec<u32> = tree.children(node).collect();
                children.sort_unstable();
                let expected = graph.nodes().filter(|child| tree.idom(*child) == Some(node));
                prop_assert_eq!(children, expected.collect::<Vec<_>>());
            }
            prop_assert_eq!(tree.preorder().len(), tree.reachable_count() as usize);
            prop_assert_eq!(tree.preorder()[0], root);
        }
    }

    #[test]
    fn retained_is_the_size_of_what_is_gone(
        graph in graphs(),
        root in any::<u32>(),
        sizes in prop::collection::vec(0..1000u64, 28),
        classes in prop::collection::vec(prop::option::weighted(0.8, 0..5u32), 28),
    ) {
        let root = root % graph.node_count();
        let tree = Dominators::of(&graph, root, &NoWatch).unwrap();
        let dominated = graph.dominated(root);
        let size_of = |node: u32| sizes[node as usize];
        let sum = |nodes: &BTreeSet<u32>| nodes.iter().map(|node| size_of(*node)).sum::<u64>();
        let sums = retained(&tree, size_of);
        for node in graph.nodes() {
            prop_assert_eq!(sums[node as usize], sum(&dominated[node as usize]));
        }
        // Multiples of 8 take the narrow way, others the wide one.
        for unit in [1, 8] {
            let kept = Retained::of(&tree, |node| size_of(node) * unit);
            for node in graph.nodes() {
                prop_assert_eq!(kept.get(node), sums[node as usize] * unit);
            }
            prop_assert_eq!(kept.get(graph.node_count()), 0);
        }
        // What an instance of a class dominates, other instances and what they dominate included,
        // is one set: each node counts once, however many instances are above it.
        let class_of = |node: u32| classes[node as usize];
        let of_class = retained_by_class(&tree, class_of, 4, size_of);
        prop_assert_eq!(of_class.len(), 4);
        for (class, retained) in (0..4).zip(of_class) {
            let held: BTreeSet<u32> = graph
                .nodes()
                .filter(|node| class_of(*node) == Some(class))
                .flat_map(|node| dominated[node as usize].iter().copied())
                .collect();
            prop_assert_eq!(retained, sum(&held));
        }
        // The largest children first.
        for node in graph.nodes() {
            for most in [0, 1, 3, 100] {
                let mut expected: Vec<u32> = tree.children(node).collect();
                expected.sort_by_key(|child| (std::cmp::Reverse(sums[*child as usize]), *child));
                expected.truncate(most);
                let largest = tree.largest_children(node, most, |child| sums[child as usize]);
                prop_assert_eq!(largest, expected);
            }
        }
    }

    #[test]
    fn heads_are_the_fewest_that_lead_to_all_garbage(graph in graphs(), root in any::<u32>()) {
        let root = root % graph.node_count();
        let live = graph.reach(&[root], None);
        let found = heads(&graph, |node| live.contains(&node), &NoWatch).unwrap();
        let garbage = |node: &u32| !live.contains(node);
        // A head is led to by none but those that it leads to itself, and of these it is the lowest.
        let expected: Vec<u32> = graph
            .nodes()
            .filter(garbage)
            .filter(|node| {
                let below = graph.reach(&[*node], None);
                graph
                    .nodes()
                    .filter(garbage)
                    .filter(|other| graph.reach(&[*other], None).contains(node))
                    .all(|other| below.contains(&other) && other >= *node)
            })
            .collect();
        prop_assert_eq!(&found, &expected);
        let all = graph.reach(&found, None);
        prop_assert!(graph.nodes().filter(garbage).all(|node| all.contains(&node)));
        // The tree of garbage alone, below its heads: of the nodes that are left when all others
        // are taken out.
        let tree = Dominators::of(&graph, root, &NoWatch).unwrap();
        prop_assert!(tree.unreachable().eq(graph.nodes().filter(garbage)));
        let part = Part::new(&graph, |node| !tree.is_reachable(node), &found);
        let of_garbage = Dominators::of(&part, part.root(), &NoWatch).unwrap();
        let mut alone = graph.clone();
        for (node, list) in (0..).zip(&mut alone.0) {
            list.retain(|to| !live.contains(&node) && !live.contains(to));
        }
        alone.0.push(expected.clone());
        same(&of_garbage, &Dominators::of(&alone, graph.node_count(), &NoWatch).unwrap());
        let sums = retained(&of_garbage, |node| u64::from(node < graph.node_count()));
        let count = graph.nodes().filter(garbage).count() as u64;
        prop_assert_eq!(sums[part.root() as usize], count);
    }

    #[test]
    fn rows_are_the_edges(graph in graphs()) {
        let kept = Csr::of(&graph).unwrap();
        let back = kept.reversed().unwrap();
        prop_assert_eq!(kept.node_count(), graph.node_count());
        prop_assert_eq!(kept.edge_count(), graph.0.iter().map(|list| list.len() as u64).sum::<u64>());
        prop_assert_eq!(back.edge_count(), kept.edge_count());
        let at_once = Csr::reverse_of(&graph, &NoWatch).unwrap();
        prop_assert_eq!(at_once.edge_count(), kept.edge_count());
        for node in graph.nodes() {
            prop_assert_eq!(kept.successors(node), &graph.0[node as usize]);
            let mut into: Vec<u32> = Vec::new();
            for from in graph.nodes() {
                into.extend(graph.0[from as usize].iter().filter(|to| **to == node).map(|_| from));
            }
            prop_assert_eq!(back.successors(node), &into[..]);
            prop_assert_eq!(at_once.successors(node), into);
        }
        prop_assert_eq!(kept.successors(graph.node_count()), &[] as &[u32]);
    }

    #[test]
    fn the_order_of_edges_does_not_matter(graph in graphs(), root in any::<u32>()) {
        let root = root % graph.node_count();
        let mut turned = graph.clone();
        turned.0.iter_mut().for_each(|list| list.reverse());
        let one = Dominators::of(&graph, root, &NoWatch).unwrap();
        same(&one, &Dominators::of(&turned, root, &NoWatch).unwrap());
    }
}

#[test]
fn what_cannot_be_is_an_error() {
    let stray = Lists(vec![vec![1], vec![0, 7]]);
    let no_node = GraphError::NoSuchNode {
        from: 1,
        to: 7,
        nodes: 2,
    };
    assert_eq!(Csr::of(&stray).unwrap_err(), no_node);
    assert_eq!(Dominators::of(&stray, 0, &NoWatch).unwrap_err(), no_node);
    assert_eq!(super::Paths::of(&stray, 0, &NoWatch).unwrap_err(), no_node);
    assert_eq!(heads(&stray, |_| false, &NoWatch).unwrap_err(), no_node);
    let no_root = GraphError::NoRoot { root: 2, nodes: 2 };
    assert_eq!(Dominators::of(&stray, 2, &NoWatch).unwrap_err(), no_root);
    assert_eq!(super::Paths::of(&stray, 2, &NoWatch).unwrap_err(), no_root);
    assert_eq!(GraphError::check_nodes(7), Ok(7));
    assert_eq!(GraphError::check_nodes(MAX_NODES.into()), Ok(MAX_NODES));
    for nodes in [u64::from(MAX_NODES) + 1, u64::MAX] {
        let error = GraphError::check_nodes(nodes).unwrap_err();
        assert_eq!(error, GraphError::TooManyNodes { nodes });
        assert!(error.to_string().contains(&nodes.to_string()), "{error}");
    }
}

/// Pretends to have more nodes than there may be.
struct Endless;

impl Edges for Endless {
    fn node_count(&self) -> u32 {
        u32::MAX
    }

    fn each(&self, _: u32, _: impl FnMut(u32)) {
        unreachable!("the number of nodes is looked at first");
    }
}

#[test]
fn too_many_nodes_are_refused_before_anything_is_allocated() {
    let nodes = u32::MAX.into();
    let expected = GraphError::TooManyNodes { nodes };
    assert_eq!(Csr::of(&Endless).unwrap_err(), expected);
    assert_eq!(Dominators::of(&Endless, 0, &NoWatch).unwrap_err(), expected);
    assert_eq!(
        super::Paths::of(&Endless, 0, &NoWatch).unwrap_err(),
        expected
    );
    assert_eq!(heads(&Endless, |_| false, &NoWatch).unwrap_err(), expected);
}

/// Gives other edges each time.
struct Shifty(Cell<u32>);

impl Edges for Shifty {
    fn node_count(&self) -> u32 {
        40
    }

    fn each(&self, node: u32, mut visit: impl FnMut(u32)) {
        for _ in 0..node % 4 {
            let next = self
                .0
                .get()
                .wrapping_mul(1_664_525)
                .wrapping_add(1_013_904_223);
            self.0.set(next);
            visit((next >> 16) % 40);
        }
    }
}

#[test]
fn edges_that_change_under_way_break_nothing() {
    for seed in 0..500 {
        let graph = Shifty(Cell::new(seed));
        let tree = Dominators::of(&graph, 3, &NoWatch).unwrap();
        retained(&tree, |_| 1);
        heads(&graph, |node| tree.is_reachable(node), &NoWatch).unwrap();
        super::shortest_paths(&graph, 3, 5, 9, &NoWatch).unwrap();
    }
}

#[test]
fn sums_stop_at_the_most_there_is() {
    let chain = Lists(vec![vec![1], vec![2], vec![]]);
    let tree = Dominators::of(&chain, 0, &NoWatch).unwrap();
    assert_eq!(retained(&tree, |_| u64::MAX), [u64::MAX; 3]);
    // One more than what the narrow way can tell, by one size and by a sum.
    for (size, root) in [
        (1 << 35, 3 << 35),
        ((1 << 35) - 8, (3 << 35) - 24),
        (u64::MAX - 7, u64::MAX),
    ] {
        let kept = Retained::of(&tree, |_| size);
        assert_eq!([kept.get(2), kept.get(0)], [size, root]);
    }
    // By what two children have together.
    let fork = Lists(vec![vec![1, 2], vec![], vec![]]);
    let two = Dominators::of(&fork, 0, &NoWatch).unwrap();
    let kept = Retained::of(&two, |node| if node == 0 { 8 } else { 1 << 34 });
    assert_eq!([kept.get(1), kept.get(0)], [1 << 34, (1 << 35) + 8]);
    let by_class = retained_by_class(&tree, |_| Some(0), 1, |_| u64::MAX);
    assert_eq!(by_class, [u64::MAX]);
}

/// Ends the work the nth time it is asked.
struct Impatient(Cell<u32>);

impl Watch for Impatient {
    fn at(&self, _: &'static str, done: u64, total: u64) {
        assert!(done <= total, "{done} of {total}");
    }

    fn interrupted(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left == 0
    }
}

#[test]
fn an_interrupt_ends_each_phase() {
    // All ways are there: edges back, a chain to climb, more than 65536 nodes.
    let nodes = 100_000u32;
    let graph = large::made(nodes, |node, visit| {
        visit(if node + 1 < nodes { node + 1 } else { 0 });
        visit(node / 2);
    });
    let mut asked = 0;
    loop {
        match Dominators::of(&graph, 0, &Impatient(Cell::new(asked))) {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, GraphError::Interrupted(_)), "{error}"),
        }
        asked += 1;
    }
    assert!(asked > 20, "only {asked} looks");
    let now = || Impatient(Cell::new(3));
    assert!(Csr::watched(&graph, &now()).is_err());
    assert!(super::Paths::of(&graph, 0, &now()).is_err());
    assert!(super::predecessors(&graph, 0, &now()).is_err());
    assert!(super::shortest_paths(&graph, 0, nodes - 1, 9, &now()).is_err());
    assert!(heads(&graph, |_| false, &now()).is_err());
}
