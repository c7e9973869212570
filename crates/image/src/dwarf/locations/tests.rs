//! Places in frames, and lists of them, by hand.

use super::*;

fn place(cfa_offset: i64, pointed_to: bool) -> Option<Place> {
    Some(Place {
        cfa_offset,
        pointed_to,
    })
}

#[test]
fn expressions() {
    for (expression, expected) in [
        (&[0x91, 0x78][..], place(-8, false)),
        (&[0x91, 0x80, 0x7f], place(-128, false)),
        (&[0x9c], place(0, false)),
        (&[0x91, 0x70, 0x06], place(-16, true)),
        // A slice whose three words are in a row,
        (
            &[
                0x91, 0x68, 0x93, 8, 0x91, 0x70, 0x93, 8, 0x91, 0x78, 0x93, 8,
            ],
            place(-24, false),
        ),
        // and one whose words are not, or are in a register.
        (&[0x91, 0x68, 0x93, 8, 0x91, 0x78, 0x93, 8], None),
        (&[0x50, 0x93, 8, 0x91, 0x78, 0x93, 8], None),
        (&[0x50], None),
        (&[], None),
        (&[0x91], None),
        (&[0x91, 0x80], None),
        (&[0x93, 8], None),
    ] {
        assert_eq!(place_of(expression), expected, "{expression:x?}");
    }
}

fn listed(locations: &Locations<'_>, version: u16, at: u64) -> Vec<(u64, u64, Vec<u8>)> {
    let mut all = Vec::new();
    let mut show = |from, to, expression: &[u8]| all.push((from, to, expression.to_vec()));
    locations.each(at, 0x1000, Some(8), version, &mut show);
    all
}

#[test]
fn lists_of_both_versions() {
    let word = |word: u64| word.to_le_bytes().to_vec();
    let loc = [
        word(0x10),
        word(0x20),
        vec![1, 0, 0x9c],
        word(u64::MAX),
        word(0x5000),
        word(1),
        word(2),
        vec![2, 0, 0x91, 0x78],
        word(0),
        word(0),
    ]
    .concat();
    let loclists = [
        vec![1, 1, 4, 0, 0x10, 1, 0x9c, 4, 0x10, 0x90, 1, 2, 0x91, 0x78],
        vec![8],
        word(0x7000),
        vec![5, 1, 0x50, 0],
    ]
    .concat();
    let addr = [word(0), word(0xa000), word(0xb000)].concat();
    let order = Order::fixed(true);
    let locations = Locations::new(order, loc.into(), loclists.into(), addr.into());
    assert_eq!(
        listed(&locations, 4, 0),
        [
            (0x1010, 0x1020, vec![0x9c]),
            (0x5001, 0x5002, vec![0x91, 0x78])
        ]
    );
    assert_eq!(
        listed(&locations, 5, 0),
        [
            (0xb000, 0xb010, vec![0x9c]),
            (0xb010, 0xb090, vec![0x91, 0x78]),
            (0x7000, 0x7005, vec![0x50]),
        ]
    );
    // Cut off, or nowhere.
    for at in 0..200 {
        listed(&locations, 4, at);
        listed(&locations, 5, at);
    }
    assert_eq!(locations.address(8, 5), None);
}
