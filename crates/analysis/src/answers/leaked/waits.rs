//! What goroutines wait for, as the runtime's own structs tell.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use goheap_golang::Structs;

use crate::dump::{Dump, Goroutine};

/// What a goroutine waits for, as far as it decides whether that is for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wait {
    /// It may run, or waits for what always may come: time, the network, the collector.
    Not,
    /// For nothing: a nil channel, a `select` without cases.
    Never,
    /// For one of these channels, or for this mutex, condition or wait group.
    On(Vec<u64>),
    /// For a channel or a lock that was not found.
    Unknown,
}

/// What a wait reason means (runtime/runtime2.go: `waitReasonStrings`). Those of bubbles of
/// testing/synctest, which end in `(durable)`, are none of Go's leak profile either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Never,
    Channel,
    Sync,
    /// Up to go1.24 of wait groups, up to go1.20 of mutexes as well, and always of the runtime's own
    /// locks, among them those of files.
    Semaphore,
    Other,
}

fn reason_of(text: &str) -> Reason {
    match text {
        "select (no cases)" | "chan receive (nil chan)" | "chan send (nil chan)" => Reason::Never,
        "select" | "chan receive" | "chan send" => Reason::Channel,
        "sync.Cond.Wait"
        | "sync.Mutex.Lock"
        | "sync.RWMutex.RLock"
        | "sync.RWMutex.Lock"
        | "sync.WaitGroup.Wait" => Reason::Sync,
        "semacquire" => Reason::Semaphore,
        _ => Reason::Other,
    }
}

/// Status of a goroutine that waits, and of one that Go's own leak profile has found
/// (runtime/runtime2.go: `_Gwaiting`; go1.26: `_Gleaked`), both without the bit that is set while its
/// stack is scanned (`_Gscan`).
fn is_waiting(status: u64) -> bool {
    const SCAN: u64 = 0x1000;
    matches!(status & !SCAN, 4 | 10)
}

/// Programs end `main` like that on purpose (runtime/mgc.go, go1.26: `findGoroutineLeaks`).
pub(super) fn is_main_in_empty_select(dump: &Dump, goroutine: u32) -> bool {
    let goroutine = dump.goroutines().get(goroutine as usize);
    goroutine.is_some_and(|g| g.id == 1 && &*g.wait_reason == "select (no cases)")
}

/// Places in the structs that tell, in bytes from their start.
#[derive(Debug, Clone, Copy)]
struct Places {
    /// `g.waiting`: the list of sudogs.
    waiting: u64,
    g: u64,
    next: u64,
    /// What a semaphore's sudog is about; the pointer that the collector follows.
    elem: u64,
    /// And the word that tells it, whatever state a leak profile left the pointer in (go1.26:
    /// `maybeTraceablePtr`).
    elem_value: u64,
    c: u64,
    c_value: u64,
    waitlink: u64,
    sudog: u64,
}

impl Places {
    fn of(dump: &Dump) -> Option<Places> {
        let structs = Structs::new(&dump.catalogue().layouts);
        let sudog = |path| structs.offset("runtime.sudog", path).ok();
        let elem = sudog("elem")?;
        let c = sudog("c")?;
        Some(Places {
            waiting: structs.offset("runtime.g", "waiting").ok()?,
            g: sudog("g")?,
            next: sudog("next")?,
            elem: sudog("elem.vp").unwrap_or(elem),
            elem_value: sudog("elem.vu").unwrap_or(elem),
            c: sudog("c.vp").unwrap_or(c),
            c_value: sudog("c.vu").unwrap_or(c),
            waitlink: sudog("waitlink")?,
            sudog: structs.size("runtime.sudog").ok()?,
        })
    }
}

/// Cases of a `select` (runtime/select.go: `selectgo`: their order is of `uint16`).
const MOST_CASES: usize = 1 << 16;
/// Frames below the innermost in which a sudog, and a condition, is looked for: `gopark`,
/// `goparkunlock`, `semacquire1` or `notifyListWait`, `sync.runtime_...`, the method of package sync,
/// and who calls it.
const FRAMES: usize = 6;
/// Bytes of a `sync.Cond` in which its list may begin (sync/cond.go).
const COND: u64 = 64;

/// Finds what goroutines wait for.
pub(super) struct Finder<'d> {
    dump: &'d Dump,
    places: Option<Places>,
    /// Sudogs that may still be looked at, of all goroutines: each is of one, and is looked at a few
    /// times. A damaged dump may have rings of them.
    left: Cell<u64>,
}

impl<'d> Finder<'d> {
    pub(super) fn new(dump: &'d Dump) -> Finder<'d> {
        Finder {
            dump,
            places: Places::of(dump),
            left: Cell::new(4 * (u64::from(dump.object_count()) + dump.goroutines().len() as u64)),
        }
    }

    /// Why nothing can be told.
    pub(super) fn unknown(&self) -> Option<&'static str> {
        match self.places {
            Some(_) => None,
            None => Some("the layouts of the runtime's structs are not known"),
        }
    }

    /// What each goroutine waits for.
    pub(super) fn waits(&self) -> Vec<Wait> {
        let heads = self.heads();
        let goroutines = self.dump.goroutines().iter();
        goroutines
            .map(|goroutine| self.wait(goroutine, &heads))
            .collect()
    }

    /// For each sudog of those that wait, where the pointer is that does not count as a way to what
    /// it waits for, by object.
    pub(super) fn hidden(&self, waits: &[Wait]) -> HashMap<u32, u64> {
        let mut hidden = HashMap::new();
        let Some(places) = self.places else {
            return hidden;
        };
        for (goroutine, wait) in self.dump.goroutines().iter().zip(waits) {
            if !matches!(wait, Wait::On(_)) {
                continue;
            }
            let (sudogs, of) = match self.reason(goroutine) {
                Reason::Channel => (self.channel_sudogs(places, goroutine), places.c),
                _ => {
                    let sudog = self.sync_sudog(places, goroutine);
                    (sudog.into_iter().collect(), places.elem)
                }
            };
            for sudog in sudogs {
                if let Some((object, offset)) = self.dump.find(sudog) {
                    hidden.insert(object.0, offset.saturating_add(of));
                }
            }
        }
        hidden
    }

    fn reason(&self, goroutine: &Goroutine) -> Reason {
        if !is_waiting(goroutine.status) {
            return Reason::Other;
        }
        match reason_of(&goroutine.wait_reason) {
            Reason::Semaphore if self.is_of_sync(goroutine) => Reason::Sync,
            Reason::Semaphore => Reason::Other,
            reason => reason,
        }
    }

    /// Whether a semaphore is one of package sync.
    fn is_of_sync(&self, goroutine: &Goroutine) -> bool {
        let frames = self.dump.frames().get(goroutine.frames.clone());
        let frames = frames.unwrap_or_default().iter().take(FRAMES);
        frames
            .map(|frame| &*frame.function)
            .any(|function| function.starts_with("sync.runtime_Semacquire"))
    }

    fn wait(&self, goroutine: &Goroutine, heads: &HashMap<u64, u64>) -> Wait {
        let reason = self.reason(goroutine);
        let places = match (reason, self.places) {
            (Reason::Other | Reason::Semaphore, _) => return Wait::Not,
            (Reason::Never, _) => return Wait::Never,
            (_, None) => return Wait::Unknown,
            (_, Some(places)) => places,
        };
        if reason == Reason::Channel {
            let channels: Vec<u64> = self
                .channel_sudogs(places, goroutine)
                .into_iter()
                .filter_map(|sudog| self.word(sudog, places.c_value))
                .filter(|channel| *channel != 0)
                .collect();
            return match channels.is_empty() {
                true => Wait::Unknown,
                false => Wait::On(channels),
            };
        }
        let Some(sudog) = self.sync_sudog(places, goroutine) else {
            return Wait::Unknown;
        };
        match self.word(sudog, places.elem_value) {
            None => Wait::Unknown,
            // Up to go1.25 conditions do not tell.
            Some(0) => match heads.get(&sudog) {
                Some(head) => self
                    .condition(goroutine, *head)
                    .map_or(Wait::Unknown, |at| Wait::On(vec![at])),
                None => Wait::Unknown,
            },
            Some(elem) => Wait::On(vec![elem]),
        }
    }

    fn word(&self, at: u64, offset: u64) -> Option<u64> {
        self.dump.word(at.checked_add(offset)?)
    }

    /// The sudogs of a goroutine that waits for channels.
    fn channel_sudogs(&self, places: Places, goroutine: &Goroutine) -> Vec<u64> {
        let mut all = Vec::new();
        let mut next = self.word(goroutine.address, places.waiting).unwrap_or(0);
        while next != 0
            && all.len() < MOST_CASES
            && all.first() != Some(&next)
            && self.word(next, places.g) == Some(goroutine.address)
            && let Some(left) = self.left.get().checked_sub(1)
        {
            self.left.set(left);
            all.push(next);
            next = self.word(next, places.waitlink).unwrap_or(0);
        }
        all
    }

    /// The sudog of a goroutine that waits for a semaphore or a condition: the runtime tells from
    /// go1.26 on; before, its frames lead to it.
    fn sync_sudog(&self, places: Places, goroutine: &Goroutine) -> Option<u64> {
        let of_g = |at: u64| self.word(at, places.g) == Some(goroutine.address);
        let told = self.word(goroutine.address, places.waiting).unwrap_or(0);
        if told != 0 && of_g(told) {
            return Some(told);
        }
        self.frame_pointers(goroutine).into_iter().find(|at| {
            let found = self.dump.find(*at);
            found.is_some_and(|(object, offset)| {
                offset == 0 && self.dump.size(object) >= places.sudog && of_g(*at)
            })
        })
    }

    /// Where the innermost frames of a goroutine lead to.
    fn frame_pointers(&self, goroutine: &Goroutine) -> Vec<u64> {
        let frames = self.dump.frames().get(goroutine.frames.clone());
        let mut all = Vec::new();
        for frame in frames.unwrap_or_default().iter().take(FRAMES) {
            let Some(record) = self.dump.frame_record(frame) else {
                continue;
            };
            for (_, offset) in record.fields.iter() {
                if let Some(at) = frame.sp.checked_add(offset)
                    && let Some(word) = self.dump.word(at)
                    && word != 0
                {
                    all.push(word);
                }
            }
        }
        all
    }

    /// Of the sudogs of those that wait for conditions, the first of the list that each is in
    /// (runtime/sema.go: `notifyList`).
    fn heads(&self) -> HashMap<u64, u64> {
        let mut heads = HashMap::new();
        let Some(places) = self.places else {
            return heads;
        };
        let waiting: Vec<u64> = self
            .dump
            .goroutines()
            .iter()
            .filter(|goroutine| {
                is_waiting(goroutine.status) && &*goroutine.wait_reason == "sync.Cond.Wait"
            })
            .filter_map(|goroutine| self.sync_sudog(places, goroutine))
            .collect();
        let mut next = HashMap::new();
        let mut behind = HashSet::new();
        for sudog in &waiting {
            let to = self.word(*sudog, places.next).unwrap_or(0);
            if to != 0 {
                next.insert(*sudog, to);
                behind.insert(to);
            }
        }
        for head in waiting.iter().filter(|sudog| !behind.contains(sudog)) {
            let mut at = *head;
            // A list cannot be longer than there are goroutines; one that runs into another ends.
            while heads.insert(at, *head).is_none() {
                match next.get(&at) {
                    Some(to) => at = *to,
                    None => break,
                }
            }
        }
        heads
    }

    /// The condition that a goroutine waits for: what its frames lead to, and has `head` as the first
    /// of those that wait.
    fn condition(&self, goroutine: &Goroutine, head: u64) -> Option<u64> {
        let step = self.dump.params().model.word_size();
        self.frame_pointers(goroutine).into_iter().find(|pointer| {
            let mut offset = 0;
            while offset < COND {
                if self.word(*pointer, offset) == Some(head) {
                    return true;
                }
                offset += step.max(1);
            }
            false
        })
    }
}
