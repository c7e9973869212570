//! Paths against brute force.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Lists, graphs};
use crate::NoWatch;
use crate::graph::{Edges, Paths, predecessors, shortest_paths};

impl Lists {
    /// How far each node is from the root without `without`, found by looking at all edges again and
    /// again.
    fn distances(&self, root: u32, without: Option<u32>) -> Vec<Option<u32>> {
        let mut distance: Vec<Option<u32>> = vec![None; self.0.len()];
        if Some(root) != without {
            distance[root as usize] = Some(0);
        }
        for _ in self.nodes() {
            for from in self.nodes() {
                for to in &self.0[from as usize] {
                    if let Some(here) = distance[from as usize]
                        && Some(*to) != without
                        && distance[*to as usize].is_none_or(|there| there > here + 1)
                    {
                        distance[*to as usize] = Some(here + 1);
                    }
                }
            }
        }
        distance
    }

    fn leads(&self, from: u32, to: u32) -> bool {
        self.0[from as usize].contains(&to)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn each_path_is_one_of_the_shortest(graph in graphs(), root in any::<u32>()) {
        let root = root % graph.node_count();
        let paths = Paths::of(&graph, root, &NoWatch).unwrap();
        let distances = graph.distances(root, None);
        for node in graph.nodes() {
            let distance = distances[node as usize];
            prop_assert_eq!(paths.distance(node), distance);
            let path = paths.path_to(node);
            let Some(distance) = distance else {
                prop_assert_eq!(paths.parent(node), None);
                prop_assert!(path.is_empty());
                continue;
            };
            prop_assert_eq!(path.len() as u32, distance + 1);
            prop_assert_eq!((path[0], path[path.len() - 1]), (root, node));
            prop_assert!(path.windows(2).all(|pair| graph.leads(pair[0], pair[1])));
            // The predecessor with the lowest number.
            let lowest = graph.nodes().find(|from| {
                graph.leads(*from, node) && distances[*from as usize].is_some_and(|at| at + 1 == distance)
            });
            prop_assert_eq!(paths.parent(node), lowest);
        }
    }

    #[test]
    fn paths_to_one_node_come_by_all_that_lead_to_it(
        graph in graphs(),
        root in any::<u32>(),
        node in any::<u32>(),
        most in 0..6usize,
    ) {
        let (root, node) = (root % graph.node_count(), node % graph.node_count());
        let found = shortest_paths(&graph, root, node, most, &NoWatch).unwrap();
        if node == root {
            prop_assert_eq!(found, if most == 0 { vec![] } else { vec![vec![root]] });
            return Ok(());
        }
        let without = graph.distances(root, Some(node));
        let mut expected: Vec<(u32, u32)> = graph
            .nodes()
            .filter(|from| graph.leads(*from, node))
            .filter_map(|from| without[from as usize].map(|distance| (distance, from)))
            .collect();
        expected.sort_unstable();
        expected.truncate(most);
        let by: Vec<(u32, u32)> = found
            .iter()
            .map(|path| (path.len() as u32 - 2, path[path.len() - 2]))
            .collect();
        prop_assert_eq!(by, expected);
        for path in &found {
            prop_assert_eq!((path[0], path[path.len() - 1]), (root, node));
            prop_assert!(path.windows(2).all(|pair| graph.leads(pair[0], pair[1])));
            prop_assert_eq!(path.iter().collect::<BTreeSet<_>>().len(), path.len());
        }
    }

    #[test]
    fn predecessors_are_found(graph in graphs()) {
        for node in graph.nodes() {
            let expected: Vec<u32> =
                graph.nodes().filter(|from| graph.leads(*from, node)).collect();
            prop_assert_eq!(predecessors(&graph, node, &NoWatch).unwrap(), expected);
        }
    }
}
