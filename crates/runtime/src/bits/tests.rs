use super::*;

/// The positions of the bits that are set.
fn positions(bits: &WordBits) -> Vec<u64> {
    bits.fields(8)
        .iter()
        .map(|(_kind, offset)| offset / 8)
        .collect()
}

fn span_bits<'b>(
    span: &'b Span,
    words: usize,
    bitmap: &'b [u8],
    no_more: &'b [u8],
) -> SpanBits<'b> {
    SpanBits {
        span,
        words,
        tail: &[],
        bitmap,
        no_more,
    }
}

#[test]
fn takes_bits_across_bytes_words_and_the_end() {
    let mut bytes = vec![0_u8; 24];
    bytes[7] = 0x80; // bit 63
    bytes[8] = 0x01; // bit 64
    bytes[23] = 0xff; // bits 184 to 191
    assert_eq!(take_bits(&bytes, 63, 2), 0b11);
    assert_eq!(
        take_bits(&bytes, 60, 64),
        0b11_000,
        "64 bits that straddle two words"
    );
    assert_eq!(take_bits(&bytes, 62, 1), 0);
    assert_eq!(
        take_bits(&bytes, 180, 64),
        0xff << 4,
        "past the end is clear"
    );
    assert_eq!(take_bits(&bytes, 190, 5), 0b11);
    assert_eq!(take_bits(&bytes, 4096, 64), 0, "far past the end");
    assert_eq!(take_bits(&[], 0, 7), 0);
    assert_eq!(take_bits(&bytes, 0, 0), 0);
}

#[test]
fn agrees_with_a_bit_by_bit_reading() {
    let bytes: Vec<u8> = (0..40_u32).map(|i| (i * 97 + 13) as u8).collect();
    for start in 0..bytes.len() * 8 {
        for count in [1, 3, 8, 31, 33, 57, 63, 64] {
            let slow = (0..count).fold(0_u64, |all, i| {
                let at = start + i;
                let bit = bytes.get(at / 8).map_or(0, |b| b >> (at % 8) & 1);
                all | u64::from(bit) << i
            });
            assert_eq!(
                take_bits(&bytes, start, count),
                slow,
                "{count} bits from {start}"
            );
        }
    }
}

#[test]
fn pairs_stop_where_no_more_follow() {
    // go1.19: word 0 is a pointer, word 1 is not, word 2 is, and then nothing follows; words 4 and
    // 5 of the next object have stale bits.
    let bitmap = [0b0111_0101, 0b0000_0011];
    let span = Span::for_tests(64);
    let mut out = WordBits::default();
    span_bits(&span, 8, &bitmap, &[]).arena_pairs(0, 8, &mut out);
    assert_eq!(positions(&out), [0, 2]);
}

#[test]
fn an_object_ends_early_where_no_more_pointers_says_so() {
    // go1.21: an object of 200 words, pointers at 0, 63, 64 and 130. The mark behind chunk 0 hides
    // the last two; they are stale.
    let mut bitmap = vec![0_u8; 32];
    for word in [0, 63, 64, 130] {
        bitmap[word / 8] |= 1 << (word % 8);
    }
    let span = Span::for_tests(1600);
    let mut out = WordBits::default();
    span_bits(&span, 200, &bitmap, &[0b0001]).arena_bitmap(0, 200, &mut out);
    assert_eq!(positions(&out), [0, 63]);
    span_bits(&span, 200, &bitmap, &[0b0000]).arena_bitmap(0, 200, &mut out);
    assert_eq!(positions(&out), [0, 63, 64, 130]);
    // A mark behind the chunk in which the object ends is the next object's business.
    span_bits(&span, 60, &bitmap, &[0b0001]).arena_bitmap(0, 60, &mut out);
    assert_eq!(positions(&out), [0]);
    span_bits(&span, 64, &bitmap, &[0b0001]).arena_bitmap(0, 64, &mut out);
    assert_eq!(positions(&out), [0, 63]);
}
