//! Edges from higher numbers to lower ones, kept in six bytes each until they are asked for by
//! target.
//!
//! 65536 targets in a row share a bucket. A bucket is a chain of chunks, and an edge in it is its
//! source (4 bytes) and the low half of its target (2 bytes). So nothing is counted beforehand, and
//! each bucket is sorted by itself when its targets are due, while it fits a processor's cache.

/// How many bits of a target are kept with the edge.
const LOW_BITS: u32 = 16;

/// How many targets share a bucket.
pub(super) const WIDTH: u32 = 1 << LOW_BITS;

/// How many edges a chunk has room for.
const CHUNK: usize = 1 << 10;

/// No chunk.
const NONE: u32 = u32::MAX;

/// The edges.
pub(super) struct BackEdges {
    sources: Vec<u32>,
    /// The low halves of the targets.
    targets: Vec<u16>,
    /// Of each chunk, the one before it in its bucket.
    before: Vec<u32>,
    buckets: Vec<Bucket>,
    len: u64,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Its last chunk.
    last: u32,
    /// How many edges are in that.
    filled: u32,
}

impl BackEdges {
    /// None yet, of a graph of so many nodes.
    pub(super) fn new(nodes: u32) -> BackEdges {
        let none = Bucket {
            last: NONE,
            filled: CHUNK as u32,
        };
        BackEdges {
            sources: Vec::new(),
            targets: Vec::new(),
            before: Vec::new(),
            buckets: vec![none; nodes.div_ceil(WIDTH) as usize],
            len: 0,
        }
    }

    /// Keeps an edge.
    #[inline]
    pub(super) fn push(&mut self, source: u32, target: u32) {
        let bucket = &mut self.buckets[(target >> LOW_BITS) as usize];
        if bucket.filled as usize == CHUNK {
            self.before.push(bucket.last);
            *bucket = Bucket {
                last: (self.before.len() - 1) as u32,
                filled: 0,
            };
            let len = self.before.len() * CHUNK;
            self.sources.resize(len, 0);
            self.targets.resize(len, 0);
        }
        let at = bucket.last as usize * CHUNK + bucket.filled as usize;
        self.sources[at] = source;
        self.targets[at] = target as u16;
        bucket.filled += 1;
        self.len += 1;
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Those to the targets from `bucket * WIDTH`: in pieces, low halves of the targets and sources.
    pub(super) fn of(&self, bucket: usize) -> impl Iterator<Item = (&[u16], &[u32])> {
        let (mut chunk, mut filled) = match self.buckets.get(bucket) {
            Some(bucket) => (bucket.last, bucket.filled as usize),
            None => (NONE, 0),
        };
        std::iter::from_fn(move || {
            if chunk == NONE {
                return None;
            }
            let start = chunk as usize * CHUNK;
            let piece = start..start + filled;
            chunk = self.before[chunk as usize];
            filled = CHUNK;
            Some((&self.targets[piece.clone()], &self.sources[piece]))
        })
    }
}
