//! hprof-slurp counts the same objects of the same classes; hprof-analyzer finds the same edges, the same
//! dominators and the same retained sizes, but for the headers that Java's objects have.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use goheap_analysis::{Analysis, NoWatch, NodeId, NodeKind, ObjectId};
use goheap_export::hprof::{self, Written};
use goheap_export::text::{LONGEST, clean};
use hprof_analyzer::source::HprofSource;
use hprof_analyzer::{
    AnalyzeOptions, ExplorationResult, analyze_to_report_with_retained, build_exploration,
};

use crate::heaps::{class, hostile, shop};

/// What Java's objects have more than Go's: a value, and an array.
const HEADERS: [u64; 2] = [16, 24];

fn exported(analysis: &Analysis) -> (Vec<u8>, Written) {
    let mut file = Vec::new();
    let written = hprof::write(analysis, &NoWatch, &mut file).expect("an export");
    (file, written)
}

/// A name as readers of HPROF show it.
fn shown(name: &str) -> String {
    clean(name, LONGEST).replace('/', ".")
}

#[test]
fn slurp_counts_the_same_objects() {
    let analysis = shop();
    let (file, written) = exported(&analysis);
    assert_eq!(written.objects, u64::from(analysis.dump.object_count()));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.hprof");
    std::fs::write(&path, &file).expect("a file");
    let theirs = counts_are_ours(&analysis, &path);
    // 4,875 that are held, and those that were let go and not collected yet.
    assert_eq!(theirs.get("main.Session"), Some(&5000));
}

/// What hprof-slurp counts of each class, which must be what we do.
pub(crate) fn counts_are_ours(analysis: &Analysis, path: &Path) -> BTreeMap<String, u64> {
    let path = path.display().to_string();
    let (header, read) = hprof_slurp::slurp::slurp_file(&path, false, false).expect("an HPROF");
    assert_eq!(header.format, "JAVA PROFILE 1.0.2");
    assert_eq!(read.warnings, None);

    let mut ours: BTreeMap<String, u64> = BTreeMap::new();
    for object in analysis.dump.objects() {
        // What is an array for Java has its name there: []T is T[], and string is string[].
        let name = shown(class(analysis, object));
        let name = name.strip_prefix("[]").unwrap_or(&name);
        *ours.entry(name.to_owned()).or_default() += 1;
    }
    let goroutines = analysis.dump.goroutines().len() as u64;
    ours.insert("goroutine".to_owned(), goroutines);
    let mut theirs: BTreeMap<String, u64> = BTreeMap::new();
    for class in &read.memory_usage {
        let name = class.class_name.as_str();
        let name = match name.strip_suffix("[]") {
            Some(element) => element,
            None => name.strip_prefix("[]").unwrap_or(name),
        };
        *theirs.entry(name.to_owned()).or_default() += class.instance_count;
    }
    theirs.retain(|name, count| *count > 0 && name != "variable" && name != "part");
    let unlike = |name: &&String| ours.get(*name) != theirs.get(*name);
    let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    let unlike: Vec<_> = names
        .into_iter()
        .filter(unlike)
        .map(|name| (name, ours.get(name), theirs.get(name)))
        .collect();
    assert!(unlike.is_empty(), "ours and theirs: {unlike:?}");
    theirs
}

/// What hprof-analyzer makes of a file.
struct Theirs {
    of: ExplorationResult,
    at: HashMap<u64, usize>,
}

impl Theirs {
    fn read(file: Vec<u8>) -> Theirs {
        let source = HprofSource::from_bytes(file, "shop.hprof");
        let options = AnalyzeOptions::default();
        let (_, retained) = analyze_to_report_with_retained(&source, &options).expect("an HPROF");
        let of = build_exploration(&source, &retained).expect("an HPROF");
        let at = of
            .addrs
            .iter()
            .enumerate()
            .map(|(place, at)| (*at, place))
            .collect();
        Theirs { of, at }
    }

    fn place(&self, analysis: &Analysis, object: ObjectId) -> usize {
        let id = analysis.dump.address(object) << 4;
        *self
            .at
            .get(&id)
            .unwrap_or_else(|| panic!("no object {id:#x}"))
    }

    fn leads(&self, place: usize) -> impl Iterator<Item = usize> {
        let (start, end) = (self.of.fwd_offsets[place], self.of.fwd_offsets[place + 1]);
        let targets = &self.of.fwd_targets[start as usize..end as usize];
        targets.iter().map(|to| *to as usize)
    }

    /// An object, and the parts that it is told in.
    fn whole(&self, place: usize) -> Vec<usize> {
        let is_part = |at: &usize| {
            let name = &self.of.class_names_by_idx[*at];
            name == "part[]" || name == "[Lpart;"
        };
        let parts = self.leads(place).filter(is_part);
        [place].into_iter().chain(parts).collect()
    }

    /// Where an object leads, but for the objects that classes are.
    fn edges(&self, place: usize) -> BTreeSet<u64> {
        let whole = self.whole(place).into_iter();
        whole
            .flat_map(|place| self.leads(place))
            .map(|to| self.of.addrs[to])
            .filter(|to| to & 15 == 0 && *to != 0)
            .collect()
    }

    /// The size of an object, by Java's measure.
    fn size(&self, place: usize) -> u64 {
        let whole = self.whole(place).into_iter();
        whole.map(|place| u64::from(self.of.shallow[place])).sum()
    }
}

pub(crate) fn edges_and_dominators_are_ours(analysis: &Analysis, file: Vec<u8>) {
    let theirs = Theirs::read(file);
    let dump = &analysis.dump;
    let of_dump = theirs
        .of
        .addrs
        .iter()
        .filter(|at| **at & 15 == 0 && **at != 0);
    assert_eq!(of_dump.count() as u64, u64::from(dump.object_count()));

    // Sizes: ours and a header; edges: ours.
    let (mut headers, mut edges) = (0u64, 0);
    for object in dump.objects() {
        let place = theirs.place(analysis, object);
        let more = theirs.size(place) - dump.size(object);
        let parts = theirs.whole(place).len() as u64 - 1;
        // A part has a header, and a place in the whole.
        let expected = match parts {
            0 => HEADERS.contains(&more),
            parts => more == HEADERS[1] + parts * (HEADERS[1] + 8),
        };
        assert!(expected, "{} of {more}", class(analysis, object));
        let mut ours = BTreeSet::new();
        analysis.nodes.each(dump, object.0, |to| {
            ours.insert(dump.address(ObjectId(to)) << 4);
        });
        edges += ours.len();
        assert_eq!(theirs.edges(place), ours, "{}", class(analysis, object));
        let name = shown(class(analysis, object));
        let array = clean(class(analysis, object), LONGEST - 100).replace('/', ".");
        let array = format!("{}[]", array.strip_prefix("[]").unwrap_or(&array));
        let their = theirs.of.class_names_by_idx[place].replace('/', ".");
        let their = match their
            .strip_prefix("[L")
            .and_then(|name| name.strip_suffix(';'))
        {
            Some(element) => format!("{element}[]"),
            None => their,
        };
        assert!(their == name || their == array, "{their:?} for {name:?}");
        headers += more;
    }
    assert!(edges > 10_000 && headers > 0);

    // Retained: our tree, with their sizes. Each node's is compared, so each dominator is.
    let tree = &analysis.dominators;
    let mut sums: HashMap<u32, u64> = HashMap::new();
    for node in tree.preorder().iter().rev() {
        let own = match analysis.nodes.kind(NodeId(*node)) {
            NodeKind::Object(object) => theirs.size(theirs.place(analysis, object)),
            _ => 0,
        };
        let sum = sums.get(node).copied().unwrap_or(0) + own;
        sums.insert(*node, sum);
        if let Some(above) = tree.idom(*node) {
            *sums.entry(above).or_default() += sum;
        }
    }
    let mut compared = 0;
    for object in dump
        .objects()
        .filter(|object| analysis.is_reachable(*object))
    {
        let place = theirs.place(analysis, object);
        let (ours, theirs) = (sums[&object.0], theirs.of.retained[place]);
        assert_eq!(
            ours,
            theirs,
            "{:#x} {}",
            dump.address(object),
            class(analysis, object)
        );
        // Without headers it is what goheap says.
        assert!(analysis.retained_of(NodeId(object.0)) + HEADERS[0] <= ours);
        compared += 1;
    }
    assert!(compared > 10_000, "{compared}");

    // A goroutine is a thread, which retains what the goroutine does; a package is a class.
    let mut by_name: HashMap<&str, Vec<u64>> = HashMap::new();
    for (name, place) in theirs.of.class_names_by_idx.iter().zip(0..) {
        by_name
            .entry(name)
            .or_default()
            .push(theirs.of.retained[place]);
    }
    let mut of_goroutines: Vec<u64> = (0..dump.goroutines().len() as u32)
        .map(|index| analysis.nodes.id(NodeKind::Goroutine(index)).0)
        .map(|node| sums.get(&node).copied().unwrap_or(0) + HEADERS[0] + 16)
        .collect();
    let mut of_threads = by_name.remove("goroutine").expect("threads");
    of_goroutines.sort_unstable();
    of_threads.sort_unstable();
    assert_eq!(of_goroutines, of_threads);
    // Roots: all that is reachable for us is so for them, and nothing else.
    for object in dump.objects() {
        let place = theirs.place(analysis, object);
        let reached = theirs.of.dense_to_pre[place] != u32::MAX;
        assert_eq!(
            reached,
            analysis.is_reachable(object),
            "{}",
            class(analysis, object)
        );
    }
}

fn whole(analysis: &Analysis) {
    let (file, written) = exported(analysis);
    assert_eq!(written.in_parts, 0);
    edges_and_dominators_are_ours(analysis, file);
}

#[test]
fn analyzer_finds_the_same_edges_and_dominators() {
    whole(&shop());
}

/// What readers take no more as one array.
#[test]
fn long_arrays_are_told_in_parts() {
    let analysis = shop();
    let mut file = Vec::new();
    let written = hprof::write_in_parts(&analysis, 100, &NoWatch, &mut file).expect("an export");
    assert!(written.in_parts > 5, "{written:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shop.hprof");
    std::fs::write(&path, &file).expect("a file");
    counts_are_ours(&analysis, &path);
    edges_and_dominators_are_ours(&analysis, file);
}

#[test]
fn names_do_no_harm() {
    whole(&hostile());
}

#[test]
fn the_same_heap_is_the_same_file() {
    assert!(exported(&shop()).0 == exported(&shop()).0);
}
