//! Takes snapshots of a process, and compares each with its memory, byte for byte, within the stop:
//! `cargo run --release -p goheap-process --example compare -- PID METHOD TIMES DIRECTORY FROM-TO..`
//!
//! FROM-TO (hexadecimal) is code in which a system call may be made: of a Go program, that of
//! `runtime.futex` (`go tool nm -size`).

#[cfg(target_os = "linux")]
mod judge;

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::time::Duration;

    use goheap_memory::Addr;
    use goheap_process::{Method, Process, SnapshotOptions, StopOptions};

    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .ok_or("give PID METHOD TIMES DIRECTORY FROM-TO..")
    };
    let pid = next()?.parse()?;
    let method = next()?;
    let method = Method::ALL.into_iter().find(|known| known.name() == method);
    let times: u32 = next()?.parse()?;
    let directory = next()?.into();
    let mut sites = Vec::new();
    for range in arguments {
        let (from, to) = range.split_once('-').ok_or("FROM-TO")?;
        let address = |hex| u64::from_str_radix(hex, 16).map(Addr::new);
        sites.push(address(from)?..address(to)?);
    }
    let options = SnapshotOptions {
        stop: StopOptions {
            max_pause: Duration::from_secs(600),
            ..StopOptions::default()
        },
        method: Some(method.ok_or("pre-copy, fork or stop")?),
        directory,
        beside: 0,
        sites,
    };
    let (mut pages, mut absent, mut wrong) = (0, 0, 0);
    for round in 0..times {
        let process = Process::find(pid)?;
        let mut judge = judge::Judge::new(pid);
        judge.refuse = round % 3;
        let snapshot = process.snapshot(&options, &mut judge)?;
        let verdict = judge.judge(&snapshot);
        pages += verdict.pages;
        absent += verdict.absent;
        wrong += verdict.wrong.len();
        for page in verdict.wrong.iter().take(5) {
            println!("differs: {page}");
        }
        let taken = snapshot.end()?;
        println!(
            "{} pages, {} not there, {} wrong; {} rounds, {} KiB in the pause, {} MiB in all",
            verdict.pages,
            verdict.absent,
            verdict.wrong.len(),
            taken.rounds,
            taken.copied_in_pause >> 10,
            taken.copied >> 20,
        );
    }
    println!(
        "{times} snapshots: {pages} pages compared, {absent} of them not there, {wrong} wrong"
    );
    match wrong {
        0 => Ok(()),
        _ => Err("a snapshot differs from the memory that it is of".into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {}
