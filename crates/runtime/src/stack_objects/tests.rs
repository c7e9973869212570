use super::*;

fn words(mask: &[u8], first: u64) -> Vec<u64> {
    ObjectMask(mask.into()).words_from(first).collect()
}

#[test]
fn a_mask_names_words_from_any_word_on() {
    let mask = [0b1000_0001, 0, 0b10];
    assert_eq!(words(&mask, 0), [0, 7, 17]);
    assert_eq!(words(&mask, 1), [7, 17]);
    assert_eq!(words(&mask, 7), [7, 17]);
    assert_eq!(words(&mask, 8), [17]);
    assert_eq!(words(&mask, 17), [17]);
    assert_eq!(words(&mask, 18), [0; 0]);
    assert_eq!(words(&mask, u64::MAX), [0; 0]);
    assert_eq!(words(&[], 0), [0; 0]);
}
