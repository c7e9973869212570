//! What is in objects that were made by hand, in which order they are listed, and what is found in them.

use goheap_golang::Kind;

use super::super::by_hand::World;
use super::super::listing::{Listing, Order};
use super::super::search;
use super::*;
use crate::{Interrupted, NoWatch, Watch};

const HEAP: u64 = 0xc0_0000_0000;

/// `var head *main.node`, of three nodes `{ next *node; name string; n int }`, the names of which are
/// objects, and one object of which nothing is known.
fn analysed() -> Analysis {
    let mut world = World::default();
    let int = world.ty("int", Kind::Int, 8, None);
    let string = world.ty("string", Kind::String, 16, None);
    let node = world.ty("main.node", Kind::Struct, 32, None);
    let to_node = world.ty("*main.node", Kind::Pointer, 8, Some(node));
    world.field(node, "next", 0, to_node);
    world.field(node, "name", 8, string);
    world.field(node, "n", 24, int);
    for place in 0..3u64 {
        let name = HEAP + 0x2000 + 0x40 * place;
        let next = if place < 2 {
            HEAP + 0x20 * (place + 1)
        } else {
            0
        };
        world.object(HEAP + 0x20 * place, &[next, name, 19, place], &[0, 1]);
        world.bytes(name, format!("name{place} <b> is longer").as_bytes(), 24);
    }
    world.object(HEAP + 0x4000, &[7, HEAP + 0x20, 9], &[1]);
    world.variable("main.head", 0, 1, Some(to_node));
    world.data = vec![HEAP, HEAP + 0x4000];
    world.analysis()
}

fn object(analysis: &Analysis, at: u64) -> ObjectId {
    analysis.dump.find(at).unwrap().0
}

#[test]
fn fields_have_values_and_lead_on() {
    let analysis = analysed();
    let first = object(&analysis, HEAP);
    let contents = contents(&analysis, first, 0, 10, 100);
    assert_eq!(
        (contents.form, contents.total, contents.more),
        (Form::Fields, Some(3), false)
    );
    let parts: Vec<(&str, &str, &str)> = contents
        .parts
        .iter()
        .map(|part| (part.name.as_str(), part.ty.as_str(), part.value.as_str()))
        .collect();
    assert_eq!(
        parts,
        [
            ("next", "*main.node", "0xc000000020"),
            ("name", "string", "\"name0 <b> is longer\""),
            ("n", "int", "0"),
        ]
    );
    assert_eq!(contents.parts[0].leads_to, Some(HEAP + 0x20));
    assert_eq!(contents.parts[1].leads_to, Some(HEAP + 0x2000));
    assert_eq!(contents.parts[2].leads_to, None);
    let rest = super::contents(&analysis, first, 2, 10, 100);
    assert_eq!((rest.parts.len(), rest.more), (1, false));
    let part = super::contents(&analysis, first, 0, 2, 100);
    assert_eq!((part.parts.len(), part.more), (2, true));
    let behind = super::contents(&analysis, first, u64::MAX, usize::MAX, 100);
    assert!(behind.parts.is_empty());
    let (found, total) = pointers(&analysis, first, 1, 10);
    assert_eq!(
        (found.len(), total, found[0].name.as_str()),
        (1, 2, ".name")
    );
    let second = object(&analysis, HEAP + 0x20);
    assert_eq!(pointer_name(&analysis, first, second), ".next");
    assert_eq!(pointer_name(&analysis, second, first), "");
}

#[test]
fn what_is_not_known_is_told_as_words() {
    let analysis = analysed();
    let odd = object(&analysis, HEAP + 0x4000);
    let contents = contents(&analysis, odd, 0, 10, 100);
    assert_eq!((contents.form, contents.total), (Form::Words, Some(3)));
    assert_eq!(contents.parts[0].value, "0000000000000007  ········");
    assert_eq!(contents.parts[1].leads_to, Some(HEAP + 0x20));
}

#[test]
fn text_is_cut() {
    let analysis = analysed();
    let name = object(&analysis, HEAP + 0x2000);
    let class = analysis.types.class(analysis.types.class_of(name));
    assert_eq!(class.map(|class| &class.what), Some(&What::StringBytes));
    let contents = contents(&analysis, name, 0, 10, 4);
    assert_eq!(
        (
            contents.form,
            &contents.text[..],
            contents.text_len,
            contents.more
        ),
        (Form::Text, &b"name"[..], 24, true)
    );
}

#[test]
fn objects_are_listed_by_what_they_retain_and_by_size() {
    let analysis = analysed();
    let listing = Listing::of(&analysis, &NoWatch).unwrap();
    let nodes = analysis.types.class_of(object(&analysis, HEAP));
    let addresses = |objects: &[ObjectId]| -> Vec<u64> {
        objects
            .iter()
            .map(|object| analysis.dump.address(*object) - HEAP)
            .collect()
    };
    // The second is held by the odd one as well.
    assert_eq!(
        addresses(listing.of_class(nodes, Order::Retained)),
        [0x20, 0, 0x40]
    );
    assert_eq!(
        addresses(listing.of_class(nodes, Order::Size)),
        [0, 0x20, 0x40]
    );
    assert_eq!(listing.largest(false, Order::Retained).len(), 7);
    let outer = addresses(listing.largest(true, Order::Retained));
    assert_eq!(outer, [0x20, 0, 0x4000]);
    assert!(
        listing
            .of_class(crate::types::ClassId(u32::MAX), Order::Size)
            .is_empty()
    );
}

#[test]
fn bytes_are_found_in_strings() {
    let analysis = analysed();
    let hits = search::bytes(&analysis, b" <b>", 10, &NoWatch).unwrap();
    assert_eq!((hits.hits.len(), hits.more), (3, false));
    assert_eq!(hits.hits[0].address, HEAP + 0x2000);
    assert_eq!(hits.hits[0].offset, 5);
    assert_eq!(hits.hits[0].around.0, b"name0");
    let some = search::bytes(&analysis, b"name", 2, &NoWatch).unwrap();
    assert_eq!((some.hits.len(), some.more), (2, true));
    assert!(
        search::bytes(&analysis, b"", 2, &NoWatch)
            .unwrap()
            .hits
            .is_empty()
    );
    assert!(
        search::bytes(&analysis, &[0; 40], 2, &NoWatch)
            .unwrap()
            .hits
            .is_empty()
    );

    struct Ended;
    impl Watch for Ended {
        fn at(&self, _: &'static str, _: u64, _: u64) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    assert_eq!(search::bytes(&analysis, b"x", 2, &Ended), Err(Interrupted));
}
