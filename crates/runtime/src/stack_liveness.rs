//! Which stack objects of one stack are alive, by the collector's rule (runtime/mgcmark.go:
//! `scanstack`; mgcstack.go): those that a live pointer of the stack leads to, from a frame's
//! slots, from a record of a deferred call or panic, or from another live stack object.
//!
//! A pointer that is known to be one comes before a word that may be one. What only such words lead
//! to may be dead and hold what was left there: its pointers are words that may be pointers too.

use std::rc::Rc;

use goheap_golang::TypeError;
use goheap_memory::{Addr, DataModel, Memory};

use crate::stack_objects::{Masks, ObjectMask, ObjectRecord};
use crate::unwind::Stack;

/// The most objects of one stack that are held.
const MOST: usize = 1 << 24;

/// How a pointer, or what it leads to, is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is one.
    Surely,
    /// It looks like one.
    Maybe,
}

/// A stack object in a frame.
#[derive(Debug)]
struct StackObject {
    at: Addr,
    record: ObjectRecord,
    /// How it is alive; `None` if nothing leads to it.
    alive: Option<Known>,
}

impl StackObject {
    fn end(&self) -> Addr {
        self.at.offset(u64::from(self.record.size))
    }
}

/// Why an object cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ObjectError {
    #[error("the object of {size} bytes at {at} overlaps another, or leaves the stack")]
    Misplaced { at: Addr, size: u32 },
    #[error("there are more than a program has")]
    TooMany,
    #[error("pointers of the object at {at}: {source}")]
    Mask { at: Addr, source: TypeError },
}

/// The stack objects of one stack.
#[derive(Debug)]
pub(crate) struct StackObjects {
    stack: Stack,
    /// Ascending, without overlap.
    list: Vec<StackObject>,
    /// Addresses in the stack that are still to be followed.
    surely: Vec<Addr>,
    maybe: Vec<Addr>,
}

impl StackObjects {
    pub(crate) fn new(stack: Stack) -> StackObjects {
        StackObjects {
            stack,
            list: Vec::new(),
            surely: Vec::new(),
            maybe: Vec::new(),
        }
    }

    /// Adds an object. They come in the order of their addresses, from the innermost frame on. One
    /// without pointers leads nowhere and is not held; the compiler lists none
    /// (cmd/compile/internal/liveness/plive.go: `shouldTrack`), but a damaged list has room for many.
    pub(crate) fn add(&mut self, at: Addr, record: ObjectRecord) -> Result<(), ObjectError> {
        let object = StackObject {
            at,
            record,
            alive: None,
        };
        let first = self.list.last().map_or(self.stack.lo, StackObject::end);
        let end = object.end();
        if at < first || end < at || end > self.stack.hi {
            let size = record.size;
            return Err(ObjectError::Misplaced { at, size });
        }
        if record.pointer_bytes == 0 {
            return Ok(());
        }
        if self.list.len() >= MOST {
            return Err(ObjectError::TooMany);
        }
        self.list.push(object);
        Ok(())
    }

    /// Tells of a word that is alive. Words that lead elsewhere than into the stack are nothing to
    /// it.
    pub(crate) fn found(&mut self, word: u64, known: Known) {
        let at = Addr::new(word);
        if !self.stack.contains(at) {
            return;
        }
        let list = match known {
            Known::Surely => &mut self.surely,
            Known::Maybe => &mut self.maybe,
        };
        // Often a frame names an object again and again.
        if list.last() != Some(&at) {
            list.push(at);
        }
    }

    /// Follows all that was found, once all objects have been added. What goes wrong with an object
    /// is told to `problem`, and it has no pointers then.
    pub(crate) fn trace<M: Memory + ?Sized>(
        &mut self,
        memory: &M,
        model: DataModel,
        masks: &dyn Masks,
        problem: &mut dyn FnMut(ObjectError),
    ) {
        let word = model.word_size();
        loop {
            let (at, known) = match (self.surely.pop(), self.maybe.last()) {
                (Some(at), _) => (at, Known::Surely),
                (None, Some(at)) => {
                    let at = *at;
                    self.maybe.pop();
                    (at, Known::Maybe)
                }
                (None, None) => return,
            };
            let Some(object) = self.find(at) else {
                continue;
            };
            if object.alive.is_some() {
                continue;
            }
            let mask = mask(masks, &object.record, word);
            // Without a mask each word may be a pointer.
            let known = match &mask {
                Ok(_) => known,
                Err(_) => Known::Maybe,
            };
            object.alive = Some(known);
            let start = object.at;
            let mask = mask.unwrap_or_else(|(source, all)| {
                problem(ObjectError::Mask { at: start, source });
                all
            });
            let mut words = Words::new(memory, model);
            for index in mask.words_from(0) {
                // What cannot be read is a gap when the frame is written.
                if let Some(value) = words.get(start.offset(index * word)) {
                    self.found(value, known);
                }
            }
        }
    }

    fn find(&mut self, at: Addr) -> Option<&mut StackObject> {
        let behind = self.list.partition_point(|object| object.at <= at);
        let object = self.list.get_mut(behind.checked_sub(1)?)?;
        (at < object.end()).then_some(object)
    }

    /// Calls `each` for the pointers of live objects in `from..to`, with their addresses and how
    /// they are known, ascending.
    pub(crate) fn pointers(
        &self,
        (from, to): (Addr, Addr),
        word: u64,
        masks: &dyn Masks,
        each: &mut dyn FnMut(Addr, Known),
    ) {
        let first = self.list.partition_point(|object| object.end() <= from);
        let objects = self.list.get(first..).unwrap_or_default();
        for object in objects.iter().take_while(|object| object.at < to) {
            let Some(known) = object.alive else {
                continue;
            };
            let mask = mask(masks, &object.record, word).unwrap_or_else(|(_, all)| all);
            let skipped = from.since(object.at).unwrap_or(0).div_ceil(word);
            for index in mask.words_from(skipped) {
                let at = object.at.offset(index * word);
                if at >= to {
                    break;
                }
                each(at, known);
            }
        }
    }

    /// How many are alive.
    pub(crate) fn alive(&self) -> u64 {
        let alive = self.list.iter().filter(|object| object.alive.is_some());
        alive.count() as u64
    }
}

/// The mask of an object, or why it has none, and one that has all words.
fn mask(
    masks: &dyn Masks,
    record: &ObjectRecord,
    word: u64,
) -> Result<Rc<ObjectMask>, (TypeError, Rc<ObjectMask>)> {
    masks
        .get(record)
        .map_err(|error| (error, Rc::new(ObjectMask::all(record, word))))
}

/// Reads words that lie near each other.
pub(crate) struct Words<'m, M: ?Sized> {
    memory: &'m M,
    model: DataModel,
    /// What lies at `at`.
    bytes: [u8; AT_ONCE as usize],
    at: Option<Addr>,
}

/// Bytes that are read at once.
const AT_ONCE: u64 = 512;

impl<'m, M: Memory + ?Sized> Words<'m, M> {
    pub(crate) fn new(memory: &'m M, model: DataModel) -> Self {
        Words {
            memory,
            model,
            bytes: [0; AT_ONCE as usize],
            at: None,
        }
    }

    /// The word at `at`, `None` if it cannot be read.
    pub(crate) fn get(&mut self, at: Addr) -> Option<u64> {
        let word = self.model.word_size();
        let fits = |base: Addr| {
            let offset = at.since(base)?;
            (offset <= AT_ONCE - word).then_some(offset)
        };
        if self.at.and_then(fits).is_none() {
            self.at = None;
            if self.memory.read(at, &mut self.bytes).is_ok() {
                self.at = Some(at);
            }
        }
        match self.at.and_then(fits) {
            Some(offset) => {
                let offset = offset as usize;
                let bytes = self.bytes.get(offset..offset + word as usize)?;
                Some(self.model.uint(bytes))
            }
            // Near the end of what can be read.
            None => self.model.read_word(self.memory, at).ok(),
        }
    }
}

#[cfg(test)]
mod tests;
