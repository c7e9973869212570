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
    span_bits(&span, 200, &bitmap, &[0b0001]).arena_bitmap(DataModel::LITTLE64, 0, 200, &mut out);
    assert_eq!(positions(&out), [0, 63]);
    span_bits(&span, 200, &bitmap, &[0b0000]).arena_bitmap(DataModel::LITTLE64, 0, 200, &mut out);
    assert_eq!(positions(&out), [0, 63, 64, 130]);
    // A mark behind the chunk in which the object ends is the next object's business.
    span_bits(&span, 60, &bitmap, &[0b0001]).arena_bitmap(DataModel::LITTLE64, 0, 60, &mut out);
    assert_eq!(positions(&out), [0]);
    span_bits(&span, 64, &bitmap, &[0b0001]).arena_bitmap(DataModel::LITTLE64, 0, 64, &mut out);
    assert_eq!(positions(&out), [0, 63]);
}

#[test]
fn a_chunk_of_the_bitmap_is_a_word() {
    // Of 32 bits: the mark behind chunk 0 hides what lies behind word 32.
    let mut bitmap = vec![0_u8; 32];
    for word in [0, 31, 32, 63] {
        bitmap[word / 8] |= 1 << (word % 8);
    }
    let span = Span::for_tests(512);
    let mut out = WordBits::default();
    let bits = span_bits(&span, 128, &bitmap, &[0b0001]);
    bits.arena_bitmap(DataModel::LITTLE32, 0, 128, &mut out);
    assert_eq!(positions(&out), [0, 31]);
    let bits = span_bits(&span, 128, &bitmap, &[0b0010]);
    bits.arena_bitmap(DataModel::LITTLE32, 0, 128, &mut out);
    assert_eq!(positions(&out), [0, 31, 32, 63]);
}

#[test]
fn bits_at_the_end_of_a_span_are_words_of_the_processor() {
    let tail = [0, 0, 0, 0, 0, 0, 1, 0b101];
    let big = ascending_tail(DataModel::BIG64, &tail);
    assert_eq!(take_bits(&big, 0, 16), 0b1_0000_0101);
    let little = ascending_tail(DataModel::LITTLE64, &tail);
    assert_eq!(little[..], tail);
    assert_eq!(
        ascending_tail(DataModel::BIG32, &tail)[4..],
        [0b101, 1, 0, 0]
    );
}
