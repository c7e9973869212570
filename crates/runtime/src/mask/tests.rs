use super::*;

fn repeated(mask: &[u64], size: u64, first: u64, words: usize) -> Vec<u64> {
    let mut bits = vec![0_u8; 64];
    for word in mask {
        bits[(*word / 8) as usize] |= 1 << (word % 8);
    }
    let len = mask.iter().max().map_or(0, |last| last + 1);
    let mask = Mask {
        size,
        pointers: len,
        bits,
    };
    let mut out = WordBits::default();
    out.reset(words);
    mask.repeat(first, &mut out, words);
    out.fields(8)
        .iter()
        .map(|(_kind, offset)| offset / 8)
        .collect()
}

#[test]
fn lays_elements_behind_a_header_up_to_the_end_of_the_size_class() {
    // An element of three words, the first two of them pointers; the class ends within one.
    assert_eq!(repeated(&[0, 1], 3, 1, 9), [1, 2, 4, 5, 7, 8]);
    assert_eq!(repeated(&[0, 1], 3, 1, 8), [1, 2, 4, 5, 7]);
    assert_eq!(repeated(&[2], 3, 0, 7), [2, 5]);
}

#[test]
fn a_mask_longer_than_a_word_of_bits() {
    assert_eq!(repeated(&[0, 64, 100], 128, 1, 160), [1, 65, 101, 129]);
}

#[test]
fn types_that_cannot_be_do_not_hang() {
    assert_eq!(repeated(&[0], 0, 0, 8), [0_u64; 0], "a size of 0");
    assert_eq!(repeated(&[], 4, 0, 8), [0_u64; 0], "no pointers");
    assert_eq!(repeated(&[0], u64::MAX, 0, 8), [0]);
}
