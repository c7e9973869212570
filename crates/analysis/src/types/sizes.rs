//! What allocations take: which sizes end up as objects of the same size class.

/// Bytes of the size classes (runtime/sizeclasses.go, go1.19: `class_to_size`; from go1.25
/// internal/runtime/gc/sizeclasses.go: `SizeClassToSize`; the same in all versions).
const CLASSES: [u16; 67] = [
    8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352,
    384, 416, 448, 480, 512, 576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048,
    2304, 2688, 3072, 3200, 3456, 4096, 4864, 5376, 6144, 6528, 6784, 6912, 8192, 9472, 9728,
    10240, 10880, 12288, 13568, 14336, 16384, 18432, 19072, 20480, 21760, 24576, 27264, 28672,
    32768,
];

/// The largest size class; what is larger takes whole pages.
pub(super) const LARGEST_CLASS: u64 = 32768;

/// Bytes of a page (runtime/malloc.go: `pageSize`).
const PAGE: u64 = 8192;

/// The largest object whose pointers are told by bits of its span, where words have so many bytes
/// (runtime/mbitmap.go, go1.22: `minSizeForMallocHeader`); larger ones have a header.
pub(crate) const fn largest_without_header(word: u8) -> u64 {
    let word = word as u64;
    word * word * 8
}

/// Bytes of such a header, on all processors (runtime/mbitmap.go, go1.22: `mallocHeaderSize`).
pub(crate) const HEADER: u64 = 8;

/// Bytes of a block of tiny objects (runtime/malloc.go: `maxTinySize`).
pub(super) const TINY: u64 = 16;

/// Says whether an allocation ends up as an object of a size.
#[derive(Debug)]
pub(super) struct Sizes {
    /// For each multiple of eight the size class below it.
    below: Vec<u16>,
}

impl Sizes {
    pub(super) fn new() -> Sizes {
        let most = LARGEST_CLASS / 8;
        let mut below = Vec::with_capacity(most as usize + 1);
        let mut class = 0;
        for eight in 0..=most {
            while CLASSES
                .get(class)
                .is_some_and(|bytes| u64::from(*bytes) < eight * 8)
            {
                class += 1;
            }
            let before = class.checked_sub(1).and_then(|c| CLASSES.get(c));
            below.push(before.copied().unwrap_or(0));
        }
        Sizes { below }
    }

    /// Whether `bytes` are allocated as an object of `size` bytes, its size class: no smaller one
    /// would do.
    #[inline]
    pub(super) fn fits(&self, bytes: u64, size: u64) -> bool {
        bytes <= size && bytes > self.below(size)
    }

    /// The largest allocation that takes an object of the next smaller size.
    #[inline]
    fn below(&self, size: u64) -> u64 {
        match self.below.get((size / 8) as usize) {
            Some(below) if size <= LARGEST_CLASS => u64::from(*below),
            _ => size.saturating_sub(PAGE).max(LARGEST_CLASS),
        }
    }

    /// What an allocation of `bytes` takes.
    pub(super) fn rounded(&self, bytes: u64) -> u64 {
        if bytes > LARGEST_CLASS {
            return bytes.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        }
        let class = CLASSES.partition_point(|class| u64::from(*class) < bytes);
        CLASSES.get(class).copied().map_or(LARGEST_CLASS, u64::from)
    }
}

#[cfg(test)]
mod tests {
    use super::Sizes;

    #[test]
    fn an_allocation_fits_what_it_is_rounded_to_and_nothing_else() {
        let sizes = Sizes::new();
        for bytes in 1..=70_000 {
            let rounded = sizes.rounded(bytes);
            assert!(sizes.fits(bytes, rounded), "{bytes} in {rounded}");
            assert!(!sizes.fits(rounded + 1, rounded), "{rounded}");
            assert!(!sizes.fits(bytes, sizes.rounded(rounded + 1)), "{bytes}");
        }
        assert_eq!(sizes.rounded(1), 8);
        assert_eq!(sizes.rounded(33), 48);
        assert_eq!(sizes.rounded(32768), 32768);
        assert_eq!(sizes.rounded(32769), 40960);
        assert_eq!(sizes.rounded(u64::MAX), u64::MAX);
    }
}
