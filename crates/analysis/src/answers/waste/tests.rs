use goheap_golang::Kind;

use super::super::by_hand::World;
use super::Waste;
use crate::NoWatch;

const HEAP: u64 = 0xc0_0000_0000;

/// A variable with three words for a string or a slice.
fn shown(w: &mut World, name: &str, ty: goheap_golang::catalogue::TypeId, words: &[u64]) {
    let at = w.data.len() as u64;
    w.data.extend(words);
    w.variable(name, at, words.len() as u64, Some(ty));
}

#[test]
fn room_and_what_nobody_shows() {
    let mut w = World::default();
    let byte = w.ty("uint8", Kind::Uint8, 1, None);
    let bytes = w.ty("[]uint8", Kind::Slice, 24, Some(byte));
    let string = w.ty("string", Kind::String, 16, None);
    let roomy = w.bytes(HEAP, &[], 1024);
    let pinned = w.bytes(HEAP + 0x1_0000, &[], 8192);
    let text = w.bytes(HEAP + 0x2_0000, b"something long", 4096);
    let whole = w.bytes(HEAP + 0x3_0000, &[1; 64], 64);
    let led_to = w.bytes(HEAP + 0x4_0000, &[], 2048);
    // Two slices show the first: the longer one counts.
    shown(&mut w, "main.a", bytes, &[roomy, 10, 1000]);
    shown(&mut w, "main.b", bytes, &[roomy + 20, 80, 980]);
    shown(&mut w, "main.c", bytes, &[pinned + 8000, 192, 192]);
    shown(&mut w, "main.d", string, &[text + 10, 4]);
    shown(&mut w, "main.e", bytes, &[whole, 64, 64]);
    shown(&mut w, "main.f", bytes, &[led_to, 1, 2048]);
    w.data.push(led_to + 100);
    let waste = Waste::of(&w.analysis(), &NoWatch).unwrap();
    assert_eq!(waste.slice_tails.total.bytes, 900);
    assert_eq!(waste.slice_tails.total.objects, 1);
    assert_eq!(waste.slice_tails.by_class.len(), 1);
    let pinned_bytes = 8000 + (10 + 4096 - 14);
    assert_eq!(waste.pinned.total.bytes, pinned_bytes);
    let largest: Vec<_> = waste.largest_pinned.iter().collect();
    assert_eq!(
        largest
            .iter()
            .map(|one| (one.address, one.shown))
            .collect::<Vec<_>>(),
        [(pinned, 192), (text, 4)]
    );
    assert_eq!(waste.not_judged.objects, 1);
    assert_eq!(waste.reachable.objects, 5);
}

#[test]
fn strings_that_are_there_twice() {
    let mut w = World::default();
    let string = w.ty("string", Kind::String, 16, None);
    for n in 0..5u64 {
        let text: &[u8] = if n < 3 {
            b"the same text, again and again"
        } else {
            b"something else"
        };
        let at = w.bytes(HEAP + n * 32, text, 32);
        shown(
            &mut w,
            &format!("main.v{n}"),
            string,
            &[at, text.len() as u64],
        );
    }
    // Behind the end of a string may be anything.
    w.objects[1].1[3] |= 0xff << 56;
    let waste = Waste::of(&w.analysis(), &NoWatch).unwrap();
    let duplicates = waste.duplicates;
    assert_eq!(
        (duplicates.contents, duplicates.copies, duplicates.bytes),
        (2, 3, 96)
    );
    let [first, second] = &duplicates.largest[..] else {
        panic!("{duplicates:?}")
    };
    assert_eq!((first.count, first.bytes, first.address), (3, 64, HEAP));
    assert_eq!(first.text, b"the same text, again and again");
    assert_eq!((second.count, second.bytes), (2, 32));
}

#[test]
fn types_that_cannot_be_do_no_harm() {
    let mut w = World::default();
    let mut ty = w.ty("string", Kind::String, 16, None);
    // Arrays of arrays, each of which claims to have no end, and to be of one byte.
    for level in 0..8 {
        let array = w.ty(&format!("array {level}"), Kind::Array, 1, Some(ty));
        w.catalogue.get_mut(array).unwrap().len = 1 << 40;
        let strukt = w.ty(&format!("struct {level}"), Kind::Struct, 8, None);
        w.field(strukt, "a", 0, array);
        w.field(strukt, "b", 0, strukt);
        ty = strukt;
    }
    let text = w.bytes(HEAP, b"text", 4096);
    let words = vec![text; 1000];
    shown(&mut w, "main.v", ty, &words);
    let waste = Waste::of(&w.analysis(), &NoWatch).unwrap();
    assert_eq!(waste.reachable.objects, 1);
}
