//! What `top`, `tree`, `goroutines`, `waste`, `info`, `verify` and `diff` say, in JSON.

use std::collections::BTreeMap;

use goheap_golang::Kind;
use goheap_golang::catalogue::Catalogue;
use serde_json::Value;

use crate::captured::{Captured, assert_none, by_use, is_known_name};

pub(crate) fn check(captured: &Captured, name: &str) {
    let mut wrong = Vec::new();
    types(captured, &mut wrong);
    roots_and_packages(captured, &mut wrong);
    same_tables(captured, &mut wrong);
    objects(captured, &mut wrong);
    tree(captured, &mut wrong);
    goroutines(captured, &mut wrong);
    waste(captured, &mut wrong);
    info(captured, &mut wrong);
    diff(captured);
    assert_none(&format!("{name}: commands"), &wrong);
}

pub(crate) fn number(value: &Value, name: &str) -> u64 {
    value[name]
        .as_u64()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

pub(crate) fn array<'v>(value: &'v Value, name: &str) -> &'v Vec<Value> {
    value[name]
        .as_array()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// Notes it where a number is more than the twin's.
fn no_more(of: &str, said: &Value, full: &Value, names: &[&str], wrong: &mut Vec<String>) {
    for name in names {
        let (number, full) = (number(said, name), full[name].as_u64().unwrap_or(0));
        if number > full {
            wrong.push(format!("{of}: {name} {number}, but {full}"));
        }
    }
}

fn rows(top: &Value) -> &Vec<Value> {
    array(&top["tables"][0], "rows")
}

fn top(captured: &Captured, by: &str) -> [Value; 2] {
    let [said, full] = captured.ask(&["top", "{}", "--by", by, "-n", "1000000"]);
    assert_eq!(said["heap"], full["heap"]);
    assert_eq!(said["missing"], full["missing"]);
    assert_eq!(said["tables"][0]["left_out"]["rows"], 0);
    [said, full]
}

/// Of each type no more than in the twin; what is not known is told as such, to the byte.
fn types(captured: &Captured, wrong: &mut Vec<String>) {
    let [said, full] = top(captured, "type");
    let full_rows: BTreeMap<&str, &Value> = rows(&full)
        .iter()
        .map(|row| (text(row, "name"), row))
        .collect();
    let mut unknown = 0;
    let mut reachable = 0;
    for row in rows(&said) {
        let (name, bytes) = (text(row, "name"), number(row, "own_bytes"));
        reachable += bytes;
        if !is_known_name(name) {
            unknown += bytes;
            assert_eq!(number(&row["known"], "unknown_bytes"), bytes);
            continue;
        }
        assert_eq!(number(&row["known"], "unknown_bytes"), 0);
        let Some(full) = full_rows.get(name) else {
            wrong.push(format!("{name} is in the stripped one alone"));
            continue;
        };
        let counts = ["objects", "own_bytes", "retained_bytes"];
        no_more(name, row, full, &counts, wrong);
        if row["package"] != full["package"] {
            wrong.push(format!("{name}: {} or {}", row["package"], full["package"]));
        }
    }
    assert_eq!(reachable, number(&said["heap"], "reachable_bytes"));
    let (known, full) = (&said["known"], &full["known"]);
    assert_eq!(number(known, "unknown_bytes"), unknown);
    assert!(unknown > 0 && unknown >= number(full, "unknown_bytes"));
}

/// The types of what lies at an address of the twin's variables, the variable's own first.
fn types_at(catalogue: &Catalogue, address: u64) -> Vec<String> {
    let Some(variable) = catalogue.variable_at(address) else {
        return Vec::new();
    };
    let (mut next, mut offset) = (variable.ty, address - variable.address);
    let mut names = Vec::new();
    while let Some(ty) = next.and_then(|id| catalogue.get(id)) {
        if offset == 0 {
            names.push(ty.name.clone());
        }
        let field = ty.fields.iter().find(|field| {
            let size = catalogue.get(field.ty).map_or(0, |ty| ty.size);
            field.offset <= offset && offset - field.offset < size
        });
        let elem = ty.elem.filter(|_| ty.kind == Kind::Array);
        let size = elem
            .and_then(|elem| catalogue.get(elem))
            .map_or(0, |ty| ty.size);
        (next, offset) = match (field, elem) {
            (Some(field), _) => (Some(field.ty), offset - field.offset),
            (None, Some(elem)) if size > 0 => (Some(elem), offset % size),
            _ => (None, 0),
        };
    }
    names
}

/// A root that is not called by a function is the twin's, with what it holds; and all roots hold all.
fn roots_and_packages(captured: &Captured, wrong: &mut Vec<String>) {
    let [said, full] = top(captured, "root");
    // What several hold together depends on what is one variable.
    let told = |row: &Value| {
        let (name, about) = (text(row, "name"), text(row, "about"));
        (name.to_owned(), about.to_owned())
    };
    let mut full_rows: BTreeMap<(String, String), Vec<u64>> = BTreeMap::new();
    for row in rows(&full) {
        let all = full_rows.entry(told(row)).or_default();
        all.push(number(row, "retained_bytes"));
    }
    let (mut sum, mut typed) = (0, 0);
    for row in rows(&said) {
        let (name, about) = told(row);
        let retained = number(row, "retained_bytes");
        sum += retained;
        if name.starts_with("several ") {
            continue;
        }
        // The type that code tells of a variable is what DWARF does, or what that begins with; of what
        // leads to anything DWARF does not say where to.
        if let Some((_, address)) = by_use(&name)
            && !about.is_empty()
        {
            typed += 1;
            let real = types_at(captured.twin.analysis.dump.catalogue(), address);
            if !real
                .iter()
                .any(|real| *real == about || real == "unsafe.Pointer")
            {
                wrong.push(format!("{name} is {about}, but one of {real:?}"));
            }
        }
        // Words that belong to no variable that is known are told by their segment.
        let by_segment = name.starts_with("data segment ") || name.starts_with("bss segment ");
        if by_use(&name).is_some() || by_segment {
            continue;
        }
        let mut same = full_rows.iter().filter(|((full, full_about), _)| {
            *full == name && (about.is_empty() || *full_about == about)
        });
        if !same.any(|(_, all)| all.contains(&retained)) {
            wrong.push(format!("{name} {about} holds {retained}"));
        }
    }
    assert_eq!(sum, number(&said["heap"], "reachable_bytes"));
    assert!(typed > 20, "{typed} variables have a type");

    let [said, full] = top(captured, "package");
    for row in rows(&said) {
        let name = text(row, "name");
        if name == "unknown types" {
            continue;
        }
        let none = Value::Null;
        let full = rows(&full).iter().find(|row| row["name"] == name);
        no_more(
            name,
            row,
            full.unwrap_or(&none),
            &["objects", "own_bytes"],
            wrong,
        );
    }
}

/// Sizes and goroutines need no types.
fn same_tables(captured: &Captured, wrong: &mut Vec<String>) {
    for by in ["size", "goroutine"] {
        let [said, full] = top(captured, by);
        for (row, full) in rows(&said).iter().zip(rows(&full)) {
            if row != full {
                wrong.push(format!("{row}, but {full}"));
            }
        }
        assert_eq!(rows(&said).len(), rows(&full).len());
    }
}

/// What no other object holds alone.
fn objects(captured: &Captured, wrong: &mut Vec<String>) {
    let [said, full] = top(captured, "object");
    let full: BTreeMap<&str, &Value> = rows(&full)
        .iter()
        .map(|row| (text(row, "address"), row))
        .collect();
    assert_eq!(rows(&said).len(), full.len());
    for row in rows(&said) {
        let Some(full) = full.get(text(row, "address")) else {
            wrong.push(format!("{row} is in the stripped one alone"));
            continue;
        };
        let same = ["own_bytes", "retained_bytes"];
        let name = text(row, "name");
        let named = !is_known_name(name) || full["name"] == name;
        if !named || same.iter().any(|name| row[name] != full[name]) {
            wrong.push(format!("{row}, but {full}"));
        }
    }
}

/// The branches that are one object.
fn tree(captured: &Captured, wrong: &mut Vec<String>) {
    let [said, full] =
        captured.ask(&["tree", "{}", "-n", "1000000", "--depth", "30", "--min", "1"]);
    assert_eq!(said["heap"], full["heap"]);
    fn singles<'v>(branch: &'v Value, into: &mut BTreeMap<&'v str, &'v Value>) {
        if let Some(address) = branch["address"].as_str()
            && branch["count"] == 1
        {
            into.insert(address, branch);
        }
        for branch in array(branch, "branches") {
            singles(branch, into);
        }
    }
    let (mut ours, mut theirs) = (BTreeMap::new(), BTreeMap::new());
    singles(&said["top"], &mut ours);
    singles(&full["top"], &mut theirs);
    let mut both = 0;
    for (address, branch) in ours {
        let Some(full) = theirs.get(address) else {
            continue;
        };
        both += 1;
        let name = text(branch, "name");
        if is_known_name(name) && full["name"] != name {
            wrong.push(format!("{address} {name}, but {}", full["name"]));
        }
        // What a map is made of counts as the map, which has to be known for one.
        if branch["retained_bytes"] != full["retained_bytes"] {
            wrong.push(format!(
                "{address} {name} holds {}, but {}",
                branch["retained_bytes"], full["retained_bytes"]
            ));
        }
    }
    assert!(both > 50, "{both}");
}

/// The same groups, with the same stacks and leaks; what they wait for may have no type.
fn goroutines(captured: &Captured, wrong: &mut Vec<String>) {
    let [mut said, mut full] = captured.ask(&["goroutines", "{}"]);
    for of in [&mut said, &mut full] {
        of["source"] = Value::Null;
    }
    let groups = array(&said, "groups").iter().zip(array(&full, "groups"));
    for (group, full) in groups {
        let (types, full) = (array(group, "waits_for"), array(full, "waits_for"));
        if types.len() != full.len() {
            wrong.push(format!("waits for {types:?}, but {full:?}"));
        }
        for (ty, full) in types.iter().zip(full) {
            if is_known_name(ty.as_str().expect("a type")) && ty != full {
                wrong.push(format!("waits for {ty}, but {full}"));
            }
        }
    }
    for of in [&mut said, &mut full] {
        for group in of["groups"].as_array_mut().expect("groups") {
            group["waits_for"] = Value::Null;
        }
    }
    assert!(array(&said, "groups").len() > 20);
    if said != full {
        wrong.push(format!("goroutines: {said}, but {full}"));
    }
}

/// No more is found to be wasted.
fn waste(captured: &Captured, wrong: &mut Vec<String>) {
    let [said, full] = captured.ask(&["waste", "{}"]);
    assert_eq!(said["reachable"], full["reachable"]);
    for part in ["slice_tails", "pinned", "map_slots", "channels"] {
        no_more(part, &said[part], &full[part], &["objects", "bytes"], wrong);
        for row in array(&said[part], "by_type") {
            let name = text(row, "name");
            let full = array(&full[part], "by_type").iter();
            let mut full = full.filter(|full| full["name"] == name);
            let none = Value::Null;
            let full = full.next().unwrap_or(&none);
            no_more(name, row, full, &["objects", "bytes"], wrong);
        }
    }
    for part in ["pools", "finalizers", "cleanups"] {
        no_more(part, &said[part], &full[part], &["objects", "bytes"], wrong);
    }
    let (duplicates, full_ones) = (&said["duplicate_strings"], &full["duplicate_strings"]);
    let counts = ["contents", "copies", "bytes"];
    no_more("duplicates", duplicates, full_ones, &counts, wrong);
    no_more("slots", &said, &full, &["deleted_slots"], wrong);
}

/// The head and the statistics are the same; of each kind of value there is no more.
fn info(captured: &Captured, wrong: &mut Vec<String>) {
    let [said, full] = captured.ask(&["info", "{}"]);
    for same in [
        "go",
        "objects",
        "object_bytes",
        "size_classes",
        "goroutines",
        "threads",
        "records",
        "memstats",
        "gaps",
    ] {
        if said[same] != full[same] {
            wrong.push(format!("{same}: {}, but {}", said[same], full[same]));
        }
    }
    let (ledger, full) = (&said["ledger"], &full["ledger"]);
    for same in [
        "objects",
        "garbage",
        "spans",
        "system",
        "resident",
        "reachable_objects",
    ] {
        if ledger[same] != full[same] {
            wrong.push(format!("{same}: {}, but {}", ledger[same], full[same]));
        }
    }
    for kind in array(ledger, "reachable") {
        let name = text(kind, "kind");
        let same = |row: &&Value| row["kind"] == name;
        let full = array(full, "reachable").iter().find(same).expect("a kind");
        if name != "unknown" {
            no_more(name, kind, full, &["objects", "bytes"], wrong);
        } else if number(kind, "bytes") < number(full, "bytes") {
            wrong.push(format!("unknown: {kind}, but {full}"));
        }
    }
}

/// The dumps are sound, and of one moment.
fn diff(captured: &Captured) {
    for verified in captured.ask(&["verify", "{}"]) {
        assert_eq!(verified["sound"], true, "{verified}");
    }
    let twin = captured.twin.file.as_str();
    let [diff, _] = captured.ask(&["diff", "{}", twin]);
    assert_eq!(diff["same_process"], "same");
    for side in ["new", "gone"] {
        assert_eq!(number(&diff["by_address"][side], "objects"), 0, "{side}");
    }
}
