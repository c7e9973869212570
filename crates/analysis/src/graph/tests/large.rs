//! Graphs of many nodes: nothing recurses, nothing is quadratic, and buckets beyond the first are
//! right.

use super::{all_ways, same};
use crate::NoWatch;
use crate::graph::{Csr, Dominators, Edges, Paths, heads, retained, retained_by_class};

/// Edges that are worked out when asked for.
pub(super) struct Made<F>(u32, F);

/// So many nodes, and what shows where each leads.
pub(super) fn made<F: Fn(u32, &mut dyn FnMut(u32))>(nodes: u32, each: F) -> Made<F> {
    Made(nodes, each)
}

impl<F: Fn(u32, &mut dyn FnMut(u32))> Edges for Made<F> {
    fn node_count(&self) -> u32 {
        self.0
    }

    fn each(&self, node: u32, mut visit: impl FnMut(u32)) {
        (self.1)(node, &mut visit);
    }
}

/// The immediate dominators, `u32::MAX` for the root and what is not reachable, by another method:
/// until nothing changes, each is the nearest common one of all that lead to it (Cooper, Harvey,
/// Kennedy: *A Simple, Fast Dominance Algorithm*, 2001).
fn iterated(graph: &Csr, root: u32) -> Vec<u32> {
    let nodes = graph.node_count() as usize;
    let into = graph.reversed().unwrap();
    let mut post = vec![u32::MAX; nodes];
    let mut order = Vec::new();
    let mut seen = vec![false; nodes];
    let mut stack = vec![(root, 0)];
    seen[root as usize] = true;
    while let Some((node, next)) = stack.last_mut() {
        match graph.successors(*node).get(*next) {
            Some(to) => {
                *next += 1;
                if !std::mem::replace(&mut seen[*to as usize], true) {
                    stack.push((*to, 0));
                }
            }
            None => {
                post[*node as usize] = order.len() as u32;
                order.push(*node);
                stack.pop();
            }
        }
    }
    let mut idom = vec![u32::MAX; nodes];
    idom[root as usize] = root;
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for node in order.iter().rev().filter(|node| **node != root) {
            let known = into
                .successors(*node)
                .iter()
                .copied()
                .filter(|from| idom[*from as usize] != u32::MAX);
            let above = known
                .reduce(|mut one, mut other| {
                    while one != other {
                        if post[one as usize] < post[other as usize] {
                            one = idom[one as usize];
                        } else {
                            other = idom[other as usize];
                        }
                    }
                    one
                })
                .unwrap();
            if std::mem::replace(&mut idom[*node as usize], above) != above {
                changed = true;
            }
        }
    }
    idom[root as usize] = u32::MAX;
    idom
}

/// A random number from two.
fn mixed(node: u32, salt: u32) -> u32 {
    let mut at = u64::from(node) << 32 | u64::from(salt);
    at = (at ^ at >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    at = (at ^ at >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (at ^ at >> 33) as u32
}

#[test]
fn hundreds_of_thousands_of_random_nodes() {
    for (nodes, degree, near) in [
        (200_000, 1, false),
        (200_000, 2, false),
        (150_000, 3, true),
        (70_000, 8, false),
        (65_536, 2, true),
        (65_537, 2, true),
    ] {
        let graph = Csr::of(&made(nodes, |node, visit| {
            for edge in 0..degree + (node == 0) as u32 * 1000 {
                let to = mixed(node, edge);
                visit(if near && edge > 0 {
                    (node + to % 100).saturating_sub(50).min(nodes - 1)
                } else {
                    to % nodes
                });
            }
        }))
        .unwrap();
        let expected = iterated(&graph, 0);
        for tree in all_ways(&graph, 0) {
            assert!(tree.reachable_count() > 1000);
            for node in 0..nodes {
                let idom = tree.idom(node).unwrap_or(u32::MAX);
                assert_eq!(idom, expected[node as usize], "{nodes} {degree} {node}");
            }
        }
    }
}

#[test]
fn a_chain_of_millions() {
    let nodes = 3_000_000;
    // With a way back from each, and one from the end to the middle.
    let graph = made(nodes, |node, visit| {
        if node + 1 < nodes {
            visit(node + 1);
        } else {
            visit(nodes / 2);
        }
        visit(node.saturating_sub(1));
    });
    let tree = Dominators::of(&graph, 0, &NoWatch).unwrap();
    assert!((1..nodes).all(|node| tree.idom(node) == Some(node - 1)));
    let sums = retained(&tree, |_| 8);
    assert!((0..nodes).all(|node| sums[node as usize] == u64::from(nodes - node) * 8));
    let by_class = retained_by_class(&tree, |node| Some(node % 3), 3, |_| 1);
    assert_eq!(by_class, [0, 1, 2].map(|first| u64::from(nodes - first)));
    let paths = Paths::of(&graph, 0, &NoWatch).unwrap();
    assert_eq!(paths.distance(nodes - 1), Some(nodes - 1));
    assert!(paths.path_to(nodes - 1).into_iter().eq(0..nodes));
    // All of it as garbage; from the end of the chain, all leads to all.
    assert_eq!(heads(&graph, |_| false, &NoWatch).unwrap(), [0]);
}

#[test]
fn a_star_of_millions() {
    let nodes = 3_000_000;
    let graph = made(nodes, |node, visit| match node {
        0 => (1..nodes).for_each(visit),
        _ => visit(0),
    });
    let tree = Dominators::of(&graph, 0, &NoWatch).unwrap();
    assert_eq!(tree.children(0).count(), nodes as usize - 1);
    let largest = tree.largest_children(0, 3, |node| u64::from(node % 1000));
    assert_eq!(largest, [999, 1999, 2999]);
    let none = heads(&graph, |node| tree.is_reachable(node), &NoWatch).unwrap();
    assert!(none.is_empty());
}

/// Most edges lead back to one node, more of them than are sorted at once.
#[test]
fn a_target_that_most_edges_lead_to() {
    let nodes = 20_000u32;
    let graph = made(nodes, |node, visit| {
        if node + 1 < nodes {
            visit(node + 1);
        }
        visit(if node % 3 == 0 {
            node / 2
        } else {
            100.min(node)
        });
        if node == 50 {
            visit(150);
        }
    });
    let expected = iterated(&Csr::of(&graph).unwrap(), 0);
    for tree in all_ways(&graph, 0) {
        assert!(
            (0..nodes).all(|node| tree.idom(node).unwrap_or(u32::MAX) == expected[node as usize])
        );
    }
}

/// A list that ends in what is shared: to climb up the list for each of those would take hours.
#[test]
fn what_hangs_below_a_long_list_and_is_shared() {
    let (list, shared) = (1_000_000u32, 1_000_000u32);
    let nodes = 1 + list + shared + 1;
    let index = nodes - 1;
    let graph = made(nodes, |node, visit| {
        if node == 0 {
            // The list first, and after it an index of what its end leads to.
            visit(1);
            visit(index);
        } else if node < list {
            visit(node + 1);
        } else if node == list || node == index {
            (list + 1..index).for_each(visit);
        }
    });
    let tree = Dominators::of(&graph, 0, &NoWatch).unwrap();
    assert!((list + 1..=index).all(|node| tree.idom(node) == Some(0)));
    assert!((2..=list).all(|node| tree.idom(node) == Some(node - 1)));
}

#[test]
fn a_graph_and_its_rows_have_the_same_tree() {
    let nodes = 300_000;
    let graph = made(nodes, |node, visit| {
        (0..mixed(node, 9) % 4).for_each(|edge| visit(mixed(node, edge) % nodes));
        (node % 1000 == 0 && node + 1000 < nodes).then(|| visit(node + 1000));
    });
    let rows = Csr::of(&graph).unwrap();
    let tree = Dominators::of(&graph, 0, &NoWatch).unwrap();
    assert!(tree.reachable_count() > nodes / 2);
    same(&tree, &Dominators::of(&rows, 0, &NoWatch).unwrap());
}
