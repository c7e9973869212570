//! Goroutines that wait for ever: for what nobody who can still run leads to.
//!
//! The rule is that of Go's own goroutine leak profile (runtime/mgc.go, go1.26:
//! `findGoroutineLeaks`, `isMaybeRunnable`; runtime/mgcmark.go: `internalBlocked`): all goroutines that
//! wait for a channel or for something of package sync are left out of the roots at first. One whose
//! channel, mutex, condition or wait group is reachable all the same (or is no object of the heap, so
//! that anybody may know it) may run again, and its stack becomes a root; and so on, until none is
//! added. The rest are leaked. The pointers by which the runtime itself knows what a goroutine waits
//! for do not count as a way to it (`setSyncObjectsUntraceable`).
//!
//! Go does that while it collects, from 1.26 on. Here it is done for any dump whose layouts of
//! `runtime.g` and `runtime.sudog` are known.

mod waits;

use std::collections::HashMap;

use crate::dump::{Dump, ObjectId};
use crate::nodes::{NodeKind, Nodes};
use crate::{Interrupted, Watch};

use waits::{Finder, Wait};

/// Which goroutines wait for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leaks {
    /// Their places in [`Dump::goroutines`], ascending. The main goroutine in a `select` without cases
    /// is not among them: programs end `main` like that on purpose.
    pub leaked: Vec<u32>,
    /// Those of which it cannot be told what they wait for; they count as such that may run.
    pub undecided: Vec<u32>,
    /// For each of `leaked` what it waits for: addresses of channels, mutexes, conditions and wait
    /// groups. None for those that wait for nothing at all (nil channels, `select {}`).
    pub waits_for: Vec<Vec<u64>>,
    /// Why nothing could be told at all.
    pub unknown: Option<&'static str>,
}

impl Leaks {
    /// Finds the goroutines of a dump that wait for ever.
    ///
    /// Takes a bit, and at most four bytes, an object.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(dump: &Dump, nodes: &Nodes, watch: &dyn Watch) -> Result<Leaks, Interrupted> {
        let finder = Finder::new(dump);
        let waits = finder.waits();
        let mut leaks = Leaks {
            unknown: finder.unknown(),
            ..Leaks::default()
        };
        if waits.iter().all(|wait| *wait == Wait::Not) {
            return Ok(leaks);
        }
        let mut mark = Mark {
            dump,
            nodes,
            watch,
            marked: vec![0; (dump.object_count() as usize).div_ceil(64)],
            hidden: finder.hidden(&waits),
            awaited: HashMap::new(),
            work: Vec::new(),
            runs: vec![false; waits.len()],
            done: 0,
        };
        let mut may_run = Vec::new();
        for (wait, goroutine) in waits.iter().zip(0u32..) {
            match wait {
                Wait::Not => may_run.push(goroutine),
                Wait::Unknown => {
                    leaks.undecided.push(goroutine);
                    may_run.push(goroutine);
                }
                Wait::Never => {}
                Wait::On(all) => {
                    let objects: Option<Vec<ObjectId>> = all
                        .iter()
                        .map(|at| dump.find(*at).map(|(object, _)| object))
                        .collect();
                    match objects {
                        // Outside of the heap: a global variable's, for instance.
                        None => may_run.push(goroutine),
                        Some(objects) => {
                            for object in objects {
                                mark.awaited.entry(object.0).or_default().push(goroutine);
                            }
                        }
                    }
                }
            }
        }
        mark.roots()?;
        for goroutine in may_run {
            mark.run(goroutine)?;
        }
        for (wait, goroutine) in waits.into_iter().zip(0u32..) {
            let runs = mark.runs.get(goroutine as usize) == Some(&true);
            if runs || waits::is_main_in_empty_select(dump, goroutine) {
                continue;
            }
            leaks.leaked.push(goroutine);
            leaks.waits_for.push(match wait {
                Wait::On(all) => all,
                _ => Vec::new(),
            });
        }
        Ok(leaks)
    }

    /// Whether the goroutine of that place waits for ever.
    pub fn is_leaked(&self, goroutine: u32) -> bool {
        self.leaked.binary_search(&goroutine).is_ok()
    }

    /// What a leaked goroutine waits for.
    pub fn waits_for(&self, goroutine: u32) -> &[u64] {
        match self.leaked.binary_search(&goroutine) {
            Ok(index) => self.waits_for.get(index).map_or(&[], Vec::as_slice),
            Err(_) => &[],
        }
    }
}

/// Marks what can be reached without those who wait.
struct Mark<'a> {
    dump: &'a Dump,
    nodes: &'a Nodes,
    watch: &'a dyn Watch,
    /// A bit for each object.
    marked: Vec<u64>,
    /// Words that are no way to what a goroutine waits for: those of `runtime.sudog`, by object.
    hidden: HashMap<u32, u64>,
    /// Who waits for an object.
    awaited: HashMap<u32, Vec<u32>>,
    /// Objects that were marked, and not looked into yet. Each gets in once.
    work: Vec<u32>,
    /// Goroutines whose stacks are roots.
    runs: Vec<bool>,
    done: u64,
}

const PHASE: &str = "looking for goroutines that wait for ever";

impl Mark<'_> {
    /// All roots that are of no goroutine.
    fn roots(&mut self) -> Result<(), Interrupted> {
        let mut of_goroutine = vec![false; self.dump.roots().len()];
        for goroutine in 0..self.dump.goroutines().len() as u32 {
            for root in self.nodes.roots_of_goroutine(goroutine) {
                if let Some(of) = of_goroutine.get_mut(*root as usize) {
                    *of = true;
                }
            }
        }
        for (of_goroutine, root) in of_goroutine.into_iter().zip(0u32..) {
            if !of_goroutine {
                self.root(root);
            }
        }
        self.drain()
    }

    /// A goroutine may run: what it leads to can be reached.
    fn run(&mut self, goroutine: u32) -> Result<(), Interrupted> {
        self.start(goroutine);
        self.drain()
    }

    fn start(&mut self, goroutine: u32) {
        match self.runs.get_mut(goroutine as usize) {
            Some(runs) if !*runs => *runs = true,
            _ => return,
        }
        let nodes = self.nodes;
        for root in nodes.roots_of_goroutine(goroutine) {
            self.root(*root);
        }
    }

    fn root(&mut self, root: u32) {
        let node = self.nodes.id(NodeKind::Root(root));
        let mut found = Vec::new();
        self.nodes.each(self.dump, node.0, &mut |to| found.push(to));
        for to in found {
            self.mark(to);
        }
    }

    #[inline]
    fn mark(&mut self, object: u32) {
        let Some(word) = self.marked.get_mut(object as usize / 64) else {
            return;
        };
        let bit = 1 << (object % 64);
        if *word & bit == 0 {
            *word |= bit;
            self.work.push(object);
        }
    }

    fn drain(&mut self) -> Result<(), Interrupted> {
        let total = u64::from(self.dump.object_count());
        while let Some(object) = self.work.pop() {
            self.done += 1;
            if self.done.is_multiple_of(1 << 16) {
                self.watch.step(PHASE, self.done, total)?;
            }
            let hidden = self.hidden.get(&object).copied();
            let dump = self.dump;
            dump.each_pointer(ObjectId(object), |offset, target| {
                if hidden != Some(offset)
                    && let Some((to, _)) = dump.find(target)
                {
                    self.mark(to.0);
                }
            });
            for goroutine in self.awaited.remove(&object).unwrap_or_default() {
                self.start(goroutine);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
