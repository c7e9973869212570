//! Pointer masks of types, for objects whose heap bits are their type.

use std::collections::HashMap;
use std::rc::Rc;

use goheap_golang::TypeError;
use goheap_memory::Addr;

use crate::types::{WorldTypes, pointer_mask};
use crate::word_bits::{WordBits, take_bits};
use crate::{WalkError, World};

/// Which words of a value of one type are pointers.
#[derive(Debug)]
pub(crate) struct Mask {
    /// Words of a value.
    size: u64,
    /// Words up to the last pointer.
    pointers: u64,
    /// A bit for each of these.
    bits: Vec<u8>,
}

impl Mask {
    /// Lays the mask over an object of `words` words again and again from word `first` on, as
    /// `typePointers.next` does (runtime/mbitmap.go, go1.22): an object of a header's type is an
    /// array of it, up to the end of its size class.
    pub(crate) fn repeat(&self, first: u64, out: &mut WordBits, words: usize) {
        if self.pointers == 0 || self.size == 0 {
            return;
        }
        let mut element = first as usize;
        while element < words {
            let mut at = 0;
            while at < self.pointers as usize && element + at < words {
                let mut bits = take_bits(&self.bits, at, 64);
                while bits != 0 {
                    let word = element + at + bits.trailing_zeros() as usize;
                    if word < words {
                        out.set(word);
                    }
                    bits &= bits - 1;
                }
                at += 64;
            }
            element = element.saturating_add(self.size as usize);
        }
    }
}

/// The masks that a walk has met.
pub(crate) struct Masks<'m, 't> {
    types: WorldTypes<'m, 't>,
    word: u64,
    /// What is wrong with a type is kept as well: a million objects may have it.
    known: HashMap<Addr, Result<Rc<Mask>, TypeError>>,
    /// Bytes of the masks in `known`.
    kept: usize,
    last: Option<(Addr, Rc<Mask>)>,
}

impl<'m, 't> Masks<'m, 't> {
    /// More masks than this are not kept: a type is read again when it is met again.
    const KEPT: usize = 1 << 16;
    /// The same for so many bytes of them.
    const KEPT_BYTES: usize = 1 << 24;

    pub(crate) fn new(world: &'m World<'t>) -> Result<Masks<'m, 't>, WalkError> {
        Ok(Masks {
            types: world.types()?,
            word: world.model.word_size(),
            known: HashMap::new(),
            kept: 0,
            last: None,
        })
    }

    /// The mask of the type whose descriptor is at `typ`, and of which an object has `room` bytes.
    pub(crate) fn get(&mut self, typ: Addr, room: u64) -> Result<Rc<Mask>, TypeError> {
        if let Some((at, mask)) = &self.last
            && *at == typ
        {
            return Ok(Rc::clone(mask));
        }
        let mask = match self.known.get(&typ) {
            Some(known) => known.clone()?,
            None => self.read(typ, room)?,
        };
        self.last = Some((typ, Rc::clone(&mask)));
        Ok(mask)
    }

    fn read(&mut self, typ: Addr, room: u64) -> Result<Rc<Mask>, TypeError> {
        let read = pointer_mask(&self.types, typ, room).map(|(size, bits)| {
            Rc::new(Mask {
                size: size / self.word,
                pointers: bits.len(),
                bits: bits.bits().to_vec(),
            })
        });
        let bytes = read.as_ref().map_or(0, |mask| mask.bits.len());
        if self.known.len() < Self::KEPT && self.kept.saturating_add(bytes) <= Self::KEPT_BYTES {
            self.kept += bytes;
            self.known.insert(typ, read.clone());
        }
        read
    }
}

#[cfg(test)]
mod tests;
