//! What the commands say in JSON of a dump of the program `truth`, against what that tells: counts,
//! sizes, owners and paths, stuck goroutines, waste; and of the process the same as of its dump.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use goheap_testkit::BuildOptions;
use goheap_testkit::capture::capture;
use goheap_testkit::reach::Graph;
use goheap_testkit::second_reader;
use goheap_testkit::truth::{Honest, Shape, Told, Truth, plain};
use serde_json::Value;

use crate::opened::assert_none;

pub(crate) fn check(version: &str, test: &str) {
    let honest = Honest::start(version, &BuildOptions::default()).expect("a program");
    let pid = honest.running.pid().to_string();
    let goheap = Path::new(env!("CARGO_BIN_EXE_goheap"));
    let capture = capture(goheap, &pid, &[]).expect("a dump");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("truth.heapdump");
    std::fs::write(&file, &capture.dump).expect("a file");
    let file = file.display().to_string();
    let truth = &honest.truth;
    match test {
        "top" => top(truth, &capture.dump, &file, &pid),
        "why" => why(truth, &file),
        "goroutines" => goroutines(truth, &file),
        _ => waste(truth, &file, version),
    }
}

fn goheap(arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goheap"));
    let output = command
        .args(arguments)
        .arg("--json")
        .output()
        .expect("goheap");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "goheap {arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// The rows of a table of `top`, by name.
fn rows<'v>(top: &'v Value, by: &str) -> BTreeMap<&'v str, &'v Value> {
    let tables = top["tables"].as_array().expect("tables");
    let table = tables
        .iter()
        .find(|table| table["by"] == by)
        .expect("a table");
    let rows = table["rows"].as_array().expect("rows");
    rows.iter()
        .map(|row| (row["name"].as_str().expect("a name"), row))
        .collect()
}

fn top(truth: &Truth, dump: &[u8], file: &str, pid: &str) {
    let how = ["--by", "type", "--by", "root", "-n", "1000000"];
    let of = |source| goheap(&[["top", source].as_slice(), &how].concat());
    let (of_file, of_process) = (of(file), of(pid));
    assert_eq!(of_file["heap"], of_process["heap"]);
    // The runtime itself is never quite still.
    let of_process = rows(&of_process, "type");
    for (name, row) in rows(&of_file, "type") {
        if name.contains("main.") {
            assert_eq!(of_process.get(name), Some(&row));
        }
    }

    let read = second_reader::read(dump).expect("a dump");
    let graph = Graph::of(&read, dump);
    let slots = |told: &mut dyn Iterator<Item = &Told>| -> (u64, u64) {
        let slots: BTreeSet<usize> = told.filter_map(|told| graph.find(told.address)).collect();
        let bytes = slots
            .iter()
            .map(|slot| graph.objects()[*slot].contents.len() as u64);
        (slots.len() as u64, bytes.sum())
    };
    let mut wrong = Vec::new();
    let types = rows(&of_file, "type");
    let of_program = |told: &&Told| {
        told.held
            && told.ty.starts_with("main.")
            && matches!(told.shape, Shape::Value | Shape::Pooled | Shape::Cleanup)
    };
    let names: BTreeSet<&str> = truth
        .objects
        .iter()
        .filter(of_program)
        .map(|told| told.ty.as_str())
        .collect();
    for ty in names {
        let (count, bytes) = slots(
            &mut truth
                .objects
                .iter()
                .filter(of_program)
                .filter(|t| t.ty == ty),
        );
        match types.get(ty) {
            Some(row) if number(row, "objects") == count && number(row, "own_bytes") == bytes => {}
            // Of these some are in places that do not tell: `types` judges them one by one.
            Some(row)
                if ty == "main.item"
                    && number(row, "objects") <= count
                    && number(row, "objects") * 100 > count * 95 => {}
            found => wrong.push(format!(
                "{ty}: {count} objects of {bytes} bytes, not {found:?}"
            )),
        }
    }
    let roots = rows(&of_file, "root");
    for (root, _) in truth.retained.iter().filter(|(_, whole)| **whole) {
        let (_, bytes) = slots(&mut truth.only(root));
        match roots.get(root.as_str()) {
            Some(row) if number(row, "retained_bytes") == bytes => {}
            found => wrong.push(format!("{root} holds {bytes} bytes, not {found:?}")),
        }
    }
    assert_none("top", &wrong);
    let known = &of_file["known"];
    let unknown = number(known, "unknown_bytes");
    let all = number(&of_file["heap"], "reachable_bytes");
    assert!(
        unknown * 10 <= all,
        "{unknown} of {all} bytes are of no known type"
    );
}

/// One of each kind of object that the program tells of is asked for by its address.
fn why(truth: &Truth, file: &str) {
    let mut asked: BTreeMap<(Shape, &str), &Told> = BTreeMap::new();
    for told in truth
        .objects
        .iter()
        .filter(|told| told.held && !told.paths.is_empty())
    {
        asked
            .entry((told.shape, told.only.as_str()))
            .or_insert(told);
    }
    // A good part of them: each takes goheap from the file to the end.
    let mut wrong = Vec::new();
    for told in asked.values().step_by(4) {
        let answer = goheap(&["why", file, &format!("{:#x}", told.address), "--paths", "1"]);
        let object = &answer["object"];
        let path = object["paths"][0]["path"].as_str().unwrap_or_default();
        let class = object["type"].as_str().unwrap_or_default();
        // To the middle of an object leads one pointer, and from there to its start.
        let at = match told.shape {
            Shape::Interior => plain(path).starts_with(&told.paths[0]),
            _ => told.is_at(&plain(path)),
        };
        if !at || told.shape != Shape::Raw && !told.is_of(class) {
            wrong.push(format!(
                "{:#x} {:?} {} at {:?} is {class} at {path}",
                told.address, told.shape, told.ty, told.paths
            ));
        }
    }
    assert_none("why", &wrong);

    let sessions = goheap(&["why", file, "main.session"]);
    let sessions = &sessions["type"];
    assert_eq!(number(sessions, "objects"), 200);
    assert_eq!(
        sessions["ways"][0]["path"], "main.registry.m[*]",
        "{sessions}"
    );
    assert_eq!(number(&sessions["ways"][0], "objects"), 200);
    let litter = truth
        .objects
        .iter()
        .find(|told| told.ty == "main.litter")
        .expect("litter");
    let litter = goheap(&["why", file, &format!("{:#x}", litter.address)]);
    assert_eq!(litter["object"]["reachable"], false);
}

fn goroutines(truth: &Truth, file: &str) {
    let answer = goheap(&["goroutines", file]);
    let groups = answer["groups"].as_array().expect("groups");
    assert_eq!(answer["leaks"]["known"], true, "{}", answer["leaks"]);
    let mut wrong = Vec::new();
    let mut leaked_in_all = 0;
    for told in &truth.groups {
        let (mut count, mut leaked) = (0, 0);
        for group in groups {
            let stack = group["stack"].as_array().expect("a stack");
            if stack.iter().any(|function| *function == *told.function) {
                count += number(group, "count");
                leaked += number(group, "leaked");
            }
        }
        let wanted = if told.leaked { told.count } else { 0 };
        leaked_in_all += leaked;
        if (count, leaked) != (told.count, wanted) {
            wrong.push(format!("{told:?}: {count} found, {leaked} of them leaked"));
        }
    }
    assert_none("goroutines", &wrong);
    assert_eq!(
        number(&answer["leaks"], "leaked"),
        leaked_in_all,
        "leaked, and not told of"
    );
}

fn waste(truth: &Truth, file: &str, version: &str) {
    let answer = goheap(&["waste", file]);
    let of_type = |part: &str, ty: &str| {
        let types = answer[part]["by_type"].as_array().expect("types");
        let found = types.iter().find(|named| named["name"] == ty);
        found.map_or(0, |named| number(named, "bytes"))
    };
    // All tails of slices of these types are told.
    for (ty, size) in [("main.item", 48), ("main.cell", 32)] {
        let backings = truth
            .objects
            .iter()
            .filter(|t| t.shape == Shape::Backing && t.ty == ty);
        let tails: u64 = backings.map(|told| (told.capacity - told.len) * size).sum();
        assert!(tails > 0, "{ty}");
        assert_eq!(of_type("slice_tails", &format!("[]{ty}")), tails, "{ty}");
    }
    let told = |kind: &str| {
        let of_kind: Vec<_> = truth
            .waste
            .iter()
            .filter(|waste| waste.kind == kind)
            .collect();
        let count: u64 = of_kind.iter().map(|waste| waste.count).sum();
        let bytes: u64 = of_kind.iter().map(|waste| waste.bytes).sum();
        assert!(count > 0, "{kind}");
        (count, bytes)
    };
    let at_least = |part: &str, (count, bytes): (u64, u64)| {
        let (objects, found) = (
            number(&answer[part], "objects"),
            number(&answer[part], "bytes"),
        );
        assert!(
            objects >= count && found >= bytes,
            "{part}: {objects} objects, {found} bytes, told {count} and {bytes}"
        );
    };
    at_least("slice_tails", told("slice"));
    at_least("pinned", told("pin"));
    let pins = answer["largest_pinned"].as_array().expect("pins");
    // Ten bytes of arrays of a hundred thousand, as long as their size class is.
    let pinned = |pin: &&Value| number(pin, "shown_bytes") == 10 && number(pin, "bytes") >= 100_000;
    assert_eq!(pins.iter().filter(pinned).count(), 5, "{pins:?}");
    at_least("map_slots", told("map"));
    at_least("channels", told("chan"));
    at_least("pools", told("pool"));
    at_least("finalizers", told("finalizer"));
    if truth.waste.iter().any(|waste| waste.kind == "cleanup") {
        at_least("cleanups", told("cleanup"));
    } else {
        assert!(version < "1.24", "cleanups came with go1.24");
    }
    let same = truth
        .waste
        .iter()
        .find(|waste| waste.kind == "duplicate")
        .expect("duplicates");
    let duplicates = answer["duplicate_strings"]["largest"]
        .as_array()
        .expect("duplicates");
    let found = duplicates
        .iter()
        .find(|d| d["text"] == *same.path)
        .expect("the text");
    assert_eq!(
        (number(found, "count"), number(found, "length")),
        (same.count, 34)
    );
    assert!(number(found, "bytes") >= same.bytes, "{found}");
}

crate::for_every_version!(crate::commands::check, every: [top, why, goroutines, waste], whole: []);
