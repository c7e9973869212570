//! Stops of real programs under load: a moment that is not safe is told, and another one found.
//!
//! `GOHEAP_VERSIONS` as in the other tests. How often what is met, on each version:
//!
//! ```text
//! GOHEAP_VERSIONS=all cargo test --release -p goheap-runtime --test safe_moments -- \
//!     --ignored --nocapture figures
//! ```
//!
//! With `GOHEAP_OPENING=1` it tells as well how long a stop takes beside the walk.
#![cfg(target_os = "linux")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use goheap_golang::ElfProgram;
use goheap_image::Executable;
use goheap_memory::{Addr, Fault, Machine, Mapping, Memory, Target, Thread};
use goheap_process::{LiveMemory, Mapped, Process, StopOptions, map_file};
use goheap_runtime::{Hazard, Moment, MomentCheck, World};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build};
use support::versions;

/// A process that runs on, as `goheap`'s own (`goheap/src/live.rs`).
struct Live<'p> {
    process: &'p Process,
    memory: LiveMemory,
}

impl Memory for Live<'_> {
    fn read(&self, at: Addr, buf: &mut [u8]) -> Result<(), Fault> {
        self.memory.read(at, buf)
    }
}

impl Target for Live<'_> {
    fn machine(&self) -> Machine {
        Machine::Amd64
    }

    fn threads(&self) -> &[Thread] {
        &[]
    }

    fn mappings(&self) -> &[Mapping] {
        self.process.mappings()
    }

    fn auxv(&self) -> &[(u64, u64)] {
        self.process.auxv()
    }

    fn executable(&self) -> Option<std::path::PathBuf> {
        None
    }
}

/// Starts `churn`, hands over its process as it runs, and sees that it runs on.
fn with_live(
    version: &str,
    arguments: &[&str],
    then: impl FnOnce(&Process, &Live<'_>, &ElfProgram<'_, Mapped>),
) {
    let program = build(version, "churn", &BuildOptions::default()).unwrap();
    let running = Obedient::start(&program, arguments).unwrap();
    let process = Process::find(running.pid()).unwrap();
    let executable = Executable::parse(map_file(&program.executable).unwrap()).unwrap();
    let live = Live {
        memory: process.memory(),
        process: &process,
    };
    let program = ElfProgram::new(&executable, &live).unwrap();
    then(&process, &live, &program);
    // It was not harmed.
    let before = running.cpu().unwrap();
    let patience = Instant::now() + Duration::from_secs(20);
    while running.cpu().unwrap() <= before {
        assert!(Instant::now() < patience, "it stands still");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The same with a check of its moments.
fn with_churn(version: &str, arguments: &[&str], then: impl FnOnce(&Process, &MomentCheck)) {
    with_live(version, arguments, |process, live, program| {
        let world = World::open(live, program).unwrap();
        let check = MomentCheck::prepare(&world).unwrap();
        drop(world);
        then(process, &check);
        if std::env::var_os("GOHEAP_OPENING").is_some() {
            opening(version, process, live, program);
        }
    });
}

/// What may have changed by the stop is read anew: all memory, and what the runtime sets of a module
/// that is linked already.
#[test]
fn a_world_that_was_opened_before_is_that_of_the_stop() {
    for version in versions() {
        with_live(version, &[], |process, live, program| {
            let mut world = World::open(live, program).unwrap();
            let module = world.modules.first_mut().unwrap();
            (module.data_mask, module.bss_mask, module.bad) = Default::default();
            let stopped = process.stop(&StopOptions::default()).unwrap();
            let reopened = world.stopped(&stopped).unwrap();
            let opened = World::open(&stopped, program).unwrap();
            let masks = |world: &World<'_>| {
                let all = world.modules.iter();
                let all = all.map(|module| (module.data_mask, module.bss_mask, module.bad));
                all.collect::<Vec<_>>()
            };
            assert_eq!(masks(&reopened), masks(&opened), "go{version}");
            assert!(masks(&opened)[0].0.0 > 0, "go{version}");
            let now = opened.global("runtime.memstats").unwrap();
            let mut words = [[0; 256]; 2];
            reopened.memory.read(now, &mut words[0]).unwrap();
            opened.memory.read(now, &mut words[1]).unwrap();
            assert_eq!(words[0], words[1], "go{version}");
        });
    }
}

/// How long a stop takes beside the walk: with all that is looked up before it, and without.
fn opening(version: &str, process: &Process, live: &Live<'_>, program: &ElfProgram<'_, Mapped>) {
    let mut all: [Vec<Duration>; 3] = Default::default();
    for _ in 0..50 {
        let world = World::open(live, program).unwrap();
        let mut asked = Instant::now();
        let mut yes = |_: &_| {
            asked = Instant::now();
            true
        };
        let stopped = process
            .stop_when(&StopOptions::default(), &mut yes)
            .unwrap();
        all[0].push(asked.elapsed());
        let begin = Instant::now();
        let _reopened = world.stopped(&stopped).unwrap();
        all[1].push(begin.elapsed());
        let begin = Instant::now();
        let _opened = World::open(&stopped, program).unwrap();
        all[2].push(begin.elapsed());
    }
    let [refresh, reopened, opened] = all.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    eprintln!(
        "go{version}: median in the stop: mappings and identity {refresh:?}, a world opened before \
         {reopened:?}, a world opened in it {opened:?}"
    );
}

/// One stop for a safe moment.
struct Settled {
    first: Moment,
    last: Moment,
    looks: u32,
    settled: bool,
    /// Of the last try, at once resumed, and of all.
    pause: Duration,
    total: Duration,
    looking: Duration,
}

fn settle(process: &Process, check: &MomentCheck, moments: u32) -> Settled {
    let options = StopOptions {
        moments,
        ..StopOptions::default()
    };
    let mut seen = Vec::new();
    let mut looking = Duration::ZERO;
    let stopped = process
        .stop_when(&options, &mut |stopped| {
            let begin = Instant::now();
            let moment = check.look(stopped);
            looking += begin.elapsed();
            // The same moment looks the same.
            assert_eq!(moment, check.look(stopped));
            let safe = moment.is_safe();
            seen.push(moment);
            safe
        })
        .unwrap();
    let settled = stopped.settled();
    let before = stopped.stopped_before();
    let pause = stopped.resume().expect("it was held until now");
    Settled {
        first: seen[0].clone(),
        last: seen[seen.len() - 1].clone(),
        looks: seen.len() as u32,
        settled,
        pause,
        total: before + pause,
        looking: looking / seen.len() as u32,
    }
}

/// A program that allocates flat out is caught in malloc soon. With one try that has to do, and the
/// reason is told; with more there is a safe moment.
#[test]
fn a_process_caught_in_malloc_is_tried_again() {
    for version in versions() {
        with_churn(version, &[], |process, check| {
            let mut caught = false;
            for _ in 0..500 {
                let once = settle(process, check, 1);
                assert_eq!((once.looks, once.settled), (1, once.last.is_safe()));
                for reason in &once.last.reasons {
                    assert_ne!(reason.hazard, Hazard::Unseen, "{reason:?}");
                    assert!(!reason.at.is_nil() && !reason.text.is_empty());
                }
                let malloc = |moment: &Moment| {
                    let mut reasons = moment.reasons.iter();
                    reasons.any(|reason| reason.hazard == Hazard::Malloc)
                };
                caught |= malloc(&once.last);
                if !caught {
                    continue;
                }
                let again = settle(process, check, 1000);
                assert!(again.settled, "go{version}: {:?}", again.last);
                assert!(again.last.is_safe());
                if malloc(&again.first) {
                    assert!(again.looks > 1 && again.total > again.pause);
                    return;
                }
            }
            panic!("go{version}: never caught in malloc and settled");
        });
    }
}

/// What a moment is like, 300 times for each version, flat out and under light load.
#[test]
#[ignore = "figures, not a test"]
fn figures() {
    const STOPS: usize = 300;
    for (load, arguments) in [("flat out", &[][..]), ("light", &["5ms"])] {
        for version in versions() {
            with_churn(version, arguments, |process, check| {
                std::thread::sleep(Duration::from_millis(300));
                let stops: Vec<Settled> = (0..STOPS)
                    .map(|i| {
                        // At moments that have nothing to do with each other.
                        std::thread::sleep(Duration::from_micros(3000 + 37 * (i as u64 % 101)));
                        settle(process, check, StopOptions::default().moments)
                    })
                    .collect();
                let mut first: BTreeMap<Hazard, usize> = BTreeMap::new();
                for stop in &stops {
                    let hazards: BTreeSet<_> =
                        stop.first.reasons.iter().map(|r| r.hazard).collect();
                    for hazard in hazards {
                        *first.entry(hazard).or_default() += 1;
                    }
                }
                let percent = |n: usize| 100.0 * n as f64 / STOPS as f64;
                let first: Vec<String> = first
                    .iter()
                    .map(|(hazard, n)| format!("{} {:.1}%", hazard.name(), percent(*n)))
                    .collect();
                let capped = stops.iter().filter(|stop| !stop.settled).count();
                let quantiles = |of: &dyn Fn(&Settled) -> f64| {
                    let mut all: Vec<f64> = stops.iter().map(of).collect();
                    all.sort_by(f64::total_cmp);
                    let at = |q: usize| all[(all.len() * q / 100).min(all.len() - 1)];
                    format!("{:.3}/{:.3}/{:.3}", at(50), at(90), at(99))
                };
                let millis = |duration: Duration| duration.as_secs_f64() * 1e3;
                eprintln!(
                    "go{version} {load}: tries {}; capped {:.1}%; first try: {}; ms p50/p90/p99: \
                     last pause {}, look {}, all tries {}",
                    quantiles(&|stop| f64::from(stop.looks)),
                    percent(capped),
                    if first.is_empty() {
                        "all safe".to_owned()
                    } else {
                        first.join(", ")
                    },
                    quantiles(&|stop| millis(stop.pause)),
                    quantiles(&|stop| millis(stop.looking)),
                    quantiles(&|stop| millis(stop.total)),
                );
            });
        }
    }
}
