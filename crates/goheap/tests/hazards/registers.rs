//! Registers: of a program in which no thread runs, by ptrace, before and after captures; and of
//! threads that keep a value in each of them while they are captured.

use goheap_testkit::quiescent::Quiescent;
use goheap_testkit::registers::registers;

use crate::{METHODS, capture, is_open, program};

/// In the middle of its own `WriteHeapDump` all threads of a Go program wait: captures change no
/// register of theirs, `orig_rax` included, by which the kernel knows what to restart.
#[test]
fn registers_of_waiting_threads_are_as_before() {
    let program = program("everything", false);
    let twin = Quiescent::start(&program, &[]).expect("a program at a standstill");
    // A wait with a time limit goes on by restart_syscall(2) after its first stop, whoever made that:
    // `orig_rax` tells so from then on.
    registers(twin.pid()).expect("registers");
    let before = registers(twin.pid()).expect("registers");
    assert!(before.len() > 2, "{} threads", before.len());
    for method in METHODS {
        if !is_open(method, twin.pid()) {
            continue;
        }
        for _ in 0..2 {
            capture(twin.pid(), method);
            let after = registers(twin.pid()).expect("registers");
            for (before, after) in before.iter().zip(&after) {
                assert_eq!(before, after, "after --method {method}");
            }
            assert_eq!(before.len(), after.len(), "threads after --method {method}");
        }
    }
    assert!(twin.stands_still().expect("the program"), "it was moved");
    twin.finish().expect("the runtime's dump");
}
