use goheap_memory::{Registers, Thread};

use super::*;
use crate::goroutines::layout::Saved;
use crate::unwind::Stack;

fn walk(links: &[(u64, u64)], first: u64) -> (Vec<u64>, bool) {
    let mut chain = Chain::new(Addr::new(first));
    let mut seen = Vec::new();
    while let Some(at) = chain.at() {
        seen.push(at.get());
        let next = links
            .iter()
            .find(|(from, _)| *from == at.get())
            .map_or(0, |(_, to)| *to);
        if chain.advance(Addr::new(next)).is_err() {
            return (seen, true);
        }
    }
    (seen, false)
}

#[test]
fn a_chain_ends_at_nil() {
    assert_eq!(walk(&[], 0), (vec![], false));
    assert_eq!(walk(&[(1, 2), (2, 3)], 1), (vec![1, 2, 3], false));
}

#[test]
fn a_chain_that_goes_in_circles_is_noticed() {
    assert_eq!(walk(&[(1, 1)], 1), (vec![1], true));
    for (length, back_to) in [(2, 1), (3, 2), (100, 1), (100, 50), (100, 100)] {
        let mut links: Vec<(u64, u64)> = (1..length).map(|i| (i, i + 1)).collect();
        links.push((length, back_to));
        let (seen, circular) = walk(&links, 1);
        assert!(circular);
        assert!(
            seen.len() as u64 <= 4 * length,
            "{length} back to {back_to}: {}",
            seen.len()
        );
    }
}

fn g() -> G {
    let nowhere = Saved {
        pc: Addr::NIL,
        sp: Addr::NIL,
    };
    G {
        address: Addr::new(0x1000),
        id: 7,
        gopc: 0,
        startpc: Addr::NIL,
        waitsince: 0,
        waitreason: 0,
        sched: nowhere,
        ctxt: 0,
        syscall: nowhere,
        stack: Stack {
            lo: Addr::new(0x8000),
            hi: Addr::new(0x9000),
        },
        top: Addr::new(0x8ff0),
        m: Addr::NIL,
        defers: Addr::NIL,
        panics: Addr::NIL,
        running_cleanups: false,
    }
}

fn threads(sps: &[u64]) -> ThreadStacks {
    let thread = |sp: &u64| Thread {
        tid: 1,
        registers: Registers {
            pc: Addr::new(0x400),
            sp: Addr::new(*sp),
            general: Vec::new(),
        },
    };
    ThreadStacks::new(&sps.iter().map(thread).collect::<Vec<_>>())
}

fn at(pc: u64, sp: u64) -> Saved {
    Saved {
        pc: Addr::new(pc),
        sp: Addr::new(sp),
    }
}

#[test]
fn a_system_call_tells_where_whatever_the_status() {
    let g = G {
        syscall: at(0x500, 0x8800),
        sched: at(0x600, 0x8700),
        ..g()
    };
    let threads = threads(&[0x8400]);
    for state in [
        GoroutineState::Syscall,
        GoroutineState::Running,
        GoroutineState::Waiting,
    ] {
        assert_eq!(
            threads.context(state, &g, &M::default()),
            Some(Context::Saved(at(0x500, 0x8800)))
        );
    }
}

#[test]
fn a_waiting_goroutine_tells_where_by_itself() {
    let g = G {
        sched: at(0x600, 0x8700),
        ..g()
    };
    for state in [
        GoroutineState::Waiting,
        GoroutineState::Leaked,
        GoroutineState::Preempted,
    ] {
        let context = threads(&[0x8400]).context(state, &g, &M::default());
        assert_eq!(context, Some(Context::Saved(at(0x600, 0x8700))));
    }
}

#[test]
fn a_running_goroutine_is_where_its_thread_is() {
    let running = GoroutineState::Running;
    let g = G {
        sched: at(0x600, 0x8700),
        ..g()
    };
    let m = M {
        vdso: None,
        g0: Some(Stack {
            lo: Addr::new(0x9000),
            hi: Addr::new(0xa000),
        }),
    };
    // On its own stack; on the scheduler's, having saved where it left; on a signal handler's.
    let own = threads(&[0x100, 0x8fff, 0x9000]).context(running, &g, &m);
    assert_eq!(own, Some(Context::Registers(at(0x400, 0x8fff))));
    let left = threads(&[0x7fff, 0x9000]).context(running, &g, &m);
    assert_eq!(left, Some(Context::Saved(at(0x600, 0x8700))));
    assert_eq!(threads(&[0x7fff, 0xa000]).context(running, &g, &m), None);
    // gogo clears sched.sp.
    let g = G {
        sched: at(0x600, 0),
        ..g
    };
    assert_eq!(threads(&[0x9000]).context(running, &g, &m), None);
}

#[test]
fn a_goroutine_that_asks_the_vdso_is_where_its_m_says() {
    let running = GoroutineState::Running;
    let g = G {
        sched: at(0x600, 0x8700),
        ..g()
    };
    let g0 = Some(Stack {
        lo: Addr::new(0x9000),
        hi: Addr::new(0xa000),
    });
    let m = M {
        vdso: Some(at(0x700, 0x8600)),
        g0,
    };
    let context = threads(&[0x9000]).context(running, &g, &m);
    assert_eq!(context, Some(Context::Saved(at(0x700, 0x8600))));
    // It was the scheduler that asked.
    let m = M {
        vdso: Some(at(0x700, 0x9600)),
        g0,
    };
    let context = threads(&[0x9000]).context(running, &g, &m);
    assert_eq!(context, Some(Context::Saved(at(0x600, 0x8700))));
}

#[test]
fn the_scan_bit_is_no_state() {
    assert_eq!(GoroutineState::from_status(0x1004), GoroutineState::Waiting);
    assert_eq!(GoroutineState::from_status(6), GoroutineState::Dead);
    assert_eq!(GoroutineState::from_status(5), GoroutineState::Unknown(5));
    assert_eq!(GoroutineState::Unknown(5).to_string(), "status 0x5");
}
