//! What `why` and `check` answer to questions of types and addresses.

use std::collections::BTreeSet;

use goheap_analysis::ObjectId;

use crate::captured::{Captured, assert_none, is_known_name};
use crate::commands::{array, number, text};

/// Addresses that are asked for.
const ADDRESSES: u32 = 12;

/// Types that are asked for, where objects are known to be of them without DWARF.
const TYPES: [&str; 6] = [
    "main.item",
    "main.leaf",
    "main.session",
    "[]*main.item",
    "map[string]*main.item",
    "string",
];

pub(crate) fn check(captured: &Captured, name: &str) {
    let mut wrong = Vec::new();
    let types = &captured.stripped.analysis.types;
    let known: BTreeSet<&str> = types
        .classes()
        .map(|(_, class)| class.name.as_str())
        .collect();
    let asked = TYPES.iter().filter(|ty| known.contains(**ty));
    assert!(asked.clone().count() > 1, "{known:?}");
    for ty in asked {
        of_a_type(captured, ty, &mut wrong);
    }
    let objects = captured.stripped.analysis.dump.object_count();
    for i in 0..ADDRESSES {
        of_an_object(captured, ObjectId(objects / ADDRESSES * i), &mut wrong);
    }
    limits(captured, &mut wrong);
    assert_none(&format!("{name}: why and check"), &wrong);
}

fn of_a_type(captured: &Captured, ty: &str, wrong: &mut Vec<String>) {
    let [said, full] = captured.ask(&["why", "{}", &format!("type:{ty}"), "-n", "100000"]);
    let (said, full) = (&said["type"], &full["type"]);
    for name in ["objects", "own_bytes", "retained_bytes"] {
        let (said, full) = (number(said, name), number(full, name));
        if said == 0 || said > full {
            wrong.push(format!("{ty}: {name} {said}, but {full}"));
        }
    }
    for way in array(said, "ways") {
        let example = text(&way["example"], "address");
        let address = u64::from_str_radix(example.trim_start_matches("0x"), 16);
        let twin = &captured.twin;
        let object = twin.analysis.dump.find(address.expect("an address"));
        let (object, _) = object.expect("an object");
        if twin.class(object).name != ty {
            wrong.push(format!("{way} leads to {}", twin.class(object).name));
        }
    }
}

fn of_an_object(captured: &Captured, object: ObjectId, wrong: &mut Vec<String>) {
    let address = captured.stripped.analysis.dump.address(object);
    let [said, full] = captured.ask(&["why", "{}", &format!("{address:#x}")]);
    let (said, full) = (&said["object"], &full["object"]);
    let same = [
        "address",
        "offset",
        "own_bytes",
        "retained_bytes",
        "reachable",
    ];
    let name = text(said, "type");
    assert_eq!(is_known_name(name), said["known"] != "unknown", "{said}");
    let named = !is_known_name(name) || full["type"] == name;
    if !named || same.iter().any(|name| said[name] != full[name]) {
        wrong.push(format!("{said}, but {full}"));
    }
    let (paths, full) = (array(said, "paths"), array(full, "paths"));
    if paths.is_empty() != full.is_empty() {
        wrong.push(format!("{paths:?}, but {full:?}"));
    }
    for (path, full) in paths.iter().zip(full).take(1) {
        if path["held"] != full["held"] || path["length"] != full["length"] {
            wrong.push(format!("{path}, but {full}"));
        }
        let objects = array(path, "objects").iter().zip(array(full, "objects"));
        for (object, full) in objects {
            let name = text(object, "type");
            let named = !is_known_name(name) || full["type"] == name;
            if !named || object["address"] != full["address"] {
                wrong.push(format!("{object}, but {full}"));
            }
        }
    }
}

/// A limit counts no more than in the twin, and tells by how much it may be too few.
fn limits(captured: &Captured, wrong: &mut Vec<String>) {
    let [said, full] = captured.ask(&[
        "check",
        "{}",
        "--max",
        "type:main.item=1000000",
        "--max",
        "goroutines=1000",
        "--max",
        "heap=1GiB",
    ]);
    let (checks, full) = (array(&said, "checks"), array(&full, "checks"));
    assert_eq!((checks.len(), full.len()), (3, 3));
    for (check, full) in checks.iter().zip(full) {
        let is_of_type = text(check, "check").starts_with("type:");
        let (found, most) = (number(check, "found"), number(full, "found"));
        let unknown = number(check, "unknown_objects");
        let agrees = match is_of_type {
            true => found <= most && most <= found + unknown,
            false => found == most,
        };
        if !agrees || is_of_type && unknown == 0 {
            wrong.push(format!("{check}, but {full}"));
        }
    }
}
