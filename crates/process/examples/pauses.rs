//! Stops a process many times and tells how long it stood still:
//! `cargo run --release -p goheap-process --example pauses -- PID [TIMES]`

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use goheap_memory::Target;
    use goheap_process::{Process, StopOptions};

    let mut arguments = std::env::args().skip(1);
    let pid = arguments.next().ok_or("give a PID")?.parse()?;
    let times: usize = arguments.next().map_or(Ok(100), |times| times.parse())?;
    let process = Process::find(pid)?;
    let (mut pauses, mut threads, mut tries) = (Vec::new(), 0, 0);
    for _ in 0..times.max(1) {
        let stopped = process.stop(&StopOptions::default())?;
        threads = stopped.threads().len();
        tries += stopped.tries();
        pauses.push(stopped.resume().expect("it was held until now"));
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    pauses.sort();
    let at = |part: usize| pauses[(pauses.len() - 1) * part / 100];
    let (median, p90, most) = (at(50), at(90), at(100));
    println!(
        "{} ({pid}), {threads} threads: {times} stops in {tries} tries, \
         still for {median:?} (median), {p90:?} (p90), {most:?} (most)",
        process.name(),
    );
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
