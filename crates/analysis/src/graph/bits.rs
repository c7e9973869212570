//! A bit for each node.

/// A set of nodes.
#[derive(Debug, Clone)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// No node of so many.
    pub(super) fn new(nodes: u32) -> Bits {
        Bits {
            words: vec![0; (nodes as usize).div_ceil(64)],
        }
    }

    /// Whether the node is in it.
    #[inline]
    pub(super) fn has(&self, node: u32) -> bool {
        self.words[node as usize / 64] >> (node % 64) & 1 != 0
    }

    /// Puts the node into it; whether it was not in it.
    #[inline]
    pub(super) fn insert(&mut self, node: u32) -> bool {
        let word = &mut self.words[node as usize / 64];
        let was = *word;
        *word |= 1 << (node % 64);
        was != *word
    }
}
