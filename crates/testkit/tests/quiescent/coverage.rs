//! What the program `everything` holds, told from the runtime's own dump of it: a twin proves only
//! what is in it.

use std::collections::{BTreeMap, BTreeSet};

use goheap_testkit::second_reader::Dump;

/// Minor version of `1.x.y`.
fn minor(version: &str) -> u32 {
    version
        .split('.')
        .nth(1)
        .and_then(|m| m.parse().ok())
        .expect("a version")
}

/// Fails if something that should be there is not.
pub(crate) fn check(version: &str, dump: &Dump, bytes: &[u8]) {
    let minor = minor(version);
    let text = |b: Option<&[u8]>| String::from_utf8_lossy(b.unwrap_or_default()).into_owned();

    let mut reasons = BTreeMap::<String, u32>::new();
    let mut statuses = BTreeSet::new();
    for g in dump.of("goroutine") {
        *reasons
            .entry(text(g.bytes("wait_reason", bytes)))
            .or_default() += 1;
        statuses.extend(g.int("status"));
    }
    let mut expected = vec![
        "GC scavenge wait",
        "GC sweep wait",
        "GC worker (idle)",
        "IO wait",
        "chan receive",
        "chan receive (nil chan)",
        "chan send",
        "chan send (nil chan)",
        "force gc (idle)",
        "select",
        "select (no cases)",
        "sleep",
        "sync.Cond.Wait",
    ];
    match minor {
        // That version gives the reason to the goroutine of the thread, not to the one that dumps.
        ..20 => expected.push("semacquire"),
        _ => expected.extend([
            "dumping heap",
            "sync.Mutex.Lock",
            "sync.RWMutex.Lock",
            "sync.RWMutex.RLock",
        ]),
    }
    if minor >= 23 {
        expected.push("coroutine");
    }
    expected.push(if minor >= 24 {
        "sync.WaitGroup.Wait"
    } else {
        "semacquire"
    });
    if minor >= 25 {
        expected.push("synctest.Run");
    }
    if minor >= 26 {
        expected.extend([
            "chan receive (durable)",
            "chan send (durable)",
            "select (durable)",
        ]);
    }
    for reason in expected {
        assert!(
            reasons.contains_key(reason),
            "Go {version} has no {reason:?}: {reasons:?}"
        );
    }
    // runtime/runtime2.go: _Grunnable, _Gsyscall, _Gwaiting.
    for status in [1, 3, 4] {
        assert!(
            statuses.contains(&status),
            "Go {version} has no status {status}: {statuses:?}"
        );
    }

    let functions: BTreeSet<String> = dump
        .of("stackframe")
        .map(|f| text(f.bytes("function", bytes)))
        .collect();
    for function in [
        "runtime.asyncPreempt",
        "runtime.sigpanic",
        "runtime.gopanic",
        "runtime.Goexit",
        "runtime.goexit",
        "reflect.makeFuncStub",
        "reflect.methodValueCall",
        "runtime.panicdivide",
        "main.deep",
        "main.huge",
        "main.neverRan.func1",
    ] {
        // A goroutine that never ran has the function, or the wrapper that has its arguments.
        let found = functions.contains(function)
            || function == "main.neverRan.func1"
                && functions.iter().any(|f| f.contains("startRunnable"));
        assert!(found, "Go {version} has no frame of {function}");
    }

    let sizes: BTreeSet<usize> = dump
        .of("object")
        .filter_map(|o| o.bytes("contents", bytes))
        .map(<[u8]>::len)
        .collect();
    // runtime/sizeclasses.go, go1.19 to go1.27: 67 classes, of 8 to 32768 bytes.
    let classes = sizes.iter().filter(|s| **s <= 32768).count();
    assert!(
        classes >= 67,
        "Go {version}: objects of {classes} size classes"
    );
    assert!(
        sizes.iter().any(|s| *s > 4 << 20),
        "Go {version}: no object of over 4 MiB"
    );

    let types: BTreeSet<String> = dump
        .of("type")
        .map(|t| text(t.bytes("name", bytes)))
        .collect();
    assert!(
        types.iter().any(|t| t.starts_with("struct {")),
        "Go {version}: no type made at run time"
    );
    assert!(
        types.iter().any(|t| t.contains("generic[")),
        "Go {version}: no generic type"
    );

    for (kind, least) in [
        ("goroutine", 400),
        ("defer", 20),
        ("panic", 15),
        ("finalizer", 50),
        ("queuedfinalizer", 250),
        ("itab", 1000),
        ("osthread", 20),
        ("memprof", 1),
        ("allocsample", 1),
        ("data", 1),
        ("bss", 1),
        ("memstats", 1),
    ] {
        let count = dump.of(kind).count();
        assert!(
            count >= least,
            "Go {version}: {count} records of {kind}, fewer than {least}"
        );
    }
    eprintln!(
        "Go {version}: {} records, wait reasons {reasons:?}",
        dump.records.len()
    );
}
