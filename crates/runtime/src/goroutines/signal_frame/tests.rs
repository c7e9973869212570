use super::*;

const STACK: Stack = Stack {
    lo: Addr::new(0x10000),
    hi: Addr::new(0x18000),
};

/// Where the frame is: a handler begins 8 bytes off the alignment of 16.
const AT: Addr = Addr::new(0x17008);

fn frame() -> Vec<u64> {
    let mut words = vec![0x401000, 7, 0, 0x10000, 0, 0x8000];
    words.extend(1..=16);
    // rip, eflags, the segments, err, trapno, oldmask, cr2, fpstate.
    words.extend([0x402000, 0x246, 0x002b_0000_0000_0033, 0, 0, 0, 0, 0x17400]);
    words
}

#[test]
fn a_frame_of_the_kernel_is_known() {
    assert_eq!(frame().len(), WORDS);
    assert!(is_frame(AT, &frame(), STACK));
}

#[test]
fn what_only_resembles_one_is_none() {
    assert!(!is_frame(AT.offset(8), &frame(), STACK));
    assert!(!is_frame(AT, &frame()[..20], STACK));
    let other = Stack {
        hi: Addr::new(0x20000),
        ..STACK
    };
    assert!(!is_frame(AT, &frame(), other));
    // Flags, link, bounds, code segment, the place of the other registers.
    for (i, value) in [
        (1, 8),
        (2, 1),
        (3, 0x11000),
        (5, 0x4000),
        (MCONTEXT + 18, 0x23),
        (MCONTEXT + 23, 0x9000),
    ] {
        let mut words = frame();
        words[i] = value;
        assert!(!is_frame(AT, &words, STACK), "word {i}");
    }
}
