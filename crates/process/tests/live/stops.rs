//! Stopping, reading, resuming.

use std::panic::{self, AssertUnwindSafe};
use std::time::Duration;

use goheap_memory::{Addr, FaultKind, Mapping, Memory, Part, Target as _};
use goheap_process::{Method, ProcessError, SnapshotOptions, StopOptions, Stopped, Watch};

use crate::target::{BUFFER, PATTERN, SPINNERS, Target, eventually};

#[test]
fn a_busy_process_is_stopped_read_and_resumed() {
    let mut target = Target::start("counter");
    let stopped = target.stop();
    assert!(stopped.threads().len() > SPINNERS);
    for thread in stopped.threads() {
        let pc = thread.registers.pc;
        let code = |m: &goheap_memory::Mapping| m.start <= pc && pc < m.end && m.execute;
        assert!(stopped.mappings().iter().any(code), "{pc} is not code");
        assert_eq!(thread.registers.get("rip"), Some(pc.get()));
        assert_eq!(thread.registers.get("rsp"), Some(thread.registers.sp.get()));
        stopped.read(thread.registers.sp, &mut [0; 8]).unwrap();
    }
    let mut buffer = vec![0; BUFFER];
    stopped
        .read(Addr::new(target.ready[0]), &mut buffer)
        .unwrap();
    assert!(buffer.chunks(16).all(|chunk| chunk == PATTERN));
    assert_eq!(stopped.executable(), std::env::current_exe().ok());
    let entry = stopped.auxv().iter().find(|(kind, _)| *kind == 9);
    assert!(entry.is_some(), "AT_ENTRY");
    let pause = stopped.resume().expect("it was held until now");
    assert!(
        pause > Duration::ZERO && pause < Duration::from_secs(5),
        "{pause:?}"
    );
    target.assert_free();
    target.assert_runs();
}

#[test]
fn nothing_moves_while_it_is_stopped() {
    let mut target = Target::start("births");
    for _ in 0..20 {
        let stopped = target.stop();
        let mut before = vec![0; 64 << 10];
        let stack = stopped.threads()[0].registers.sp;
        // Whatever is behind the stack pointer, up to the end of the mapping.
        let mapping = stopped
            .mappings()
            .iter()
            .find(|m| m.start <= stack && stack < m.end);
        let room = mapping.unwrap().end.since(stack).unwrap().min(64 << 10);
        before.truncate(room as usize);
        stopped.read(stack, &mut before).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        let mut after = vec![0; before.len()];
        stopped.read(stack, &mut after).unwrap();
        assert!(before == after);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", target.pid())).unwrap();
        for task in tasks {
            let path = task.unwrap().path().join("status");
            let state = crate::target::status(path.to_str().unwrap(), "State");
            assert!(state.starts_with('t') || state.starts_with('Z'), "{state}");
        }
        drop(stopped);
    }
    target.assert_free();
    let born = target.ask("born");
    eventually("threads are born again", || target.ask("born") > born);
    target.assert_runs();
}

#[test]
fn parts_are_read_in_any_number() {
    let target = Target::start("counter");
    let stopped = target.stop();
    let start = Addr::new(target.ready[0]);
    let mut buffers = vec![[0u8; 24]; 5000];
    let mut parts: Vec<Part<'_>> = buffers
        .iter_mut()
        .enumerate()
        .map(|(i, buffer)| Part {
            at: start.offset(16 * i as u64),
            buf: &mut buffer[..i % 25],
        })
        .collect();
    stopped.read_parts(&mut parts).unwrap();
    for part in &parts {
        let expected = PATTERN.iter().cycle();
        assert!(part.buf.iter().eq(expected.take(part.buf.len())));
    }
    // One bad part among good ones is the one that is named.
    let mut buffers = vec![[0u8; 8]; 3000];
    let mut parts: Vec<Part<'_>> = buffers
        .iter_mut()
        .map(|buf| Part { at: start, buf })
        .collect();
    parts[2500].at = Addr::new(16);
    let fault = stopped.read_parts(&mut parts).unwrap_err();
    assert_eq!((fault.at, fault.kind), (Addr::new(16), FaultKind::Unmapped));
}

#[test]
fn faults_tell_what_was_in_the_way() {
    let target = Target::start("counter");
    let stopped = target.stop();
    let pages = Addr::new(target.ready[1]);
    let kind = |offset: u64, len: usize| {
        let at = pages.offset(offset);
        let fault = stopped.read(at, &mut vec![0; len]).err()?;
        assert_eq!((fault.at, fault.len), (at, len as u64));
        Some(fault.kind)
    };
    let denied = FaultKind::Os(libc::EFAULT);
    assert_eq!(kind(0, 4096), None);
    assert_eq!(
        kind(0, 4097),
        Some(FaultKind::Unmapped),
        "runs into the hole"
    );
    assert_eq!(kind(4096, 1), Some(FaultKind::Unmapped), "the hole");
    assert_eq!(kind(2 * 4096, 8), Some(denied), "PROT_NONE");
    assert_eq!(kind(3 * 4096, 4096), None);
    assert_eq!(kind(3 * 4096 - 4, 8), Some(denied), "begins in PROT_NONE");
    let at_zero = stopped.read(Addr::NIL, &mut [0; 1]).unwrap_err();
    assert_eq!(at_zero.kind, FaultKind::Unmapped);
    let at_the_end = stopped
        .read(Addr::new(u64::MAX - 3), &mut [0; 8])
        .unwrap_err();
    assert_eq!(at_the_end.kind, FaultKind::Unmapped);
    stopped.read(Addr::new(u64::MAX), &mut []).unwrap();
}

#[test]
fn memory_is_read_without_a_stop_and_by_other_threads() {
    let target = Target::start("counter");
    let memory = target.find().memory();
    let start = Addr::new(target.ready[0]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut buffer = vec![0; BUFFER];
                memory.read(start, &mut buffer).unwrap();
                assert!(buffer.chunks(16).all(|chunk| chunk == PATTERN));
            });
        }
    });
    target.assert_free();
}

#[test]
fn a_panic_while_it_is_held_lets_it_go() {
    let mut target = Target::start("counter");
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let _stopped = target.stop();
        panic!("a bug in whoever holds it");
    }));
    assert!(outcome.is_err());
    target.assert_free();
    target.assert_runs();
}

#[test]
fn a_process_killed_while_it_is_held_is_gone() {
    let mut target = Target::start("counter");
    let stopped = target.stop();
    let start = Addr::new(target.ready[0]);
    target.child.kill().unwrap();
    let mut word = [0; 8];
    eventually("its memory is gone", || {
        match stopped.read(start, &mut word) {
            Ok(()) => false,
            Err(fault) => {
                assert_eq!(fault.kind, FaultKind::Gone);
                true
            }
        }
    });
    stopped.resume().expect("it was held until now");
    // Its parent gets to know, as if nobody had traced it.
    let status = target.child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(libc::SIGKILL)
    );
}

#[test]
fn a_snapshot_outlives_its_process() {
    let mut target = Target::start("counter");
    let process = target.find();
    let options = SnapshotOptions {
        stop: StopOptions::default(),
        method: Some(Method::Stop),
        directory: std::env::temp_dir(),
        beside: 0,
        sites: Vec::new(),
    };
    let snapshot = process.snapshot(&options, &mut Any).expect("a snapshot");
    target.child.kill().unwrap();
    target.child.wait().unwrap();
    let mut pattern = [0; PATTERN.len()];
    let buffer = Addr::new(target.ready[0]);
    snapshot.read(buffer, &mut pattern).expect("what it wrote");
    assert_eq!(&pattern, PATTERN);
    // What nobody writes to is not copied.
    let code =
        |mapping: &&Mapping| mapping.execute && mapping.name.as_deref() == process.executable();
    let code = snapshot.mappings().iter().find(code).expect("its code");
    let mut bytes = [0; 4096];
    snapshot.read(code.start, &mut bytes).expect("its code");
    let file = std::fs::read(process.executable().unwrap()).unwrap();
    let offset = code.offset as usize;
    assert_eq!(bytes, file[offset..offset + bytes.len()]);
}

/// Takes any moment.
struct Any;

impl Watch for Any {
    fn suits(&mut self, _: &Stopped) -> bool {
        true
    }
}

#[test]
fn a_process_in_job_stop_stays_in_it() {
    let mut target = Target::start("counter");
    let pid = target.pid() as i32;
    // SAFETY: kill has no preconditions.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGSTOP) }, 0);
    eventually("it stops", || target.status("State").starts_with('T'));
    let stopped = target.stop();
    let mut word = [0; 16];
    stopped.read(Addr::new(target.ready[0]), &mut word).unwrap();
    assert_eq!(&word, PATTERN);
    stopped.resume().expect("it was held until now");
    target.assert_free();
    eventually("it is back in its stop", || {
        target.status("State").starts_with('T')
    });
    std::thread::sleep(Duration::from_millis(20));
    assert!(target.status("State").starts_with('T'));
    // SAFETY: kill has no preconditions.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGCONT) }, 0);
    target.assert_runs();
}

#[test]
fn a_thread_that_does_not_stop_holds_nobody_for_long() {
    let mut target = Target::start("vfork 2000");
    // Until it sits in the call.
    std::thread::sleep(Duration::from_millis(50));
    let impatient = StopOptions {
        deadline: Duration::from_millis(20),
        tries: 3,
        pause_between: Duration::from_millis(5),
        ..StopOptions::default()
    };
    let error = target.find().stop(&impatient).unwrap_err();
    assert!(
        matches!(error, ProcessError::DoesNotStop { tries: 3, .. }),
        "{error}"
    );
    target.assert_free();
    target.assert_runs();
    // The default outlasts the rest of these two seconds, or the second try of a slow machine.
    let patient = StopOptions {
        tries: 200,
        ..StopOptions::default()
    };
    let stopped = target.find().stop(&patient).unwrap();
    assert!(stopped.tries() > 1);
    // The tries that came to nothing held the other threads, and are told.
    let least = StopOptions::default().deadline * (stopped.tries() - 1);
    assert!(stopped.stopped_before() >= least);
    drop(stopped);
    target.assert_runs();
}

#[test]
fn a_moment_that_does_not_suit_is_given_up_for_another() {
    let mut target = Target::start("births");
    let process = target.find();
    let mut seen = Vec::new();
    let stopped = process
        .stop_when(&StopOptions::default(), &mut |stopped| {
            assert!(stopped.threads().len() > SPINNERS);
            let mut word = [0; 16];
            let buffer = Addr::new(target.ready[0]);
            stopped.read(buffer, &mut word).unwrap();
            assert_eq!(&word, PATTERN);
            seen.push((stopped.tries(), stopped.since(), stopped.stopped_before()));
            assert!(!stopped.settled());
            seen.len() == 5
        })
        .unwrap();
    assert!(stopped.settled());
    assert_eq!(seen.len(), 5);
    // A machine so busy that a try came too late has more of them.
    assert!(stopped.tries() >= 5);
    assert_eq!(seen.last().unwrap().0, stopped.tries());
    assert_eq!(seen.last().unwrap().2, stopped.stopped_before());
    for pair in seen.windows(2) {
        let stood_still = pair[1].2 - pair[0].2;
        let apart = pair[1].1.duration_since(pair[0].1);
        assert!(stood_still > Duration::ZERO && pair[1].0 > pair[0].0);
        // It ran in between, for as long as it had stood still; and behind a try that came too late, which
        // counts to what it stood still as well, for a time of its own.
        let options = StopOptions::default();
        let ran = match pair[1].0 - pair[0].0 {
            1 => options.between_moments.max(stood_still),
            more => options.between_moments + (more - 1) * options.pause_between,
        };
        assert!(
            apart >= stood_still + ran,
            "{apart:?}, {stood_still:?}, {ran:?}"
        );
    }
    stopped.resume().expect("it was held until now");
    target.assert_free();
    target.assert_runs();
}

#[test]
fn the_last_moment_is_kept_though_it_does_not_suit() {
    let mut target = Target::start("counter");
    let process = target.find();
    let mut asked = 0;
    let few = StopOptions {
        moments: 3,
        ..StopOptions::default()
    };
    let mut never = |_: &_| {
        asked += 1;
        false
    };
    let stopped = process.stop_when(&few, &mut never).unwrap();
    assert!(!stopped.settled());
    assert_eq!(asked, 3);
    let mut word = [0; 16];
    let buffer = Addr::new(target.ready[0]);
    stopped.read(buffer, &mut word).unwrap();
    assert_eq!(&word, PATTERN);
    drop(stopped);
    let brief = StopOptions {
        moments: u32::MAX,
        moments_within: Duration::from_millis(30),
        ..StopOptions::default()
    };
    let stopped = process.stop_when(&brief, &mut |_| false).unwrap();
    assert!(!stopped.settled());
    drop(stopped);
    target.assert_free();
    target.assert_runs();
}

#[test]
fn a_panic_while_a_moment_is_looked_at_lets_it_go() {
    let mut target = Target::start("counter");
    let process = target.find();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut bug = |_: &_| panic!("a bug in whoever looks");
        process.stop_when(&StopOptions::default(), &mut bug)
    }));
    assert!(outcome.is_err());
    target.assert_free();
    target.assert_runs();
}

#[test]
fn a_process_that_ends_between_two_moments_is_gone() {
    let mut target = Target::start("counter");
    let process = target.find();
    let error = process
        .stop_when(&StopOptions::default(), &mut |_| {
            // It dies as soon as it is let go.
            target.child.kill().unwrap();
            false
        })
        .unwrap_err();
    assert!(matches!(error, ProcessError::Gone { .. }), "{error}");
    let status = target.child.wait().unwrap();
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(libc::SIGKILL)
    );
}

#[test]
fn a_process_in_job_stop_stays_in_it_through_all_moments() {
    let mut target = Target::start("counter");
    let pid = target.pid() as i32;
    // SAFETY: kill has no preconditions.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGSTOP) }, 0);
    eventually("it stops", || target.status("State").starts_with('T'));
    let few = StopOptions {
        moments: 10,
        ..StopOptions::default()
    };
    let stopped = target.find().stop_when(&few, &mut |_| false).unwrap();
    assert!(stopped.tries() >= 10);
    drop(stopped);
    target.assert_free();
    std::thread::sleep(Duration::from_millis(20));
    assert!(target.status("State").starts_with('T'));
    // SAFETY: kill has no preconditions.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGCONT) }, 0);
    target.assert_runs();
}
