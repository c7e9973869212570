use super::*;

fn bits(words: u64, pointers: &[u32]) -> Bits {
    Bits {
        words,
        pointers: pointers.into(),
    }
}

fn offsets(args: Option<&Bits>, args_len: u64, locals: &PointerMap, end: u64) -> Vec<u64> {
    let mut offsets = Vec::new();
    list_offsets(&mut offsets, args, (0, args_len), locals, end, 8);
    offsets
}

#[test]
fn arguments_lie_at_the_bottom_and_locals_at_the_top() {
    let args = bits(3, &[0, 2]);
    let locals = PointerMap::Bits(bits(2, &[1]));
    assert_eq!(offsets(Some(&args), 24, &locals, 64), [0, 16, 56]);
    assert_eq!(offsets(Some(&args), 24, &PointerMap::Empty, 64), [0, 16]);
}

#[test]
fn without_a_map_each_word_may_be_a_pointer() {
    assert_eq!(offsets(None, 16, &PointerMap::Empty, 64), [0, 8]);
    // From the end of the callee's arguments up, which a map has told already.
    let args = bits(2, &[]);
    assert_eq!(
        offsets(Some(&args), 16, &PointerMap::Missing, 40),
        [16, 24, 32]
    );
    assert_eq!(offsets(None, 0, &PointerMap::Missing, 0), [0; 0]);
    assert_eq!(offsets(None, 0, &PointerMap::Sized(16), 40), [24, 32]);
}

#[test]
fn what_does_not_fit_wraps_or_is_not_there() {
    assert_eq!(offsets(None, 48, &PointerMap::Missing, 40).len(), 6);
    assert_eq!(offsets(None, 0, &PointerMap::Sized(48), 40), [0; 0]);
    let locals = PointerMap::Sized(1 << 31);
    assert_eq!(offsets(None, 0, &locals, 40), [0; 0]);
    let locals = PointerMap::Bits(bits(2, &[0, 1]));
    assert_eq!(offsets(None, 0, &locals, 8), [8_u64.wrapping_neg(), 0]);
}
