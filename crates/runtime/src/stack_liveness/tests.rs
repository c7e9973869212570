use std::collections::HashMap;

use goheap_memory::{Fault, FaultKind};

use super::*;

const BASE: u64 = 0xc000_1000;

/// A stack as an array of words.
struct Stackful(Vec<u64>);

impl Memory for Stackful {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        let bytes: Vec<u8> = self.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        let fault = || Fault::new(at, buf.len(), FaultKind::Unmapped);
        let from = at.get().checked_sub(BASE).ok_or_else(fault)? as usize;
        let part = bytes.get(from..from + buf.len()).ok_or_else(fault)?;
        buf.copy_from_slice(part);
        Ok(())
    }
}

/// Masks by their addresses.
struct Tables(HashMap<u64, Vec<u8>>);

impl Masks for Tables {
    fn get(&self, record: &ObjectRecord) -> Result<Rc<ObjectMask>, TypeError> {
        let at = record.mask;
        let mask = self.0.get(&at.get());
        mask.map(|bits| Rc::new(ObjectMask(bits.as_slice().into())))
            .ok_or(TypeError::Kind { at, kind: 0 })
    }
}

fn at(word: u64) -> Addr {
    Addr::new(BASE + 8 * word)
}

fn record(words: u32, mask: u64) -> ObjectRecord {
    ObjectRecord {
        offset: -8,
        size: 8 * words,
        pointer_bytes: 8 * words,
        program: false,
        mask: Addr::new(mask),
    }
}

/// Two words each at 2, 4, 6 and 8: the first is a pointer, the second is none.
fn four(words: &[u64]) -> (StackObjects, Stackful, Tables) {
    let mut memory = Stackful(words.to_vec());
    memory.0.resize(16, 0);
    let stack = Stack {
        lo: at(0),
        hi: at(16),
    };
    let mut objects = StackObjects::new(stack);
    for word in [2, 4, 6, 8] {
        objects.add(at(word), record(2, 1)).unwrap();
    }
    (objects, memory, Tables([(1, vec![1])].into()))
}

fn pointers(objects: &StackObjects, masks: &Tables) -> Vec<(u64, Known)> {
    let mut seen = Vec::new();
    objects.pointers((at(0), at(16)), 8, masks, &mut |at, known| {
        seen.push(((at.get() - BASE) / 8, known));
    });
    seen
}

fn trace(objects: &mut StackObjects, memory: &Stackful, masks: &Tables) -> Vec<ObjectError> {
    let mut problems = Vec::new();
    objects.trace(memory, DataModel::LITTLE64, masks, &mut |problem| {
        problems.push(problem);
    });
    problems
}

#[test]
fn what_nothing_leads_to_is_dead() {
    let (mut objects, memory, masks) = four(&[]);
    objects.found(0, Known::Surely);
    objects.found(at(0).get(), Known::Surely);
    objects.found(at(16).get(), Known::Surely);
    objects.found(0x1234, Known::Maybe);
    assert_eq!(trace(&mut objects, &memory, &masks), []);
    assert_eq!(pointers(&objects, &masks), []);
    assert_eq!(objects.alive(), 0);
}

#[test]
fn objects_without_pointers_take_no_room() {
    let (mut objects, ..) = four(&[]);
    for _ in 0..1000 {
        objects.add(at(10), record(0, 1)).unwrap();
    }
    assert_eq!(objects.list.len(), 4);
    assert!(matches!(
        objects.add(at(9), record(0, 1)),
        Err(ObjectError::Misplaced { .. })
    ));
}

#[test]
fn an_object_leads_to_the_next_by_its_pointers_alone() {
    // The object at 2 leads to the middle of the one at 6 by its pointer, and to that at 4 by a
    // word that is none.
    let (mut objects, memory, masks) = four(&[0, 0, at(7).get() + 3, at(4).get()]);
    objects.found(at(3).get(), Known::Surely);
    assert_eq!(trace(&mut objects, &memory, &masks), []);
    let expected = [(2, Known::Surely), (6, Known::Surely)];
    assert_eq!(pointers(&objects, &masks), expected);
    assert_eq!(objects.alive(), 2);
}

#[test]
fn circles_come_to_an_end() {
    let words = [0, 0, at(4).get(), 0, at(2).get()];
    let (mut objects, memory, masks) = four(&words);
    objects.found(at(2).get(), Known::Surely);
    assert_eq!(trace(&mut objects, &memory, &masks), []);
    assert_eq!(objects.alive(), 2);
}

#[test]
fn a_sure_pointer_comes_before_one_that_may_be() {
    // 2 leads to 4; 6 leads to 4 and is itself met by a word only.
    let words = [0, 0, at(4).get(), 0, 0, 0, at(4).get(), 0, 0];
    let (mut objects, memory, masks) = four(&words);
    objects.found(at(6).get(), Known::Maybe);
    objects.found(at(2).get(), Known::Surely);
    trace(&mut objects, &memory, &masks);
    let expected = [(2, Known::Surely), (4, Known::Surely), (6, Known::Maybe)];
    assert_eq!(pointers(&objects, &masks), expected);

    // What only an unsure object leads to is unsure as well.
    let (mut objects, memory, masks) = four(&words);
    objects.found(at(6).get(), Known::Maybe);
    trace(&mut objects, &memory, &masks);
    assert_eq!(
        pointers(&objects, &masks),
        [(4, Known::Maybe), (6, Known::Maybe)]
    );
}

#[test]
fn an_object_without_a_mask_may_have_pointers_everywhere() {
    let (mut objects, memory, masks) = four(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, at(2).get()]);
    objects.add(at(10), record(3, 2)).unwrap();
    objects.found(at(12).get(), Known::Surely);
    let problems = trace(&mut objects, &memory, &masks);
    assert!(
        matches!(problems.as_slice(), [ObjectError::Mask { at: found, .. }] if *found == at(10)),
        "{problems:?}"
    );
    let expected = [2, 10, 11, 12].map(|word| (word, Known::Maybe));
    assert_eq!(pointers(&objects, &masks), expected);
}

#[test]
fn objects_do_not_overlap_and_stay_in_the_stack() {
    let (mut objects, _, _) = four(&[]);
    for (word, size) in [(9, 1), (2, 2), (15, 2), (16, 1), (1 << 60, 1)] {
        let error = objects.add(at(word), record(size, 1)).unwrap_err();
        assert!(matches!(error, ObjectError::Misplaced { .. }), "{error}");
    }
    objects.add(at(10), record(6, 1)).unwrap();
}

#[test]
fn a_part_of_an_object_has_the_pointers_of_that_part() {
    let stack = Stack {
        lo: at(0),
        hi: at(16),
    };
    let mut objects = StackObjects::new(stack);
    objects.add(at(1), record(12, 3)).unwrap();
    objects.found(at(1).get(), Known::Surely);
    let masks = Tables([(3, vec![0xff, 0x0f])].into());
    trace(&mut objects, &Stackful(vec![0; 16]), &masks);
    let mut seen = Vec::new();
    objects.pointers((at(5), at(8)), 8, &masks, &mut |at, _| {
        seen.push((at.get() - BASE) / 8);
    });
    assert_eq!(seen, [5, 6, 7]);
}

#[test]
fn words_near_the_end_of_memory_can_be_read_too() {
    let memory = Stackful((0..100).collect());
    let mut words = Words::new(&memory, DataModel::LITTLE64);
    let read: Vec<_> = (0..101).map(|i| words.get(at(i))).collect();
    let expected: Vec<_> = (0..100).map(Some).chain([None]).collect();
    assert_eq!(read, expected);
    assert_eq!(words.get(at(3)), Some(3));
    assert_eq!(words.get(Addr::new(BASE - 8)), None);
}
