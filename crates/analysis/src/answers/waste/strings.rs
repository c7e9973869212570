//! Strings whose contents are in the heap more than once.

use std::hash::{DefaultHasher, Hasher};

use super::Seen;
use crate::Analysis;
use crate::dump::ObjectId;
use crate::types::What;
use crate::{Interrupted, Watch};

/// Strings that are there more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Duplicates {
    /// Contents that are there more than once.
    pub contents: u64,
    /// Objects beyond the first of each.
    pub copies: u64,
    /// Bytes of these objects.
    pub bytes: u64,
    /// Those that take most.
    pub largest: Vec<Duplicate>,
}

/// Contents that are there more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Duplicate {
    /// The first bytes of them.
    pub text: Vec<u8>,
    /// How many bytes there are.
    pub len: u64,
    /// How many objects have them.
    pub count: u64,
    /// Bytes of the objects beyond the first.
    pub bytes: u64,
    /// Where the first is.
    pub address: u64,
}

/// Bytes of contents that are kept for whoever reads the answer.
const TEXT: usize = 80;
/// How many of the largest are kept.
const MOST: usize = 20;
/// Strings of one pass: 16 bytes each. The rest is for the next pass.
const PASS: u64 = 1 << 22;

impl Duplicates {
    /// Compares the contents of all objects that are strings: of each, what is shown of it. Blocks of
    /// tiny objects, which may have several strings in them, are not looked at.
    pub(super) fn of(
        analysis: &Analysis,
        shown: &Seen,
        watch: &dyn Watch,
    ) -> Result<Duplicates, Interrupted> {
        let dump = &analysis.dump;
        let is_string: Vec<bool> = analysis
            .types
            .classes()
            .map(|(_, class)| class.what == What::StringBytes)
            .collect();
        let is_string = |object: ObjectId| {
            let class = analysis.types.class_of(object).0 as usize;
            is_string.get(class) == Some(&true) && analysis.is_reachable(object)
        };
        let text = |object: ObjectId| -> &[u8] {
            let bytes = dump.contents(object);
            match shown.get(object) {
                Some(seen) => {
                    let part = seen.start as usize..(seen.end as usize).min(bytes.len());
                    bytes.get(part).unwrap_or_default()
                }
                None => bytes,
            }
        };
        let count = dump.objects().filter(|object| is_string(*object)).count() as u64;
        let passes = count.div_ceil(PASS);
        let mut duplicates = Duplicates::default();
        for pass in 0..passes {
            let mut hashes = Vec::new();
            for object in dump.objects() {
                if object.0.is_multiple_of(1 << 16) {
                    let total = u64::from(dump.object_count());
                    let done = u64::from(object.0);
                    watch.step(
                        "comparing strings",
                        pass.saturating_mul(total).saturating_add(done) / passes,
                        total,
                    )?;
                }
                if !is_string(object) {
                    continue;
                }
                let text = text(object);
                let mut hasher = DefaultHasher::new();
                hasher.write(text);
                let hash = hasher.finish();
                if hash % passes == pass && !text.is_empty() {
                    hashes.push((hash, object.0));
                }
            }
            hashes.sort_unstable();
            for same in hashes.chunk_by(|a, b| a.0 == b.0) {
                if same.len() > 1 {
                    duplicates.add(analysis, same, &text);
                }
            }
        }
        duplicates.keep_largest();
        Ok(duplicates)
    }

    /// Takes objects with the same hash in: those whose contents are those of the first.
    fn add<'a>(
        &mut self,
        analysis: &'a Analysis,
        same: &[(u64, u32)],
        text: &impl Fn(ObjectId) -> &'a [u8],
    ) {
        let Some((first, rest)) = same.split_first() else {
            return;
        };
        let contents = text(ObjectId(first.1));
        let (mut count, mut bytes) = (1, 0u64);
        for (_, other) in rest {
            // Of two texts with one hash, which is one case in 2^64, one is left out.
            if text(ObjectId(*other)) == contents {
                count += 1;
                bytes = bytes.saturating_add(analysis.dump.size(ObjectId(*other)));
            }
        }
        if count < 2 {
            return;
        }
        self.contents += 1;
        self.copies += count - 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.largest.push(Duplicate {
            text: contents.get(..TEXT).unwrap_or(contents).to_vec(),
            len: contents.len() as u64,
            count,
            bytes,
            address: analysis.dump.address(ObjectId(first.1)),
        });
        if self.largest.len() >= 4 * MOST {
            self.keep_largest();
        }
    }

    fn keep_largest(&mut self) {
        self.largest
            .sort_by_key(|one| (std::cmp::Reverse(one.bytes), one.address));
        self.largest.truncate(MOST);
    }
}
