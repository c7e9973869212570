//! Goroutines by where they stand, and what they alone hold.

use goheap_golang::Structs;

use super::leaked::Leaks;
use super::names::is_of_runtime;
use crate::analysis::Analysis;
use crate::dump::{Dump, Goroutine};
use crate::nodes::NodeKind;
use crate::types::What;
use crate::{Interrupted, Watch};

/// All goroutines of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Goroutines {
    /// How many there are.
    pub count: u64,
    /// Of these, the runtime's own.
    pub system: u64,
    /// Bytes of all their stacks.
    pub stack_bytes: u64,
    /// By stack and wait reason; most bytes first (retained and stacks), then most goroutines.
    pub groups: Vec<GoroutineGroup>,
    /// Who waits for ever.
    pub leaks: Leaks,
    /// From when waits are counted.
    pub clock: Clock,
}

/// From when it is counted how long a goroutine has waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// From the moment of the capture.
    Capture(u64),
    /// From the youngest wait in the dump, for nobody tells when it was captured by that clock: waits
    /// are at least that long.
    Youngest(u64),
    /// Nobody tells of any wait since when it lasts.
    None,
}

/// Goroutines that stand at the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoroutineGroup {
    /// Their places in [`Dump::goroutines`], ascending.
    pub goroutines: Vec<u32>,
    /// Status of the first (`runtime.readgstatus`).
    pub status: u64,
    /// Why they wait; empty if they do not.
    pub wait_reason: String,
    /// How many of them the runtime has started for itself.
    pub system: u64,
    /// How many of them wait for ever.
    pub leaked: u64,
    /// How long they have waited, in nanoseconds: of those of which it is known.
    pub waited: Option<Waited>,
    /// Bytes of objects that only the group's stacks (and what else is of these goroutines) hold.
    pub retained: u64,
    /// Bytes of their stacks.
    pub stack_bytes: u64,
    /// The function whose `go` statement started them, and how many; most first.
    pub created_by: Vec<(String, u64)>,
    /// Functions of the stack of the first, the innermost first.
    pub stack: Vec<String>,
    /// What those wait for that wait for ever: names of classes, each once.
    pub waits_for: Vec<String>,
}

/// How long goroutines have waited, in nanoseconds. The collector notes when it first sees a goroutine
/// wait (runtime/mgcmark.go: `gp.waitsince`), so they have waited somewhat longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// Of how many it is known.
    pub known: u64,
    /// The longest.
    pub longest: u64,
    /// The one in the middle.
    pub median: u64,
}

/// Which goroutines are asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GoroutineOptions {
    /// Only those that wait for ever.
    pub leaked: bool,
}

impl Goroutines {
    /// Groups the goroutines of a dump.
    ///
    /// # Errors
    /// Interrupted.
    pub fn of(
        analysis: &Analysis,
        options: GoroutineOptions,
        watch: &dyn Watch,
    ) -> Result<Goroutines, Interrupted> {
        let dump = &analysis.dump;
        let leaks = Leaks::of(dump, &analysis.nodes, watch)?;
        let clock = Clock::of(dump);
        let stacks = Stacks::of(dump);
        let mut groups = Vec::new();
        for (group, index) in analysis.nodes.groups().iter().zip(0u32..) {
            let all = group.goroutines.len();
            let goroutines: Vec<u32> = group
                .goroutines
                .iter()
                .copied()
                .filter(|goroutine| !options.leaked || leaks.is_leaked(*goroutine))
                .collect();
            if goroutines.is_empty() {
                continue;
            }
            // What a part of a group holds is what each of that part holds.
            let retained = match goroutines.len() == all {
                true => analysis.retained_by(NodeKind::Group(index)),
                false => goroutines
                    .iter()
                    .map(|goroutine| analysis.retained_by(NodeKind::Goroutine(*goroutine)))
                    .fold(0, u64::saturating_add),
            };
            groups.push(GoroutineGroup::of(
                analysis, goroutines, retained, &leaks, clock, &stacks,
            ));
        }
        groups.sort_by_key(|group| {
            (
                std::cmp::Reverse(group.retained.saturating_add(group.stack_bytes)),
                std::cmp::Reverse(group.goroutines.len()),
                group.goroutines.first().copied(),
            )
        });
        let all = || dump.goroutines().iter();
        Ok(Goroutines {
            count: all().count() as u64,
            system: all().filter(|goroutine| goroutine.system).count() as u64,
            stack_bytes: all()
                .map(|goroutine| stacks.bytes(dump, goroutine))
                .fold(0, u64::saturating_add),
            groups,
            leaks,
            clock,
        })
    }
}

impl Clock {
    /// Of a dump.
    pub fn of(dump: &Dump) -> Clock {
        let digest = dump.notes().digest.as_ref();
        let capture = digest.and_then(|digest| digest.capture.as_ref());
        if let Some(now) = capture.and_then(|capture| capture.monotonic_ns) {
            return Clock::Capture(now);
        }
        let waits = dump.goroutines().iter().map(|g| g.waiting_since);
        waits
            .filter(|since| *since != 0)
            .max()
            .map_or(Clock::None, Clock::Youngest)
    }

    /// How long a goroutine has waited, in nanoseconds.
    pub fn waited(self, goroutine: &Goroutine) -> Option<u64> {
        let (Clock::Capture(now) | Clock::Youngest(now)) = self else {
            return None;
        };
        match goroutine.waiting_since {
            0 => None,
            // A clock that it cannot be by: another machine's, or a container's own.
            since => now.checked_sub(since),
        }
    }
}

/// How large stacks are.
#[derive(Debug, Clone, Copy)]
pub struct Stacks {
    /// Where `g.stack` has its ends.
    ends: Option<(u64, u64)>,
}

/// The most that a stack can have (runtime/proc.go: `maxstackceiling`, 2 GB on 64 bits).
const LARGEST_STACK: u64 = 1 << 31;

impl Stacks {
    /// Of a dump.
    pub fn of(dump: &Dump) -> Stacks {
        let structs = Structs::new(&dump.catalogue().layouts);
        let end = |path| structs.offset("runtime.g", path).ok();
        Stacks {
            ends: end("stack.lo").zip(end("stack.hi")),
        }
    }

    /// Bytes of a goroutine's stack: all that it has been given, or where that is not known, its
    /// frames.
    pub fn bytes(&self, dump: &Dump, goroutine: &Goroutine) -> u64 {
        let told = self.ends.and_then(|(lo, hi)| {
            let end = |offset| dump.word(goroutine.address.checked_add(offset)?);
            end(hi)?.checked_sub(end(lo)?)
        });
        told.filter(|bytes| (1..=LARGEST_STACK).contains(bytes))
            .unwrap_or_else(|| {
                let frames = dump.frames().get(goroutine.frames.clone());
                let frames = frames.unwrap_or_default().iter().map(|frame| frame.len);
                frames.fold(0, u64::saturating_add)
            })
    }
}

impl GoroutineGroup {
    /// The function that tells most of where they stand: the innermost that is none of Go's own
    /// packages, else the one that they began with.
    pub fn place(&self) -> &str {
        let named = || self.stack.iter().filter(|name| !name.is_empty());
        let own = named()
            .find(|name| !is_of_runtime(name))
            .or_else(|| named().rfind(|name| *name != "runtime.goexit"));
        own.map_or("no function", String::as_str)
    }
}

/// How many creators, and classes that are waited for, are told of a group.
const MOST_NAMES: usize = 10;

impl GoroutineGroup {
    fn of(
        analysis: &Analysis,
        goroutines: Vec<u32>,
        retained: u64,
        leaks: &Leaks,
        clock: Clock,
        stacks: &Stacks,
    ) -> GoroutineGroup {
        let dump = &analysis.dump;
        let get = |goroutine: &u32| dump.goroutines().get(*goroutine as usize);
        let first = goroutines.first().and_then(get);
        let frames = first.and_then(|first| dump.frames().get(first.frames.clone()));
        let mut waited: Vec<u64> = goroutines
            .iter()
            .filter_map(get)
            .filter_map(|goroutine| clock.waited(goroutine))
            .collect();
        waited.sort_unstable();
        let mut created_by = Counted::default();
        let mut waits_for = Counted::default();
        for goroutine in &goroutines {
            if let Some(name) = get(goroutine).and_then(|goroutine| creator(dump, goroutine)) {
                created_by.add(name.to_owned());
            }
            for at in leaks.waits_for(*goroutine) {
                waits_for.add(class_at(analysis, *at));
            }
        }
        GoroutineGroup {
            status: first.map_or(0, |first| first.status),
            wait_reason: first.map_or(String::new(), |first| first.wait_reason.to_string()),
            system: goroutines
                .iter()
                .filter_map(get)
                .filter(|goroutine| goroutine.system)
                .count() as u64,
            leaked: goroutines
                .iter()
                .filter(|goroutine| leaks.is_leaked(**goroutine))
                .count() as u64,
            waited: waited.last().copied().map(|longest| Waited {
                known: waited.len() as u64,
                longest,
                median: waited.get(waited.len() / 2).copied().unwrap_or(longest),
            }),
            retained,
            stack_bytes: goroutines
                .iter()
                .filter_map(get)
                .map(|goroutine| stacks.bytes(dump, goroutine))
                .fold(0, u64::saturating_add),
            created_by: created_by.most(MOST_NAMES),
            stack: frames
                .unwrap_or_default()
                .iter()
                .map(|frame| frame.function.to_string())
                .collect(),
            waits_for: waits_for
                .most(MOST_NAMES)
                .into_iter()
                .map(|(name, _)| name)
                .collect(),
            goroutines,
        }
    }
}

/// The function whose `go` statement started a goroutine. What is known of that is a return address,
/// so that it may lie behind the function's end (runtime/traceback.go: `printcreatedby`). Nobody's go
/// statement began the first goroutine (runtime/traceback.go, go1.27: `traceback1`, which leaves it out
/// as well).
pub fn creator<'d>(dump: &'d Dump, goroutine: &Goroutine) -> Option<&'d str> {
    if goroutine.id == 1 {
        return None;
    }
    let at = goroutine.created_at.checked_sub(1)?;
    let functions = &dump.catalogue().functions;
    let behind = functions.partition_point(|function| function.entry <= at);
    Some(&functions.get(behind.checked_sub(1)?)?.name)
}

/// What is at an address that somebody waits for: a channel tells the type of its elements itself.
fn class_at(analysis: &Analysis, at: u64) -> String {
    let Some((object, offset)) = analysis.dump.find(at) else {
        return "nothing on the heap".to_owned();
    };
    let class = analysis.types.class(analysis.types.class_of(object));
    let is_unknown = class.is_none_or(|class| matches!(class.what, What::Unknown { .. }));
    if is_unknown
        && offset == 0
        && let Some(name) = channel_at(&analysis.dump, at)
    {
        return name;
    }
    class.map_or_else(|| "unknown".to_owned(), |class| class.name.clone())
}

/// The type of the channel at an address, if its `elemtype` is a type.
fn channel_at(dump: &Dump, at: u64) -> Option<String> {
    let catalogue = dump.catalogue();
    let structs = Structs::new(&catalogue.layouts);
    let elem = structs.offset("runtime.hchan", "elemtype").ok()?;
    let ty = catalogue.at(dump.word(at.checked_add(elem)?)?)?;
    Some(format!("chan {}", catalogue.get(ty)?.name))
}

/// Names and how often there are.
#[derive(Default)]
struct Counted(std::collections::BTreeMap<String, u64>);

impl Counted {
    fn add(&mut self, name: String) {
        *self.0.entry(name).or_default() += 1;
    }

    /// The most frequent first; of equals by name.
    fn most(self, most: usize) -> Vec<(String, u64)> {
        let mut all: Vec<(String, u64)> = self.0.into_iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests;
