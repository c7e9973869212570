use proptest::prelude::*;

use super::*;

/// What an index says of objects, told by a list of them.
struct Model(Vec<(u64, u64, u64)>);

impl Model {
    fn of(objects: &[(u64, u64)]) -> (Model, Index, Left) {
        let mut runs = Runs::default();
        let mut list = Vec::new();
        let mut record = 16;
        for &(address, size) in objects {
            runs.take(address, size, record, false).unwrap();
            list.push((address, size, record));
            record += 1 + number_len(address) + number_len(size) + size + 1;
        }
        let (index, left) = Index::of(runs).unwrap();
        list.sort_unstable();
        (Model(list), index, left)
    }

    fn check(&self, index: &Index) {
        assert_eq!(index.len() as usize, self.0.len());
        for (id, &(address, size, record)) in (0..).zip(&self.0) {
            assert_eq!(index.place(id), Some((address, size)), "{id}");
            assert_eq!(index.record(id), Some((record, address, size)));
            for within in [0, 1, size / 2, size - 1] {
                if within < size {
                    assert_eq!(index.find(address + within), Some((id, within)));
                }
            }
            let next = self.0.get(id as usize + 1).map(|object| object.0);
            if next != Some(address + size) {
                assert_eq!(index.find(address + size), None);
            }
            let before = (id as usize).checked_sub(1).map(|at| self.0[at]);
            if before.is_none_or(|(at, size, _)| at + size != address) {
                assert_eq!(index.find(address - 1), None);
            }
        }
        assert_eq!(index.place(index.len()), None);
        assert_eq!(index.record(u32::MAX), None);
        assert_eq!(index.find(0), None);
        assert_eq!(index.find(u64::MAX), None);
    }
}

/// Spans as a heap has them: of one page or more, with some of their objects, in any order.
fn heap() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let sizes = prop::sample::select(vec![8u64, 16, 24, 48, 112, 512, 1024, 1408, 8192, 65536]);
    let span = (sizes, any::<u64>(), 0u32..4, 0u64..3);
    prop::collection::vec(span, 0..60).prop_map(|spans| {
        let mut objects = Vec::new();
        let mut at = 0xc0_0000_0000u64;
        let mut parts = Vec::new();
        for (size, seed, density, gap) in spans {
            at += gap * gap * PAGE * 100;
            let bytes = size.next_multiple_of(PAGE).max(PAGE);
            let mut random = seed;
            let mut part = Vec::new();
            for slot in 0..bytes / size {
                random = random.wrapping_mul(6364136223846793005).wrapping_add(1);
                if random >> 61 >= u64::from(density) * 2 {
                    part.push((at + slot * size, size));
                }
            }
            parts.push((seed, part));
            at += bytes;
        }
        parts.sort_unstable();
        for (_, part) in parts {
            objects.extend(part);
        }
        objects
    })
}

use super::super::runs::PAGE;

proptest! {
    #[test]
    fn any_heap(objects in heap()) {
        let (model, index, left) = Model::of(&objects);
        prop_assert_eq!(left, Left::default());
        model.check(&index);
    }

    #[test]
    fn anything(objects in prop::collection::vec((any::<u64>(), 0u64..200), 0..200)) {
        let (_, index, _) = Model::of(&objects);
        for id in 0..index.len() {
            let (address, size) = index.place(id).unwrap();
            prop_assert!(objects.contains(&(address, size)));
            prop_assert_eq!(index.find(address), Some((id, 0)));
            prop_assert_eq!(index.find(address + size - 1), Some((id, size - 1)));
            let (record, ..) = index.record(id).unwrap();
            prop_assert!(record >= 16);
        }
    }

    #[test]
    fn what_overlaps(objects in prop::collection::vec((1u64..3000, 1u64..40), 1..200)) {
        let (_, index, left) = Model::of(&objects);
        prop_assert_eq!(u64::from(index.len()) + left.overlapping, objects.len() as u64);
        let mut end = 0;
        for id in 0..index.len() {
            let (address, size) = index.place(id).unwrap();
            prop_assert!(address >= end);
            prop_assert!(objects.contains(&(address, size)));
            end = address + size;
        }
    }
}

#[test]
fn a_large_object_among_small_ones() {
    let mut objects = vec![(0xc000100000, 3 << 30)];
    objects.extend((0..512).map(|i| (0xc000000000 + i * 16, 16)));
    objects.push((0xc200000000, 6 << 30));
    objects.push((0x7f00_0000_0000, 1));
    objects.push((0x7f00_0000_0001, 1));
    let (model, index, left) = Model::of(&objects);
    assert_eq!(left, Left::default());
    model.check(&index);
    assert_eq!(index.find(0xc000100000 + (2 << 30)), Some((512, 2 << 30)));
}

#[test]
fn the_one_with_fewer_objects_gives_way() {
    let mut objects: Vec<_> = (0..10).map(|i| (0xc000002000 + i * 32, 32)).collect();
    // A record whose address was damaged, and the same object twice.
    objects.push((0xc000002000 - 16, 64));
    objects.push((0xc000002020, 32));
    let (_, index, left) = Model::of(&objects);
    assert_eq!(left.overlapping, 2);
    assert_eq!(index.len(), 10);
    assert_eq!(index.find(0xc000002025), Some((1, 5)));
}

#[test]
fn what_cannot_be_is_counted() {
    let mut runs = Runs::default();
    runs.take(u64::MAX, 16, 16, false).unwrap();
    runs.take(0xc000000000, 0, 17, false).unwrap();
    assert_eq!(runs.impossible, 2);
    let (index, _) = Index::of(runs).unwrap();
    assert_eq!(index.len(), 0);
}

#[test]
fn a_small_heap_takes_few_bytes_an_object() {
    let mut runs = Runs::default();
    let mut record = 16;
    // Every fourth span has a hole.
    for span in 0..4096u64 {
        for slot in 0..256 {
            if span % 4 != 0 || slot != 100 {
                runs.take(0xc000000000 + span * PAGE + slot * 32, 32, record, true)
                    .unwrap();
                record += 44;
            }
        }
    }
    let (index, _) = Index::of(runs).unwrap();
    assert!(
        index.bytes() < 3 * index.len() as usize,
        "{}",
        index.bytes()
    );
}

#[test]
fn what_lies_between_two_spans_of_a_size_is_not_lost() {
    // Objects of a page each, with a span of another size between two of them; and the same of spans
    // of two pages with objects that are missing at the end of one and the start of the next.
    for (size, first, between, last) in [
        (8192, 0, 8192, 3 * 8192),
        (8192, 0, 2 * 8192, 200 * 8192),
        (1024, 2 * 1024, 8192, 3 * 8192 + 1024),
    ] {
        let heap = 0xc0_0000_0000u64;
        let mut objects = vec![(heap + first, size), (heap + last, size)];
        objects.extend((0..10).map(|n| (heap + between + n * 48, 48)));
        let (model, index, left) = Model::of(&objects);
        assert_eq!(left.overlapping, 0, "{size}");
        model.check(&index);
    }
}
