//! How much memory the dominators of a graph take. A program of its own with a single test, so that
//! nothing else takes any meanwhile.
#![cfg(target_os = "linux")]

use goheap_analysis::NoWatch;
use goheap_analysis::graph::{Dominators, Edges, Retained, retained, retained_by_class};

/// A chain, with edges from each node to others, forwards or backwards.
struct Graph {
    nodes: u32,
    others: u32,
    back: bool,
}

impl Edges for Graph {
    fn node_count(&self) -> u32 {
        self.nodes
    }

    fn each(&self, node: u32, mut visit: impl FnMut(u32)) {
        if node + 1 < self.nodes {
            visit(node + 1);
        }
        for step in 0..self.others {
            let far = node.wrapping_mul(2_654_435_761).wrapping_add(step) % 100_000;
            visit(if self.back {
                node.saturating_sub(far)
            } else {
                (node + far).min(self.nodes - 1)
            });
        }
    }
}

/// A field of /proc/self/status, in bytes.
fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib: u64 = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|kib| kib.parse().ok())
        .unwrap();
    kib * 1024
}

/// The most memory that the work takes at once, beside what there was before.
fn peak<T>(work: impl FnOnce() -> T) -> (u64, T) {
    // Documentation/filesystems/proc.rst: 5 sets the peak to what there is now.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    let result = work();
    (status("VmHWM:").saturating_sub(before), result)
}

#[test]
fn memory_is_what_is_promised() {
    const SLACK: u64 = 2 << 20;
    // Each array is beyond 32 MiB, so that the allocator gives it back to the kernel.
    let nodes = 9_000_000;
    for (others, back) in [(0, false), (1, true), (3, true)] {
        let graph = Graph {
            nodes,
            others,
            back,
        };
        let mut edges = 0u64;
        (0..nodes).for_each(|node| graph.each(node, |_| edges += 1));
        let (most, tree) = peak(|| Dominators::of(&graph, 0, &NoWatch).unwrap());
        println!(
            "{edges} edges: {:.2} bytes a node",
            most as f64 / f64::from(nodes)
        );
        assert_eq!(tree.reachable_count(), nodes);
        // What the head of `graph` says.
        let promised = u64::from(nodes) * 20 + edges * 13 / 2 + SLACK;
        assert!(most <= promised, "{others} {back}: {most} of {promised}");
        // Were it much less, the measuring would be wrong.
        assert!(most >= u64::from(nodes) * 16, "{others} {back}: {most}");
        let (most, _) = peak(|| retained(&tree, |_| 1));
        assert!(most <= u64::from(nodes) * 8 + SLACK, "{most}");
        let (most, _) = peak(|| Retained::of(&tree, |_| 8));
        assert!(most <= u64::from(nodes) * 4 + SLACK, "{most}");
        let (most, _) = peak(|| retained_by_class(&tree, |node| Some(node % 9), 9, |_| 1));
        assert!(most <= SLACK, "{most}");
    }
}
