//! What is looked at, and what is worked out of it once, in the background: a page shows what is ready,
//! and says of the rest that it is not.

use std::sync::OnceLock;

use goheap_analysis::answers::Subject;
use goheap_analysis::answers::diff::{Before, Diff};
use goheap_analysis::answers::goroutines::{GoroutineOptions, Goroutines};
use goheap_analysis::answers::ledger::Ledger;
use goheap_analysis::answers::listing::Listing;
use goheap_analysis::answers::search;
use goheap_analysis::answers::suspects::Suspects;
use goheap_analysis::answers::top::{By, Heap, Known, Row, Table, top};
use goheap_analysis::answers::tree::{Branch, TreeOptions, branch, outermost};
use goheap_analysis::answers::waste::Waste;
use goheap_analysis::answers::why::of_class;
use goheap_analysis::graph::Csr;
use goheap_analysis::paths::Holders;
use goheap_analysis::{Analysis, Interrupted, NodeId, NodeKind, Watch};
use goheap_page::site::{Names, Site};

use super::jobs::{Answer, Ask, Job, Jobs};
use crate::error::CommandError;
use crate::examined::{self, Examined};
use crate::live;
use crate::standstill::Told;
use crate::units;

/// How many rows the tables of the first page have.
const FIRST: usize = 12;

/// Branches of the map that hold less than this part of the heap are told as a sum, and so are those
/// beyond so many: what a map of everything takes of memory is bounded by these two.
const PART: u64 = 4000;
const BRANCHES: usize = 64;

/// How deep the map goes.
const DEPTH: usize = 64;

/// How many ways are told of who holds the objects of a type.
const WAYS: usize = 40;

/// How many objects a search for text finds.
const HITS: usize = 200;

/// An answer that is worked out in the background, or why there is none.
pub(super) type Later<T> = OnceLock<Result<T, String>>;

/// What is looked at, with all answers.
pub(super) struct World {
    pub(super) analysis: Analysis,
    pub(super) name: String,
    /// How it was captured.
    pub(super) captured: String,
    pub(super) base: String,
    pub(super) names: Names,
    pub(super) heap: Heap,
    pub(super) known: Known,
    pub(super) no_roots: bool,
    /// All types, and all holders; the largest first.
    pub(super) types: Table,
    pub(super) holders: Table,
    /// The same, as many as the first page has.
    pub(super) first: [Table; 2],
    pub(super) by_type: Branch,
    pub(super) tree: Later<Branch>,
    pub(super) ledger: Later<Ledger>,
    pub(super) suspects: Later<Suspects>,
    pub(super) paths: Later<Holders<'static>>,
    pub(super) listing: Later<Listing>,
    pub(super) referrers: Later<Csr>,
    pub(super) goroutines: Later<Goroutines>,
    pub(super) packages: Later<Table>,
    pub(super) sizes: Later<Table>,
    pub(super) waste: Later<Waste>,
    pub(super) before: Option<(String, Before)>,
    pub(super) diff: Later<Diff>,
    pub(super) jobs: Jobs,
}

impl World {
    /// Works out what the first page shows.
    ///
    /// # Errors
    /// Interrupted.
    pub(super) fn new(
        examined: Examined<Analysis>,
        base: String,
        before: Option<(String, Before)>,
    ) -> Result<World, CommandError> {
        let watch = examined.watch();
        let Examined { of, name, .. } = examined;
        let top = top(&of, &[By::Type, By::Root], usize::MAX, &watch).map_err(examined::ended)?;
        let mut tables = top.tables.into_iter();
        let mut next = |by| {
            tables.next().unwrap_or(Table {
                by,
                rows: Vec::new(),
                rest: Row::default(),
                left_out: 0,
            })
        };
        let (types, holders) = (next(By::Type), next(By::Root));
        let mut names = Names::new();
        for (id, class) in of.types.classes() {
            names.entry(class.name.clone()).or_insert(id);
        }
        Ok(World {
            first: [shortened(&types), shortened(&holders)],
            by_type: goheap_page::views::maps::by_type(&types.rows),
            captured: how(&of),
            analysis: of,
            name,
            base,
            names,
            heap: top.heap,
            known: top.known,
            no_roots: top.roots_missing,
            types,
            holders,
            tree: Later::new(),
            ledger: Later::new(),
            suspects: Later::new(),
            paths: Later::new(),
            listing: Later::new(),
            referrers: Later::new(),
            goroutines: Later::new(),
            packages: Later::new(),
            sizes: Later::new(),
            waste: Later::new(),
            before,
            diff: Later::new(),
            jobs: Jobs::default(),
        })
    }

    /// Starts the threads that work out the rest. They end with the process.
    pub(super) fn start(&'static self) {
        std::thread::spawn(|| {
            // Interrupted: the process ends.
            let _ = self.work();
        });
        std::thread::spawn(|| self.jobs.work(|ask, job| self.answer(ask, job)));
    }

    /// The addresses of the pages.
    pub(super) fn site(&self) -> Site<'_> {
        Site {
            base: &self.base,
            analysis: &self.analysis,
            names: &self.names,
            compared: self.before.is_some(),
        }
    }

    /// The bytes that shares are of.
    pub(super) fn all_bytes(&self) -> u64 {
        match self.no_roots {
            true => self.heap.garbage_bytes,
            false => self.heap.bytes,
        }
    }

    /// Everything that needs a pass over the heap and that pages ask for: first what the first page
    /// shows, then what the next clicks need.
    fn work(&'static self) -> Result<(), Interrupted> {
        let (analysis, watch) = (&self.analysis, &Quiet);
        let table = |by: By| -> Result<Result<Table, String>, Interrupted> {
            let top = top(analysis, &[by], usize::MAX, watch)?;
            Ok(top
                .tables
                .into_iter()
                .next()
                .ok_or_else(|| "there is no such table".to_owned()))
        };
        let all = analysis.nodes.all().0;
        set(
            &self.tree,
            Ok(branch(
                analysis,
                &[all],
                None,
                &options(self.heap.bytes),
                watch,
            )?),
        );
        set(&self.ledger, Ok(Ledger::of(analysis, watch)?));
        let goroutines = Goroutines::of(analysis, GoroutineOptions::default(), watch)?;
        set(
            &self.suspects,
            Ok(Suspects::of(analysis, &goroutines, None, watch)?),
        );
        set(&self.goroutines, Ok(goroutines));
        set(&self.paths, Ok(Holders::of(analysis, watch)?));
        set(&self.listing, Ok(Listing::of(analysis, watch)?));
        let referrers = match Csr::reverse_of(&analysis.edges(), watch) {
            Err(goheap_analysis::graph::GraphError::Interrupted(interrupted)) => {
                return Err(interrupted);
            }
            referrers => referrers.map_err(|error| error.to_string()),
        };
        set(&self.referrers, referrers);
        set(&self.packages, table(By::Package)?);
        set(&self.sizes, table(By::Size)?);
        set(&self.waste, Ok(Waste::of(analysis, watch)?));
        if let Some((_, before)) = &self.before {
            set(&self.diff, Ok(before.diff(analysis, watch)?));
        }
        Ok(())
    }

    fn answer(&'static self, ask: &Ask, job: &Job) -> Result<Result<Answer, String>, Interrupted> {
        let analysis = &self.analysis;
        Ok(Ok(match ask {
            Ask::Text(text) => Answer::Text(search::bytes(analysis, text.as_bytes(), HITS, job)?),
            Ask::Under(subject) => {
                let (nodes, name) = match subject {
                    Subject::Node(node) => (vec![node.0], None),
                    Subject::Class(class) => {
                        let name = analysis.types.class(*class);
                        let name = name.map_or(String::new(), |class| class.name.clone());
                        (outermost(analysis, &[*class]), Some(name))
                    }
                };
                let retained = nodes.iter().fold(0u64, |sum, node| {
                    sum.saturating_add(analysis.retained_of(NodeId(*node)))
                });
                Answer::Under(branch(analysis, &nodes, name, &options(retained), job)?)
            }
            Ask::Why(class) => {
                let holders = loop {
                    match self.paths.get() {
                        Some(Ok(holders)) => break holders,
                        Some(Err(why)) => return Ok(Err(why.clone())),
                        None if job.interrupted() => return Err(Interrupted),
                        None => std::thread::sleep(std::time::Duration::from_millis(20)),
                    }
                };
                let name = analysis.types.class(*class);
                let name = name.map_or("", |class| class.name.as_str());
                Answer::Why(of_class(analysis, holders, name, &[*class], WAYS, job)?)
            }
        }))
    }

    /// What is told of the group that a node is, once goroutines are ready.
    pub(super) fn group_of(
        &self,
        node: NodeId,
    ) -> Option<&goheap_analysis::answers::goroutines::GoroutineGroup> {
        let NodeKind::Group(group) = self.analysis.nodes.kind(node) else {
            return None;
        };
        let group = self.analysis.nodes.groups().get(group as usize)?;
        let goroutines = self.goroutines.get()?.as_ref().ok()?;
        let first = group.goroutines.first();
        goroutines
            .groups
            .iter()
            .find(|of| of.goroutines.first() == first)
    }
}

/// How a map is cut.
fn options(retained: u64) -> TreeOptions {
    TreeOptions {
        depth: DEPTH,
        min: Some((retained / PART).max(1)),
        branches: BRANCHES,
    }
}

fn set<T>(later: &Later<T>, answer: Result<T, String>) {
    // Nobody else sets it.
    let _ = later.set(answer);
}

/// The beginning of a table; what is left out is counted.
fn shortened(of: &Table) -> Table {
    let mut table = Table {
        by: of.by,
        rows: of.rows.iter().take(FIRST).cloned().collect(),
        rest: of.rest.clone(),
        left_out: of.left_out,
    };
    for row in of.rows.iter().skip(FIRST) {
        table.left_out += 1;
        table.rest.count += row.count;
        table.rest.shallow = table.rest.shallow.saturating_add(row.shallow);
        if of.by != By::Type {
            table.rest.retained = table.rest.retained.saturating_add(row.retained);
        }
    }
    table
}

/// Version, time and manner of the capture, as far as the dump tells, and its gaps.
fn how(analysis: &Analysis) -> String {
    let dump = &analysis.dump;
    let mut said = vec![dump.params().go_version.clone()];
    let digest = dump.notes().digest.as_ref();
    if let Some(capture) = digest.and_then(|digest| digest.capture.as_ref()) {
        if capture.unix_ns > 0 {
            said.push(format!("captured {}", units::utc(capture.unix_ns)));
        }
        if let Some(stood_still) = Told(capture).stood_still() {
            said.push(format!("it stood still for {stood_still}"));
        }
    }
    let gaps = digest.map_or(0, |digest| digest.gaps.len() as u64);
    if gaps > 0 {
        said.push(format!(
            "{} in the capture (goheap info tells them)",
            units::counted(gaps, "gap")
        ));
    }
    said.join(" · ")
}

/// Ends when the process is to end.
struct Quiet;

impl Watch for Quiet {
    fn at(&self, _: &'static str, _: u64, _: u64) {}

    fn interrupted(&self) -> bool {
        live::stop_requested().is_some()
    }
}
