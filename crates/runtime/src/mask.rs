//! Pointer masks of types, for objects whose heap bits are their type.

use std::collections::HashMap;
use std::rc::Rc;

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
    known: HashMap<Addr, Rc<Mask>>,
    last: Option<(Addr, Rc<Mask>)>,
}

impl<'m, 't> Masks<'m, 't> {
    /// More masks than this are not kept: a type is read again when it is met again.
    const KEPT: usize = 1 << 16;

    pub(crate) fn new(world: &'m World<'t>) -> Result<Masks<'m, 't>, WalkError> {
        Ok(Masks {
            types: world.types()?,
            word: world.model.word_size(),
            known: HashMap::new(),
            last: None,
        })
    }

    /// The mask of the type whose descriptor is at `typ`.
    pub(crate) fn get(&mut self, typ: Addr) -> Result<Rc<Mask>, WalkError> {
        if let Some((at, mask)) = &self.last
            && *at == typ
        {
            return Ok(Rc::clone(mask));
        }
        let mask = match self.known.get(&typ) {
            Some(mask) => Rc::clone(mask),
            None => {
                let (size, bits) = pointer_mask(&self.types, typ)?;
                let mask = Rc::new(Mask {
                    size: size / self.word,
                    pointers: bits.len(),
                    bits: bits.bits().to_vec(),
                });
                if self.known.len() < Self::KEPT {
                    self.known.insert(typ, Rc::clone(&mask));
                }
                mask
            }
        };
        self.last = Some((typ, Rc::clone(&mask)));
        Ok(mask)
    }
}

#[cfg(test)]
mod tests;
