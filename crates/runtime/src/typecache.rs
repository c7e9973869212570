//! Which types have been written: the dumper's own small cache, so that types repeat in the same
//! places (runtime/heapdump.go: `typecache`, `dumptype`).

use goheap_memory::Addr;

/// 256 buckets of four, each with the most recent first.
#[derive(Debug)]
pub(crate) struct TypeCache {
    buckets: Vec<[Addr; 4]>,
}

impl TypeCache {
    pub(crate) fn new() -> TypeCache {
        TypeCache {
            buckets: vec![[Addr::NIL; 4]; 256],
        }
    }

    /// Whether the type at `at`, of hash `hash`, has to be written; it is remembered from now on.
    pub(crate) fn insert(&mut self, at: Addr, hash: u32) -> bool {
        let bucket = &mut self.buckets[(hash & 255) as usize];
        let found = bucket.iter().position(|known| *known == at);
        let end = found.unwrap_or(bucket.len() - 1);
        bucket[..=end].rotate_right(1);
        bucket[0] = at;
        found.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_least_recently_used() {
        let mut cache = TypeCache::new();
        let at = |i: u64| Addr::new(0x1000 + i);
        for i in 0..4 {
            assert!(cache.insert(at(i), 7), "{i} is new");
        }
        assert!(!cache.insert(at(0), 7), "0 moves to the front");
        assert!(cache.insert(at(4), 7), "4 pushes 1 out");
        assert!(cache.insert(at(1), 7), "1 was pushed out, and pushes 2 out");
        assert!(!cache.insert(at(0), 7));
        assert!(!cache.insert(at(3), 7));
        assert!(cache.insert(at(0), 8), "another bucket");
    }
}
