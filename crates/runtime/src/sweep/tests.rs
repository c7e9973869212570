use super::*;

fn special(offset: u64, kind: SpecialKind) -> Special {
    Special {
        at: Addr::new(0x1000 + offset),
        offset,
        kind,
    }
}

fn offsets(specials: &[Special]) -> Vec<(u64, SpecialKind)> {
    specials.iter().map(|s| (s.offset, s.kind)).collect()
}

#[test]
fn a_finalizer_keeps_its_dead_object_and_a_dead_object_loses_all() {
    use SpecialKind::{Cleanup, Finalizer, Other, Profile, WeakHandle};
    let span = Span::for_tests(64);
    // Object 0 lives; 1 is dead with a finalizer; 2 is dead without; 3 is dead, two finalizers on
    // different bytes of it.
    let list = vec![
        special(0, Finalizer),
        special(64, Finalizer),
        special(64, WeakHandle),
        special(64, Profile),
        special(64, Cleanup),
        special(128, WeakHandle),
        special(128, Profile),
        special(136, Cleanup),
        special(192, Finalizer),
        special(200, Finalizer),
        special(200, Other),
    ];
    let mut marked = vec![0b0000_0001];
    let (taken, left) = sweep_specials(&span, list, &mut marked);
    assert_eq!(marked, [0b0000_1011], "objects with finalizers live on");
    assert_eq!(
        offsets(&taken),
        [
            (64, Finalizer),
            (64, WeakHandle),
            (128, WeakHandle),
            (128, Profile),
            (136, Cleanup),
            (192, Finalizer),
            (200, Finalizer),
        ]
    );
    assert_eq!(
        offsets(&left),
        [(0, Finalizer), (64, Profile), (64, Cleanup), (200, Other)]
    );
}

#[test]
fn tells_which_generations_wait_for_the_sweeper() {
    let at = |sweepgen| Span {
        sweepgen,
        ..Span::for_tests(64)
    };
    for (sweepgen, waits) in [(8, true), (9, false), (10, false), (11, true), (13, false)] {
        assert_eq!(
            needs_sweep(&at(sweepgen), 10),
            waits,
            "generation {sweepgen} of 10"
        );
    }
    assert!(needs_sweep(&at(u32::MAX), 1), "the counter wraps");
}

#[test]
fn inline_marks_are_cleared_up_to_the_class() {
    let mut contents = vec![7; 8192];
    clear_inline_marks(&mut contents);
    assert!(contents[..8192 - 128].iter().all(|b| *b == 7));
    assert!(contents[8192 - 128..8191].iter().all(|b| *b == 0));
    assert_eq!(contents[8191], 7);
    clear_inline_marks(&mut [7; 10]);
}

#[test]
fn clears_the_handles_of_dead_objects_within_what_it_is_shown() {
    let effects = SweepEffects {
        cleared: [0x1000_u64, 0x1008, 0x1ff8, 0x2000].map(Addr::new).to_vec(),
        ..SweepEffects::default()
    };
    let mut contents = vec![1; 0x1000];
    effects.apply(8, Addr::new(0x1008), &mut contents);
    let zeros: Vec<usize> = (0..contents.len()).filter(|i| contents[*i] == 0).collect();
    let cleared = [0..8, 0xff0..0xff8, 0xff8..0x1000];
    assert_eq!(zeros, cleared.into_iter().flatten().collect::<Vec<_>>());
}

#[test]
fn objects_are_counted_by_the_index_and_the_bits_behind_it() {
    let mut span = Span::for_tests(640);
    assert_eq!(span.nelems, 12);
    let mut state = SpanState {
        // Objects 0 and 9, and bits behind the last one, which count for nothing.
        allocated: vec![0b0000_0001, 0b1111_0010],
        below: 0,
        free_index: 0,
        in_flight: Vec::new(),
        taken: Vec::new(),
        specials: Vec::new(),
        swept_here: false,
        in_sweep: false,
        released: false,
    };
    for (free_index, expected) in [
        (0, 2),
        (3, 4),
        (8, 9),
        (9, 10),
        (10, 10),
        (12, 12),
        (99, 12),
    ] {
        state.free_index = free_index;
        assert_eq!(state.counted(&span), Some(expected), "{free_index}");
        let written = (0..20).filter(|i| state.is_dumped(&span, *i, Fidelity::Mended));
        assert_eq!(written.count() as u64, expected, "{free_index}");
    }
    span.nelems = 0;
    assert_eq!(state.counted(&span), Some(0));
    state.in_sweep = true;
    assert_eq!(state.counted(&span), None);
}

#[test]
fn the_generation_tells_how_far_the_sweeper_is() {
    let mut span = Span::for_tests(64);
    for (behind, expected) in [
        (0, Sweep::Done),
        (-1, Sweep::Underway),
        (-2, Sweep::Waiting),
        (1, Sweep::Waiting),
        (3, Sweep::Done),
    ] {
        for heap in [0_u32, 8] {
            span.sweepgen = heap.wrapping_add_signed(behind);
            assert_eq!(Sweep::of(&span, heap), expected, "{behind}");
        }
    }
}
