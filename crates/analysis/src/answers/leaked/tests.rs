use super::super::by_hand::{Routine, World};
use super::Leaks;
use crate::{Analysis, NoWatch};

const HEAP: u64 = 0xc0_0000_0000;

/// Makes goroutines that wait for channels: each has a `g`, a sudog and a channel of its own, to which
/// its own frame leads; `frames` tells what else does.
struct Waiters(World);

impl Waiters {
    fn new() -> Waiters {
        let mut world = World::default();
        world.runtime_layouts();
        Waiters(world)
    }

    fn channel(number: u64) -> u64 {
        HEAP + 0x10_0000 + number * 96
    }

    fn g(number: u64) -> u64 {
        HEAP + number * 64
    }

    fn sudog(number: u64) -> u64 {
        HEAP + 0x8_0000 + number * 48
    }

    fn add(&mut self, number: u64, reason: &'static str, others: &[u64]) {
        let (g, sudog, channel) = (Self::g(number), Self::sudog(number), Self::channel(number));
        let w = &mut self.0;
        w.object(g, &[0, sudog, 0x1000, 0x3000, 0, 0, 0, 0], &[1]);
        w.object(sudog, &[g, 0, 0, channel, 0, 0], &[0, 1, 2, 3, 4]);
        // The queue of the channel leads back to who waits.
        w.object(channel, &[sudog, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[0]);
        let mut frame = vec![channel];
        frame.extend(others.iter().map(|other| Self::channel(*other)));
        w.routines.push(Routine {
            g,
            id: number + 1,
            status: 4,
            reason,
            function: "main.wait",
            frame,
            ..Routine::default()
        });
        // runtime.allgs leads to all of them.
        w.data.push(g);
    }

    fn leaked(&self) -> Vec<u64> {
        let leaks = self.leaks();
        let leaked = leaks.leaked.iter();
        leaked
            .map(|index| self.0.routines[*index as usize].id - 1)
            .collect()
    }

    fn leaks(&self) -> Leaks {
        let analysis: Analysis = self.0.analysis();
        Leaks::of(&analysis.dump, &analysis.nodes, &NoWatch).unwrap()
    }
}

#[test]
fn who_can_be_woken_is_not_leaked_and_who_these_can_wake_is_not_either() {
    let mut w = Waiters::new();
    // 1 sleeps and can wake 2, who can wake 3. 4 and 5 could wake each other, and nobody them. 6 could
    // be woken by 5 alone.
    w.add(1, "sleep", &[2]);
    w.add(2, "chan receive", &[3]);
    w.add(3, "select", &[]);
    w.add(4, "chan send", &[5]);
    w.add(5, "chan receive", &[4, 6]);
    w.add(6, "chan receive", &[]);
    assert_eq!(w.leaked(), [4, 5, 6]);
    let leaks = w.leaks();
    assert_eq!(leaks.unknown, None);
    assert_eq!(leaks.waits_for(3), [Waiters::channel(4)]);
    assert!(leaks.undecided.is_empty() && leaks.is_leaked(5) && !leaks.is_leaked(0));
    // A variable that leads to the channel of 6 saves that alone.
    w.0.data.push(Waiters::channel(6));
    assert_eq!(w.leaked(), [4, 5]);
    w.0.data.push(Waiters::channel(4));
    assert!(w.leaked().is_empty(), "{:?}", w.leaked());
}

#[test]
fn a_select_waits_for_all_of_its_channels() {
    let mut w = Waiters::new();
    w.add(1, "sleep", &[3]);
    w.add(2, "select", &[]);
    w.add(3, "sleep", &[]);
    assert_eq!(w.leaked(), [2]);
    // Its second case is the channel that a sleeper knows.
    let second = HEAP + 0x9_0000;
    w.0.object(
        second,
        &[Waiters::g(2), 0, 0, Waiters::channel(3), 0, 0],
        &[0, 1, 2, 3, 4],
    );
    for (at, words, _) in &mut w.0.objects {
        if *at == Waiters::sudog(2) {
            words[4] = second;
        }
    }
    w.0.objects.sort();
    assert!(w.leaked().is_empty(), "{:?}", w.leaked());
}

#[test]
fn a_mutex_counts_by_its_address_and_what_the_runtime_waits_for_never() {
    let mut w = Waiters::new();
    for (number, reason) in [
        (1, "sync.Mutex.Lock"),
        (2, "sync.Mutex.Lock"),
        (3, "IO wait"),
        (4, "semacquire"),
        (5, "chan receive (nil chan)"),
        (6, "chan receive (durable)"),
    ] {
        w.add(number, reason, &[]);
    }
    for (at, words, _) in &mut w.0.objects {
        if *at == Waiters::sudog(1) || *at == Waiters::sudog(2) {
            // In the middle of an object; or in a global variable.
            words[2] = match *at == Waiters::sudog(1) {
                true => words[3] + 40,
                false => super::super::by_hand::DATA + 8,
            };
            words[3] = 0;
        }
    }
    assert_eq!(w.leaked(), [1, 5]);
    assert_eq!(w.leaks().waits_for(0), [Waiters::channel(1) + 40]);
    // Go's own profile marks those that it has found.
    w.0.routines[0].status = 10;
    assert_eq!(w.leaked(), [1, 5]);
    w.0.routines[0].status = 1;
    assert_eq!(w.leaked(), [5]);
}

#[test]
fn up_to_go1_25_frames_tell_what_a_semaphore_and_a_condition_are() {
    let mut w = Waiters::new();
    for number in 1..=3 {
        w.add(number, "sync.Cond.Wait", &[]);
    }
    w.add(4, "semacquire", &[]);
    for (at, words, _) in &mut w.0.objects {
        for number in 1..=4 {
            if *at == Waiters::g(number) {
                words[1] = 0;
            }
            if *at == Waiters::sudog(number) {
                // The list of the condition that 1 and 2 wait for; 3 waits for another.
                words[1] = if number == 1 { Waiters::sudog(2) } else { 0 };
                words[2] = if number == 4 { words[3] } else { 0 };
                words[3] = 0;
            }
        }
        for (first, condition) in [(1, Waiters::channel(1)), (3, Waiters::channel(3))] {
            if *at == condition {
                words[5] = Waiters::sudog(first);
            }
        }
    }
    for (routine, number) in w.0.routines.iter_mut().zip(1..) {
        let condition = Waiters::channel(if number == 2 { 1 } else { number });
        routine.frame = vec![Waiters::sudog(number), condition];
    }
    w.0.routines[3].function = "sync.runtime_Semacquire";
    assert_eq!(w.leaked(), [1, 2, 3, 4]);
    let leaks = w.leaks();
    assert!(leaks.undecided.is_empty());
    assert_eq!(leaks.waits_for(1), [Waiters::channel(1)]);
    w.0.data.push(Waiters::channel(1));
    assert_eq!(w.leaked(), [3, 4]);
    // A semaphore that is none of package sync may be anything.
    w.0.routines[3].function = "internal/poll.runtime_Semacquire";
    assert_eq!(w.leaked(), [3]);
    // Whose sudog is not found is not believed to be leaked.
    w.0.routines[2].frame = vec![];
    assert!(w.leaked().is_empty(), "{:?}", w.leaked());
    assert_eq!(w.leaks().undecided, [2]);
}

#[test]
fn main_may_end_in_an_empty_select_and_nobody_knows_without_layouts() {
    let mut w = Waiters::new();
    w.add(0, "select (no cases)", &[]);
    w.add(1, "select (no cases)", &[]);
    assert_eq!(w.leaked(), [1]);
    w.add(2, "chan receive", &[]);
    assert_eq!(w.leaked(), [1, 2]);
    w.0.catalogue = Default::default();
    let leaks = w.leaks();
    assert!(leaks.unknown.is_some());
    assert_eq!((leaks.leaked, leaks.undecided), (vec![1], vec![2]));
}

#[test]
fn a_ring_of_sudogs_has_an_end() {
    let mut w = Waiters::new();
    for number in 1..=4 {
        w.add(number, "chan receive", &[]);
    }
    for (at, words, _) in &mut w.0.objects {
        if *at == Waiters::sudog(1) {
            words[4] = *at;
        }
    }
    // All say that they are the first.
    let first = w.0.routines[0].clone();
    for _ in 0..50_000 {
        w.0.routines.push(first.clone());
    }
    assert_eq!(w.leaks().leaked.len(), 50_004);
}
