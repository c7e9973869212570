use std::collections::BTreeMap;

use goheap_golang::{Arch, Features, GoVersion, Layouts, Program, Structs};
use goheap_image::layout::{Member, Shape, TypeLayout};
use goheap_memory::{Machine, PageCache, Recorded, Registers, Thread};

use super::*;

/// A runtime by hand: some globals, and structs of words.
struct ByHand;

const ADDRESSES: [(&str, u64); 6] = [
    ("runtime.mheap_", 0x1000),
    ("runtime.allglock", 0x1100),
    ("runtime.finlock", 0x1110),
    ("runtime.profMemActiveLock", 0x1120),
    ("runtime.sweep", 0x1200),
    ("runtime.allm", 0x1300),
];

/// Name, members (name, offset, type) and size.
type Struct = (
    &'static str,
    &'static [(&'static str, u64, &'static str)],
    u64,
);

const STRUCTS: [Struct; 6] = [
    (
        "runtime.mutex",
        &[("rank", 0, "word"), ("key", 8, "word")],
        16,
    ),
    ("runtime.mheap", &[("lock", 16, "runtime.mutex")], 32),
    ("runtime.sweepdata", &[("active", 24, "active")], 32),
    ("active", &[("state", 0, "half")], 4),
    (
        "runtime.m",
        &[
            ("g0", 0, "word"),
            ("procid", 16, "word"),
            ("gsignal", 24, "word"),
            ("curg", 32, "word"),
            ("p", 40, "word"),
            ("mallocing", 48, "half"),
            ("dying", 52, "half"),
            ("alllink", 64, "word"),
        ],
        80,
    ),
    (
        "runtime.g",
        &[("stack", 0, "pair"), ("atomicstatus", 16, "half")],
        24,
    ),
];

impl Layouts for ByHand {
    fn type_layout(&self, name: &str) -> Option<TypeLayout> {
        let scalar = |size| TypeLayout {
            size,
            shape: Shape::Scalar,
        };
        match name {
            "half" => return Some(scalar(4)),
            "word" => return Some(scalar(8)),
            "pair" => return Some(scalar(16)),
            _ => {}
        }
        let (_, members, size) = STRUCTS.iter().find(|(known, _, _)| *known == name)?;
        let members = members.iter().map(|&(name, offset, ty)| Member {
            name: name.to_owned(),
            offset,
            type_name: ty.to_owned(),
        });
        let members = members.collect();
        Some(TypeLayout {
            size: *size,
            shape: Shape::Struct { members },
        })
    }
}

impl Program for ByHand {
    fn address(&self, name: &str) -> Option<Addr> {
        let (_, at) = ADDRESSES.iter().find(|(known, _)| *known == name)?;
        Some(Addr::new(*at))
    }
}

/// Two threads: 7 runs the goroutine at 0x3000, 8 waits. Words at addresses, to be changed.
fn quiet() -> BTreeMap<u64, u64> {
    let mut words = BTreeMap::new();
    for at in (0x1000..0x1400)
        .chain(0x2000..0x2100)
        .chain(0x3000..0x3100)
        .step_by(8)
    {
        words.insert(at, 0);
    }
    words.extend([
        (0x1300, 0x2000),
        // The m's: g0, procid, gsignal, curg, p, alllink.
        (0x2000, 0x3040),
        (0x2010, 7),
        (0x2018, 0x3060),
        (0x2020, 0x3000),
        (0x2028, 0x9000),
        (0x2040, 0x2080),
        (0x2080, 0x3080),
        (0x2090, 8),
        (0x2098, 0x30a0),
        // Their g's: bounds of the stack, and a status.
        (0x3000, 0x10000),
        (0x3008, 0x11000),
        (0x3010, 2),
        (0x3040, 0x20000),
        (0x3048, 0x21000),
        (0x3060, 0x30000),
        (0x3068, 0x31000),
        (0x3080, 0x40000),
        (0x3088, 0x41000),
        (0x30a0, 0x50000),
        (0x30a8, 0x51000),
    ]);
    // The stack of the first one's scheduler.
    words.extend((0x20800..0x21000).step_by(8).map(|at| (at, 0)));
    words
}

fn target(words: &BTreeMap<u64, u64>, registers: &[(u64, u64, u64)]) -> Recorded {
    let mut target = Recorded::new(Machine::Amd64);
    for (at, word) in words {
        target.put(Addr::new(*at), &word.to_le_bytes());
    }
    for (tid, &(pc, sp, rbp)) in (7..).zip(registers) {
        let mut words = [0; 27];
        (words[4], words[16], words[19]) = (rbp, pc, sp);
        let registers = Registers::amd64(&words);
        target.threads.push(Thread { tid, registers });
    }
    target
}

const RUNNING: [(u64, u64, u64); 2] = [(0x400000, 0x10800, 0), (0x400000, 0x40800, 0)];

fn check(version: &str, functions: &[(u64, u64)]) -> MomentCheck {
    let empty = Recorded::new(Machine::Amd64);
    let version: GoVersion = version.parse().unwrap();
    let world = World {
        target: &empty,
        memory: PageCache::new(&empty),
        model: DataModel::LITTLE64,
        arch: Arch::of(Machine::Amd64),
        program: &ByHand,
        structs: Structs::new(&ByHand),
        said_instead: None,
        features: Features::of(&version).unwrap(),
        version,
        modules: Vec::new(),
    };
    let mut check = MomentCheck::prepare(&world).unwrap();
    let functions = functions.iter().map(|&(a, b)| (Addr::new(a), Addr::new(b)));
    check.copiers.functions = functions.collect();
    check
}

/// What is said of the quiet moment after `changes`.
fn said(
    version: &str,
    changes: &[(u64, u64)],
    registers: &[(u64, u64, u64)],
) -> Vec<(Hazard, u64)> {
    let mut words = quiet();
    words.extend(changes.iter().copied());
    let moment = check(version, &[(0x500000, 0x500100)]).look(&target(&words, registers));
    assert_eq!(moment.is_safe(), moment.reasons.is_empty());
    let told = moment.reasons.iter().map(|r| (r.hazard, r.at.get()));
    told.collect()
}

#[test]
fn a_quiet_moment_is_safe() {
    for version in ["go1.19.8", "go1.23.9", "go1.24.3", "go1.27.3"] {
        assert_eq!(said(version, &[], &RUNNING), []);
        // All is swept: the bit is no count.
        assert_eq!(said(version, &[(0x1218, 1 << 31)], &RUNNING), []);
    }
}

#[test]
fn each_word_that_is_not_as_it_should_be_is_told() {
    for version in ["go1.19.8", "go1.27.3"] {
        for (change, told) in [
            ((0x1018, 1), (Hazard::Heap, 0x1018)),
            ((0x1108, 1), (Hazard::Goroutines, 0x1108)),
            ((0x1118, 1), (Hazard::Finalizers, 0x1118)),
            ((0x1128, 1), (Hazard::Profile, 0x1128)),
            ((0x1218, 1), (Hazard::Sweep, 0x1218)),
            ((0x1218, 1 << 31 | 2), (Hazard::Sweep, 0x1218)),
            ((0x2030, 1), (Hazard::Malloc, 0x2030)),
            ((0x20b0, 1), (Hazard::Malloc, 0x20b0)),
            ((0x3010, 8), (Hazard::StackCopy, 0x3000)),
            ((0x3010, 0x1008), (Hazard::StackCopy, 0x3000)),
        ] {
            assert_eq!(said(version, &[change], &RUNNING), [told], "{change:x?}");
        }
    }
    let two = said("go1.25.5", &[(0x1018, 1), (0x20b0, 1)], &RUNNING);
    assert_eq!(two, [(Hazard::Malloc, 0x20b0), (Hazard::Heap, 0x1018)]);
}

/// What stands above the lowest bit is about who waits since go1.24, and is 2 for "held, and others
/// sleep" before.
#[test]
fn a_lock_is_held_as_its_version_has_it() {
    for (version, held) in [
        ("go1.19.8", true),
        ("go1.23.9", true),
        ("go1.24.3 X:nospinbitmutex", true),
        ("go1.24.3", false),
        ("go1.27.3", false),
    ] {
        let told = said(version, &[(0x1018, 2)], &RUNNING);
        assert_eq!(!told.is_empty(), held, "{version}");
    }
}

/// A program that ends itself forbids malloc from then on, and counts both.
#[test]
fn a_panic_that_ends_the_program_is_not_malloc() {
    let half = |mallocing: u64, dying: u64| (0x2030, dying << 32 | mallocing);
    assert_eq!(said("go1.25.5", &[half(1, 1)], &RUNNING), []);
    assert_eq!(said("go1.25.5", &[half(2, 2)], &RUNNING), []);
    let in_malloc = [(Hazard::Malloc, 0x2030)];
    assert_eq!(said("go1.25.5", &[half(2, 1)], &RUNNING), in_malloc);
}

#[test]
fn a_thread_on_its_signal_stack_is_told() {
    let on_signal = [RUNNING[0], (0x400000, 0x50800, 0)];
    assert_eq!(
        said("go1.25.5", &[], &on_signal),
        [(Hazard::SignalStack, 0x50800)]
    );
}

#[test]
fn a_worker_that_copies_a_stack_is_told_by_its_callers() {
    let told = |changes: &[(u64, u64)], pc: u64, rbp: u64| {
        said("go1.25.5", changes, &[(pc, 0x20900, rbp), RUNNING[1]])
    };
    let copying = |at: u64| [(Hazard::StackCopy, at)];
    assert_eq!(told(&[], 0x400000, 0x20a00), []);
    assert_eq!(told(&[], 0x500010, 0x20a00), copying(0x500010));
    // A leaf that has no frame of its own, and one that is about to set it up.
    assert_eq!(
        told(&[(0x20900, 0x500020)], 0x400000, 0x20a00),
        copying(0x20900)
    );
    assert_eq!(
        told(&[(0x20908, 0x500020)], 0x400000, 0x20a00),
        copying(0x20908)
    );
    // Two callers up.
    let chain = [
        (0x20a00, 0x20b00),
        (0x20a08, 0x400123),
        (0x20b00, 0),
        (0x20b08, 0x5000ff),
    ];
    assert_eq!(told(&chain, 0x400000, 0x20a00), copying(0x20b08));
    // The same word where no frame is.
    assert_eq!(told(&[(0x20c08, 0x500020)], 0x400000, 0x20a00), []);
    // A chain that leads down, in a circle, or away.
    for next in [0x20a00, 0x20908, 0xffff_ffff_ffff_fff8, 0x20ffc] {
        assert_eq!(told(&[(0x20a00, next)], 0x400000, 0x20a00), []);
    }
    // Whoever has no processor copies nothing: what is on its stack is old.
    assert_eq!(told(&[(0x20900, 0x500020), (0x2028, 0)], 0x400000, 0), []);
}

#[test]
fn what_cannot_be_seen_is_not_safe() {
    let unseen = |changes: &[(u64, u64)]| {
        let told = said("go1.25.5", changes, &RUNNING);
        assert!(
            told.iter().all(|(hazard, _)| *hazard == Hazard::Unseen),
            "{told:?}"
        );
        told.len()
    };
    // The chain of m's leads nowhere, and in a circle.
    assert_eq!(unseen(&[(0x1300, 0x666000)]), 1);
    assert_eq!(unseen(&[(0x20c0, 0x2000)]), 1);
    // A goroutine that is nowhere.
    assert_eq!(unseen(&[(0x2020, 0x777000)]), 1);
    let nothing = Recorded::new(Machine::Amd64);
    let moment = check("go1.25.5", &[]).look(&nothing);
    assert_eq!(moment.reasons.len(), 2);
    assert!(moment.reasons.iter().all(|r| r.hazard == Hazard::Unseen));
}
