//! What becomes of the target, and of signals on their way to it, when the tracer lets go or dies.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use goheap_process::{Process, StopOptions};

use crate::target::{Target, counted_signal, eventually};

/// Sends the counted signal to all threads of a process in turn until told to stop; returns how
/// many were accepted.
fn bombard(pid: u32, until: &AtomicBool) -> u64 {
    let mut sent = 0;
    while !until.load(Ordering::Relaxed) {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        for task in tasks {
            let tid: i32 = task.unwrap().file_name().to_str().unwrap().parse().unwrap();
            // SAFETY: tgkill has no preconditions.
            let got = unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, counted_signal()) };
            // The queue of pending signals may be full; then this one was not sent.
            sent += u64::from(got == 0);
        }
        thread::sleep(Duration::from_micros(100));
    }
    sent
}

/// Runs `work` while the target is bombarded, and makes sure that each signal arrives, once.
fn assert_signals_arrive(target: &mut Target, work: impl FnOnce(u32)) {
    let pid = target.pid();
    let done = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        let sender = scope.spawn(|| bombard(pid, &done));
        work(pid);
        done.store(true, Ordering::Relaxed);
        sender.join().unwrap()
    });
    assert!(sent > 100, "only {sent} signals were sent");
    target.assert_free();
    eventually("all signals have arrived", || target.ask("signals") == sent);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(target.ask("signals"), sent, "and no more");
    target.assert_runs();
}

#[test]
fn signals_during_stops_are_delivered_once() {
    let mut target = Target::start("counter");
    assert_signals_arrive(&mut target, |pid| {
        let until = Instant::now() + Duration::from_secs(2);
        let mut stops = 0;
        while Instant::now() < until {
            let process = Process::find(pid).unwrap();
            drop(process.stop(&StopOptions::default()).unwrap());
            stops += 1;
        }
        assert!(stops > 20, "only {stops} stops");
    });
}

#[test]
fn signals_between_moments_are_delivered_once() {
    let mut target = Target::start("counter");
    assert_signals_arrive(&mut target, |pid| {
        let mut moments = 0;
        while moments < 100 {
            let process = Process::find(pid).unwrap();
            let mut never = |_: &_| {
                moments += 1;
                false
            };
            let stopped = process.stop_when(&StopOptions::default(), &mut never);
            assert!(!stopped.unwrap().settled());
        }
    });
}

#[test]
fn a_tracer_killed_between_moments_frees_the_target_and_loses_no_signal() {
    let mut target = Target::start("counter");
    assert_signals_arrive(&mut target, |pid| {
        for round in 0..20 {
            let mut tracer = Target::start(&format!("picky {pid}"));
            thread::sleep(Duration::from_millis(2 + round % 7));
            tracer.child.kill().unwrap();
            tracer.child.wait().unwrap();
        }
    });
}

#[test]
fn a_killed_tracer_frees_the_target_and_loses_no_signal() {
    let mut target = Target::start("counter");
    assert_signals_arrive(&mut target, |pid| {
        for round in 0..40 {
            let mut tracer = Target::start(&format!("juggler {pid}"));
            thread::sleep(Duration::from_millis(2 + round % 7));
            tracer.child.kill().unwrap();
            tracer.child.wait().unwrap();
        }
    });
}

#[test]
fn a_tracer_killed_while_it_holds_frees_the_target() {
    let mut target = Target::start("counter");
    let mut tracer = Target::start(&format!("holder {}", target.pid()));
    assert_ne!(target.status("TracerPid"), "0");
    tracer.child.kill().unwrap();
    tracer.child.wait().unwrap();
    target.assert_free();
    target.assert_runs();
}

#[test]
fn a_killed_tracer_leaves_a_job_stop_as_it_was() {
    let mut target = Target::start("counter");
    let pid = target.pid() as i32;
    // SAFETY: kill has no preconditions.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGSTOP) }, 0);
    eventually("it stops", || target.status("State").starts_with('T'));
    let mut tracer = Target::start(&format!("holder {pid}"));
    assert!(target.status("State").starts_with('t'));
    tracer.child.kill().unwrap();
    tracer.child.wait().unwrap();
    target.assert_free();
    eventually("it is back in its stop", || {
        target.status("State").starts_with('T')
    });
    // SAFETY: kill has no preconditions.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGCONT) }, 0);
    target.assert_runs();
}

#[test]
fn an_interrupted_tracer_lets_go_and_a_second_signal_ends_it() {
    let mut target = Target::start("counter");
    let mut tracer = Target::start(&format!("interruptible {}", target.pid()));
    let signal = |signal| {
        // SAFETY: kill has no preconditions.
        assert_eq!(unsafe { libc::kill(tracer.child.id() as i32, signal) }, 0);
    };
    signal(libc::SIGINT);
    assert_eq!(tracer.line(), libc::SIGINT.to_string());
    target.assert_free();
    target.assert_runs();
    let pid = tracer.child.id() as i32;
    // SAFETY: kill has no preconditions.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
    let status = tracer.child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(libc::SIGTERM)
    );
}

#[test]
fn calls_that_wait_are_not_disturbed() {
    let mut target = Target::start("catcher");
    for _ in 0..50 {
        drop(target.stop());
    }
    // It still waits for a question, and has not seen an error from the wait.
    assert_eq!(target.ask("signals"), 0);
}
