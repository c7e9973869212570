//! Graphs like those of large heaps: how long dominators and the rest take, and how much anonymous
//! memory at most.
//!
//! ```sh
//! cargo run --release -p goheap-analysis --example graph_bench -- [SHAPE|all] [NODES] [rows]
//! ```
//!
//! Shapes: `linked`, `trees`, `tables`, `indexes`, `random`. Edges are worked out when asked for, so
//! all memory is that of the algorithms; with `rows` they are kept first, and their memory counts too.
//! Memory is `RssAnon` of `/proc/self/status` (Linux), taken every 5 ms: the most in each phase, less
//! what there was at the beginning. Times are of this thread: wall and CPU.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use goheap_analysis::Watch;
use goheap_analysis::graph::{
    Csr, Dominators, Edges, Paths, heads, retained, retained_by_class, shortest_paths,
};

const SHAPES: [&str; 5] = ["linked", "trees", "tables", "indexes", "random"];

/// A graph that is worked out: the last node is the root.
struct Shape {
    name: &'static str,
    nodes: u32,
}

impl Shape {
    /// Two lists through everything, as in the testkit's program `linked`: three small objects to
    /// each large one, which lie in spans of their own. The small ones have a next and a large one,
    /// those a next and a small one.
    fn linked(&self, node: u32, mut visit: impl FnMut(u32)) {
        const TURN: u32 = 680;
        const SMALL: u32 = TURN / 4 * 3;
        // From an object's turn at being made to its number, and back.
        let number = |made: u32| {
            let (turn, at) = (made / TURN, made % TURN);
            turn * TURN
                + if at % 4 == 3 {
                    SMALL + at / 4
                } else {
                    at / 4 * 3 + at % 4
                }
        };
        let all = (self.nodes - 1) / TURN * TURN;
        let mut to = |made: Option<u32>| made.map(number).into_iter().for_each(&mut visit);
        if node == self.nodes - 1 {
            to(all.checked_sub(2));
            to(all.checked_sub(1));
        } else if node < all {
            let (turn, at) = (node / TURN * TURN, node % TURN);
            if at < SMALL {
                let made = turn + at / 3 * 4 + at % 3;
                to(made.checked_sub(if at % 3 == 0 { 2 } else { 1 }));
                to((made / 4 * 4).checked_sub(1));
            } else {
                let made = turn + (at - SMALL) * 4 + 3;
                to(made.checked_sub(4));
                to(made.checked_sub(1));
            }
        }
    }

    /// Binary trees of a million nodes, left before right, each node with a way to its parent.
    fn trees(&self, node: u32, mut visit: impl FnMut(u32)) {
        const NODES: u32 = (1 << 20) - 1;
        if node == self.nodes - 1 {
            return (0..self.nodes - 1).step_by(NODES as usize).for_each(visit);
        }
        let mut top = node / NODES * NODES;
        let (mut size, mut parent) = (NODES, None);
        while top != node {
            parent = Some(top);
            size /= 2;
            top += if node - top > size { 1 + size } else { 1 };
        }
        parent.into_iter().for_each(&mut visit);
        if size > 1 {
            [top + 1, top + 1 + size / 2]
                .into_iter()
                .filter(|to| *to < self.nodes - 1)
                .for_each(visit);
        }
    }

    /// Tables of a thousand slots; each leads to an entry anywhere in the heap, that to the next of
    /// two and to its value, and that to one of a hundred things that all share.
    fn tables(&self, node: u32, mut visit: impl FnMut(u32)) {
        const SLOTS: u64 = 1000;
        let entries = u64::from((self.nodes - 200) / 5 * 2);
        let tables = (entries / 2).div_ceil(SLOTS);
        let anywhere = |entry: u64| (entry * 7_368_787 % entries) as u32;
        let (entries, node64) = (entries as u32, u64::from(node));
        let first_table = entries * 2;
        let first_shared = first_table + tables as u32;
        if node == self.nodes - 1 {
            (first_table..first_shared).for_each(visit);
        } else if node < entries {
            // Where it comes in the order of slots does not matter: chains of two, by parity.
            if node.is_multiple_of(2) && node + 1 < entries {
                visit(node + 1);
            }
            visit(entries + node);
        } else if node < first_table {
            visit(first_shared + node % 100);
        } else if node < first_shared {
            let slots = (node64 - u64::from(first_table)) * SLOTS;
            (slots..slots + SLOTS)
                .map(|slot| anywhere(slot * 2 % u64::from(entries)))
                .for_each(visit);
        }
    }

    /// Objects of three parts that two large indexes have, one in order and one in none; all lead
    /// back to one owner of a thousand.
    fn indexes(&self, node: u32, mut visit: impl FnMut(u32)) {
        let objects = (self.nodes - 1100) / 4;
        let (parts, first_owner) = (objects, objects * 4);
        let (ordered, unordered) = (first_owner + 1000, first_owner + 1001);
        if node == self.nodes - 1 {
            [ordered, unordered].into_iter().for_each(visit);
        } else if node < objects {
            (0..3).for_each(|part| visit(parts + node * 3 + part));
            visit(first_owner + node % 1000);
        } else if node == ordered {
            (0..objects).for_each(visit);
        } else if node == unordered {
            let anywhere = |at| (u64::from(at) * 7_368_787 % u64::from(objects)) as u32;
            (0..objects).map(anywhere).for_each(visit);
        }
    }

    /// Two edges from each node to anywhere: as bad as it gets.
    fn random(&self, node: u32, mut visit: impl FnMut(u32)) {
        for salt in 1..3u64 {
            let mut at = u64::from(node) + (salt << 40);
            at = (at ^ at >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
            at = (at ^ at >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
            visit((((at >> 32) * u64::from(self.nodes)) >> 32) as u32);
        }
    }
}

impl Edges for Shape {
    fn node_count(&self) -> u32 {
        self.nodes
    }

    #[inline]
    fn each(&self, node: u32, visit: impl FnMut(u32)) {
        match self.name {
            "linked" => self.linked(node, visit),
            "trees" => self.trees(node, visit),
            "tables" => self.tables(node, visit),
            "indexes" => self.indexes(node, visit),
            _ => self.random(node, visit),
        }
    }
}

/// A field of a file of /proc, in KiB.
fn rss_anon() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let field = line.and_then(|line| line.split_whitespace().next());
    field.and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// What this thread has used of a processor.
fn cpu() -> Duration {
    let used = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = used
        .split_whitespace()
        .next()
        .and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

/// Takes the most memory since it was asked last, on a thread of its own.
struct Sampler {
    most: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
}

impl Sampler {
    fn start() -> Sampler {
        let (most, end) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (to, until) = (Arc::clone(&most), Arc::clone(&end));
        std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                to.fetch_max(rss_anon(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Sampler { most, end }
    }

    fn take(&self) -> u64 {
        let now = rss_anon();
        self.most.fetch_max(now, Ordering::Relaxed);
        self.most.swap(now, Ordering::Relaxed)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// Writes a line for each phase.
struct Phases {
    sampler: Sampler,
    at_start: u64,
    running: RefCell<Running>,
}

struct Running {
    phase: &'static str,
    wall: Instant,
    cpu: Duration,
    nodes: u64,
    most: u64,
}

impl Phases {
    fn start(nodes: u32) -> Phases {
        let sampler = Sampler::start();
        Phases {
            sampler,
            at_start: rss_anon(),
            running: RefCell::new(Running {
                phase: "",
                wall: Instant::now(),
                cpu: cpu(),
                nodes: nodes.into(),
                most: 0,
            }),
        }
    }

    fn begin(&self, phase: &'static str) {
        let mut running = self.running.borrow_mut();
        if running.phase == phase {
            return;
        }
        let most = self.sampler.take().saturating_sub(self.at_start) * 1024;
        if !running.phase.is_empty() {
            println!(
                "  {:24} {:8.2} s {:8.2} s CPU {:7.0} MB {:7.2} B/node",
                running.phase,
                running.wall.elapsed().as_secs_f64(),
                cpu().saturating_sub(running.cpu).as_secs_f64(),
                most as f64 / 1e6,
                most as f64 / running.nodes as f64,
            );
        }
        running.phase = phase;
        running.wall = Instant::now();
        running.cpu = cpu();
        running.most = running.most.max(most);
    }
}

impl Watch for Phases {
    fn at(&self, phase: &'static str, _: u64, _: u64) {
        self.begin(phase);
    }

    fn interrupted(&self) -> bool {
        false
    }
}

fn measure(edges: &impl Edges, watch: &Phases) -> Result<(), Box<dyn std::error::Error>> {
    let nodes = edges.node_count();
    let root = nodes - 1;
    let (start, used) = (Instant::now(), cpu());
    let tree = Dominators::of(edges, root, watch)?;
    watch.begin("sums by node");
    let sums = retained(&tree, |_| 36);
    let whole = sums[root as usize];
    drop(sums);
    watch.begin("sums by class");
    let classes = retained_by_class(&tree, |node| Some(node % 500), 500, |_| 36);
    let heads = heads(edges, |node| tree.is_reachable(node), watch)?;
    watch.begin("largest children");
    let widest = tree.largest_children(root, 10, |node| tree.subtree(node).len() as u64);
    watch.begin("end");
    println!(
        "  all of the above {:16.2} s {:8.2} s CPU",
        start.elapsed().as_secs_f64(),
        cpu().saturating_sub(used).as_secs_f64()
    );
    println!(
        "  {} of {nodes} reachable, {whole} bytes, largest class {:?}, {} heads of garbage, {} children",
        tree.reachable_count(),
        classes.iter().max(),
        heads.len(),
        widest.len(),
    );
    let most = watch.running.borrow().most;
    drop(tree);
    watch.begin("finding paths");
    let paths = Paths::of(edges, root, watch)?;
    let farthest = (0..nodes).filter_map(|node| paths.distance(node)).max();
    drop(paths);
    watch.begin("paths to one node");
    let some = shortest_paths(edges, root, nodes / 2, 8, watch)?;
    watch.begin("end");
    println!(
        "  farthest {farthest:?}, {} paths to the middle",
        some.len()
    );
    println!("  peak without paths: {} MB", most / 1_000_000);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let wanted = args.first().map_or("all", String::as_str);
    let nodes: u32 = args.get(1).map_or(Ok(28_000_000), |nodes| nodes.parse())?;
    let rows = args.get(2).is_some_and(|word| word == "rows");
    if nodes < 10_000 {
        return Err("at least 10000 nodes".into());
    }
    for name in SHAPES
        .into_iter()
        .filter(|name| wanted == "all" || wanted == *name)
    {
        let shape = Shape { name, nodes };
        let mut edges = 0u64;
        (0..nodes).for_each(|node| shape.each(node, |_| edges += 1));
        println!("{name}: {nodes} nodes, {edges} edges");
        let watch = Phases::start(nodes);
        if rows {
            let rows = Csr::watched(&shape, &watch)?;
            measure(&rows, &watch)?;
        } else {
            measure(&shape, &watch)?;
        }
    }
    Ok(())
}
