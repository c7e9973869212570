//! `go tool pprof` of the newest toolchain: sums and types are ours.

use std::collections::BTreeMap;
use std::path::Path;

use goheap_analysis::answers::what::what;
use goheap_analysis::{Analysis, NoWatch, NodeKind};
use goheap_export::pprof;
use goheap_export::select::Selection;
use goheap_testkit::{program, toolchains};

use goheap_export::text::clean;

use crate::heaps::{by_class, hostile, reachable, shop};

/// Characters of a name in a profile.
const LONGEST: usize = 240;

fn exported(analysis: &Analysis, selection: &Selection, path: &Path) {
    let mut file = Vec::new();
    pprof::write(analysis, selection, &NoWatch, &mut file).expect("an export");
    std::fs::write(path, file).expect("a file");
}

/// What `go tool pprof` says.
pub(crate) fn asked(arguments: &[&str], path: &Path) -> String {
    let newest = toolchains::CLAIMED.last().expect("a version").number;
    let goroot = toolchains::goroot(newest).expect("a toolchain");
    let output = program::go(&goroot)
        .args(["tool", "pprof"])
        .args(arguments)
        .arg(path)
        .env("PPROF_TMPDIR", path.parent().expect("a folder"))
        .output()
        .expect("go tool pprof");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "go tool pprof {arguments:?}: {said}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The samples of `-raw`: their values, and their locations, the innermost first.
fn samples(raw: &str) -> Vec<(Vec<u64>, Vec<u64>)> {
    let number = |text: &str| text.parse::<u64>().ok();
    raw.lines()
        .skip_while(|line| *line != "Samples:")
        .take_while(|line| *line != "Locations")
        .filter_map(|line| {
            let (values, locations) = line.split_once(": ")?;
            let values: Option<Vec<u64>> = values.split_whitespace().map(number).collect();
            let locations: Option<Vec<u64>> = locations.split_whitespace().map(number).collect();
            Some((values?, locations?))
        })
        .filter(|(values, _)| values.len() == 3)
        .collect()
}

fn sums(raw: &str) -> Vec<u64> {
    let samples = samples(raw);
    assert!(!samples.is_empty(), "{raw}");
    (0..3)
        .map(|place| samples.iter().map(|(values, _)| values[place]).sum())
        .collect()
}

/// Sums, and those of each type, are ours.
pub(crate) fn judge(analysis: &Analysis, path: &Path) {
    let raw = asked(&["-raw"], path);
    assert!(
        raw.contains("inuse_objects/count inuse_space/bytes[dflt] retained_space/bytes"),
        "{raw}"
    );
    let (objects, bytes) = reachable(analysis);
    // What is retained counts once, so it is all that is reachable.
    assert_eq!(sums(&raw), [objects, bytes, bytes]);

    // Flat is by type: `top` of pprof has what goheap's has.
    let top = asked(
        &["-top", "-nodecount=100000", "-nodefraction=0", "-unit=B"],
        path,
    );
    let mut flat: BTreeMap<String, u64> = BTreeMap::new();
    for line in top
        .lines()
        .skip_while(|line| !line.contains("flat%"))
        .skip(1)
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        let bytes = words[0].trim_end_matches('B').parse().expect("bytes");
        flat.insert(words[5..].join(" "), bytes);
    }
    flat.retain(|_, bytes| *bytes > 0);
    let mut ours: BTreeMap<String, u64> = BTreeMap::new();
    for (name, (_, bytes)) in by_class(analysis) {
        let words: Vec<String> = clean(&name, LONGEST)
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        *ours.entry(words.join(" ")).or_default() += bytes;
    }
    ours.retain(|_, bytes| *bytes > 0);
    // Of more than 50,000 samples the smallest are told as one, whatever their types are.
    let is_rest = |name: &str| name.ends_with(" smaller samples, told as one)");
    let told = flat.iter().filter(|(name, _)| is_rest(name));
    let rest: Vec<u64> = told.map(|(_, bytes)| *bytes).collect();
    flat.retain(|name, _| !is_rest(name));
    if rest.is_empty() {
        assert_eq!(flat, ours);
        return;
    }
    for (name, bytes) in &flat {
        assert!(ours.get(name) >= Some(bytes), "{name}: {bytes}");
    }
    let left = ours.values().sum::<u64>() - flat.values().sum::<u64>();
    assert_eq!(rest, [left]);
}

/// What a profile of what something alone holds has of bytes, in use and retained.
pub(crate) fn held(path: &Path) -> [u64; 2] {
    let sums = sums(&asked(&["-raw"], path));
    [sums[1], sums[2]]
}

#[test]
fn sums_and_types_are_ours() {
    let analysis = shop();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.pb.gz");
    exported(&analysis, &Selection::of(&analysis, None), &path);
    judge(&analysis, &path);

    // Who holds sessions: the field, with what comes behind it.
    let peek = asked(&["-peek", r"^main\.store", "-unit=B"], &path);
    assert!(peek.contains("main.store"), "{peek}");
    let traces = asked(&["-traces", "-focus", r"^main\.Session$"], &path);
    assert!(traces.contains("main.store"), "{traces}");
}

#[test]
fn goroutines_are_tags() {
    let analysis = shop();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.pb.gz");
    exported(&analysis, &Selection::of(&analysis, None), &path);
    let tags = asked(&["-tags"], &path);
    assert!(
        tags.contains("goroutine:") && tags.contains("wait_reason:"),
        "{tags}"
    );
}

#[test]
fn a_selection_is_what_it_holds_alone() {
    let analysis = shop();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("store.pb.gz");
    let store = what(&analysis, "main.store").expect("a variable");
    let node = match store {
        goheap_analysis::answers::what::Asked::Variable(root) => NodeKind::Root(root),
        other => panic!("{other:?}"),
    };
    exported(&analysis, &Selection::of(&analysis, Some(&store)), &path);
    let retained = analysis.retained_by(node);
    assert_eq!(held(&path), [retained, retained]);
}

#[test]
fn names_do_no_harm() {
    let analysis = hostile();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hostile.pb.gz");
    exported(&analysis, &Selection::of(&analysis, None), &path);
    let raw = asked(&["-raw"], &path);
    let (objects, bytes) = reachable(&analysis);
    assert_eq!(sums(&raw), [objects, bytes, bytes]);
    assert!(!raw.contains('\u{1b}') && !raw.contains('\u{202e}'));
    assert!(raw.lines().all(|line| line.len() < 3000));
}
