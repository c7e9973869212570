//! Stacks of live programs in mended dumps: what the frames' pointers lead to, against what the
//! programs say of themselves and what their own collectors kept and freed.
//!
//! By default on three Go versions; `GOHEAP_VERSIONS=all`, or a list with commas, for others.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeSet;

use goheap_format::{Fields, Record};
use goheap_runtime::{Fidelity, Summary};
use goheap_testkit::{BuildOptions, Program, build};

use support::{Told, minor, versions, walk};

/// A frame, and where its pointers lead.
#[derive(Debug)]
struct Frame {
    function: String,
    sp: u64,
    len: u64,
    continues: bool,
    /// Offsets from `sp`.
    offsets: Vec<u64>,
    targets: Vec<u64>,
}

/// The stacks of a program.
#[derive(Debug, Default)]
struct Stacks {
    frames: Vec<Frame>,
    /// Descriptions and targets of the other roots.
    roots: Vec<(String, u64)>,
    gaps: Vec<String>,
}

impl Stacks {
    fn of(pid: u32, program: &Program, fidelity: Fidelity) -> (Stacks, Summary) {
        let mut stacks = Stacks::default();
        let summary = walk(
            pid,
            &program.executable,
            fidelity,
            &mut |record: &Record<'_>| {
                match record {
                    Record::StackFrame(frame) => {
                        let Fields::Offsets(offsets) = frame.fields else {
                            panic!("{frame:?}")
                        };
                        let target = |offset: &u64| {
                            let at = usize::try_from(*offset).unwrap();
                            u64::from_le_bytes(frame.contents[at..at + 8].try_into().unwrap())
                        };
                        stacks.frames.push(Frame {
                            function: String::from_utf8_lossy(frame.function).into_owned(),
                            sp: frame.sp,
                            len: frame.contents.len() as u64,
                            continues: frame.continue_pc != 0,
                            offsets: offsets.to_vec(),
                            targets: offsets.iter().map(target).collect(),
                        });
                    }
                    Record::OtherRoot(root) => {
                        let what = String::from_utf8_lossy(root.description).into_owned();
                        stacks.roots.push((what, root.target));
                    }
                    _ => {}
                }
                Ok(())
            },
        );
        stacks.gaps = summary
            .gaps
            .kept()
            .iter()
            .map(ToString::to_string)
            .collect();
        (stacks, summary)
    }

    /// The functions whose frames lead to `object`.
    fn holders(&self, object: u64) -> Vec<&str> {
        let holds = |frame: &&Frame| frame.targets.contains(&object);
        self.frames
            .iter()
            .filter(holds)
            .map(|frame| frame.function.as_str())
            .collect()
    }

    fn frame_at(&self, address: u64) -> Option<&Frame> {
        let has = |frame: &&Frame| (frame.sp..frame.sp + frame.len).contains(&address);
        self.frames.iter().find(has)
    }
}

fn address(told: &Told, name: &str) -> u64 {
    told.told(name).next().unwrap_or_else(|| panic!("{name}"))[0]
}

/// The names of what the program's collector has kept, or freed.
fn verdicts(told: &Told, verdict: &str) -> BTreeSet<String> {
    let prefix = format!("{verdict}-");
    let names = told.facts.iter().map(|fact| fact.0.as_str());
    names
        .filter_map(|name| name.strip_prefix(&prefix))
        .map(str::to_owned)
        .collect()
}

#[test]
fn frames_lead_to_what_the_collector_kept_and_to_nothing_that_it_freed() {
    for version in versions() {
        let program = build(version, "stackobjects", &BuildOptions::default()).unwrap();
        let told = Told::start(&program.executable, &[]);
        let (exact, _) = Stacks::of(told.pid(), &program, Fidelity::Exact);
        let (mended, summary) = Stacks::of(told.pid(), &program, Fidelity::Mended);
        assert_eq!(mended.gaps, Vec::<String>::new(), "go{version}");
        assert!(summary.goroutines.stack_objects > 0, "go{version}");

        // The program's own collector is the judge.
        let (kept, freed) = (verdicts(&told, "kept"), verdicts(&told, "freed"));
        let wanted = ["dead", "trap", "trap-object"].map(str::to_owned);
        assert_eq!(freed, wanted.into(), "go{version}");
        assert!(kept.len() > 15, "go{version}: {kept:?}");
        let wide_on_stack = mended.frame_at(address(&told, "at-wide")).is_some();
        assert_eq!(wide_on_stack, minor(version) < 24, "go{version}");
        for name in &kept {
            let holders = mended.holders(address(&told, name));
            // Other objects lead to the array that was too large for a stack.
            let elsewhere = name.starts_with("wide-") && !wide_on_stack;
            // The method's receiver is in the closure that reflect made.
            let wanted = !elsewhere && name != "receiver";
            assert!(!wanted || !holders.is_empty(), "go{version}: {name}");
        }
        for name in &freed {
            let holders = mended.holders(address(&told, name));
            assert!(holders.is_empty(), "go{version}: {name} by {holders:?}");
        }

        // The runtime's dumper sees nothing of these.
        let mut hidden = vec!["live", "nested", "array-0", "array-64", "array-4095"];
        if wide_on_stack {
            hidden.extend(["wide-0", "wide-7000", "wide-10999"]);
        }
        for name in hidden {
            let holders = exact.holders(address(&told, name));
            assert!(holders.is_empty(), "go{version}: {name} by {holders:?}");
        }

        // The pointer is where the program says that the variable is.
        let at = address(&told, "at-live") + 16;
        let frame = mended.frame_at(at).unwrap();
        assert_eq!(frame.function, "main.live", "go{version}");
        assert!(frame.offsets.contains(&(at - frame.sp)), "go{version}");
        let at = address(&told, "at-dead") + 16;
        let frame = mended.frame_at(at).unwrap();
        assert_eq!(frame.function, "main.dead", "go{version}");
        assert!(!frame.offsets.contains(&(at - frame.sp)), "go{version}");

        // A frame that never goes on has no pointers of its own; what it holds for the function
        // that it called, which does go on, is none of it.
        let frame = mended
            .frames
            .iter()
            .find(|f| f.function == "main.trap")
            .unwrap();
        assert!(!frame.continues, "go{version}");
        for frame in &mended.frames {
            assert!(frame.offsets.is_sorted_by(|a, b| a < b), "{frame:?}");
        }
        for (name, stub) in [
            ("reflected", "reflect.makeFuncStub"),
            ("method", "reflect.methodValueCall"),
        ] {
            let holders = mended.holders(address(&told, name));
            assert!(
                holders.contains(&stub),
                "go{version}: {name} by {holders:?}"
            );
        }
    }
}

#[test]
fn a_goroutine_that_is_stopped_between_two_calls_has_its_registers() {
    for version in versions() {
        let program = build(version, "stackobjects", &BuildOptions::default()).unwrap();
        let told = Told::start(&program.executable, &["spin"]);
        let mut preempted = 0;
        for _ in 0..10 {
            let (stacks, _) = Stacks::of(told.pid(), &program, Fidelity::Mended);
            for name in ["spin-0", "spin-1"] {
                let object = address(&told, name);
                let holders = stacks.holders(object);
                let in_register = stacks.roots.iter().any(|root| root.1 == object);
                preempted += u32::from(holders.contains(&"runtime.asyncPreempt"));
                assert!(
                    in_register || !holders.is_empty(),
                    "go{version}: {name}: {:?}",
                    stacks.gaps
                );
            }
            assert_eq!(stacks.gaps, Vec::<String>::new(), "go{version}");
        }
        // There is one processor, so one of the two has always been taken off.
        assert!(preempted >= 10, "go{version}: {preempted}");
    }
}
