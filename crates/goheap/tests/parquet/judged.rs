//! DuckDB's answers about the Parquet of the program `truth`, against goheap's own about the dump, the
//! test kit's second reader of it, and what the program tells of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use goheap_export::columns::Table;
use goheap_testkit::BuildOptions;
use goheap_testkit::capture::capture;
use goheap_testkit::python::{DUCKDB, python};
use goheap_testkit::reach::{Graph, word};
use goheap_testkit::second_reader;
use goheap_testkit::truth::Honest;
use serde_json::{Value, json};

use crate::{asked, goheap, script};

// Not Go 1.21.13: there 201 to 209 pointers lead from the map of `held` to its 200 values, and why is not known.
crate::for_version!(
    go1_19_8,
    "1.19.8",
    crate::judged::check,
    [],
    [],
    [duckdb_says_the_same]
);
crate::for_version!(
    go1_22_10,
    "1.22.10",
    crate::judged::check,
    [],
    [],
    [duckdb_says_the_same]
);
crate::for_version!(
    go1_23_9,
    "1.23.9",
    crate::judged::check,
    [],
    [],
    [duckdb_says_the_same]
);
crate::for_version!(
    go1_24_3,
    "1.24.3",
    crate::judged::check,
    [],
    [duckdb_says_the_same],
    []
);
crate::for_version!(
    go1_24_11,
    "1.24.11",
    crate::judged::check,
    [],
    [],
    [duckdb_says_the_same]
);
crate::for_version!(
    go1_25_5,
    "1.25.5",
    crate::judged::check,
    [],
    [],
    [duckdb_says_the_same]
);
crate::for_version!(
    go1_26_6,
    "1.26.6",
    crate::judged::check,
    [],
    [],
    [duckdb_says_the_same]
);
crate::for_version!(
    go1_27_3,
    "1.27.3",
    crate::judged::check,
    [],
    [duckdb_says_the_same],
    []
);

fn check(version: &str, _: &str) {
    let honest = Honest::start(version, &BuildOptions::default()).expect("a program");
    let pid = honest.running.pid().to_string();
    let captured = capture(Path::new(env!("CARGO_BIN_EXE_goheap")), &pid, &[]).expect("a dump");
    let scratch = tempfile::tempdir().expect("a folder");
    let file = scratch.path().join("truth.heapdump").display().to_string();
    std::fs::write(&file, &captured.dump).expect("a file");
    let folder = scratch.path().join("tables").display().to_string();
    let (status, out, err) = goheap(&["export", &file, "--to", "parquet", "-o", &folder]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("8 tables"), "{out}");

    let mut judge = python(&[DUCKDB]).expect("DuckDB");
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    judge
        .arg(package.join("tests/parquet/judge.py"))
        .arg(&folder)
        .arg(package.join("../../docs/parquet.md"));
    let said = script(judge);
    schema(&said);
    questions(&said);
    heap(&said, &file);
    graph(&said, &captured.dump);
    goroutines(&said, &file);
    held(&said, &honest);
    nothing_of_the_data(&said, &honest);
}

fn schema(said: &Value) {
    for table in Table::ALL {
        let columns: Vec<Value> = table
            .columns()
            .iter()
            .map(|column| json!([column.name, column.kind.sql()]))
            .collect();
        assert_eq!(said["columns"][table.name()], Value::from(columns));
    }
    let metadata = &said["metadata"];
    assert_eq!(metadata["goheap.schema"], "goheap.parquet/1");
    let version = metadata["goheap.go_version"].as_str();
    assert!(version.is_some_and(|version| version.starts_with("go1.")));
    assert!(
        metadata["goheap.captured_unix_ns"].is_string(),
        "{metadata}"
    );
    assert!(metadata["goheap.go_build_id"].is_string(), "{metadata}");
}

/// The questions of docs/parquet.md are SQL. The second and third are of types and variables of other
/// programs.
fn questions(said: &Value) {
    let rows = said["documented"].as_array().expect("counts");
    let rows: Vec<u64> = rows.iter().filter_map(Value::as_u64).collect();
    assert_eq!(rows, [20, 0, 1, 20]);
}

/// The heap as a whole, and by type.
fn heap(said: &Value, file: &str) {
    let top = asked(&[
        "top", file, "--by", "type", "--by", "object", "-n", "1000000",
    ]);
    let whole = ["objects", "bytes", "reachable_objects", "reachable_bytes"]
        .map(|name| top["heap"][name].clone());
    assert_eq!(said["heap"], Value::from(whole.to_vec()));
    assert_eq!(said["capture"].as_array().unwrap()[..4], whole);
    assert_eq!(said["reached"], Value::from(whole[2..].to_vec()));
    assert_eq!(said["types_differ"], 0);
    assert_eq!(said["retained_differ"], 0);
    assert_eq!(said["strays"], 0);

    let rows = top["tables"][0]["rows"].as_array().expect("rows");
    let mut types: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
    for row in rows {
        let number = |name: &str| row[name].as_u64().expect("a number");
        let sum = types.entry(row["name"].as_str().unwrap()).or_default();
        sum[0] += number("objects");
        sum[1] += number("own_bytes");
        sum[2] = sum[2].max(number("retained_bytes"));
    }
    assert!(types.len() > 50, "{}", types.len());
    assert_eq!(said["types"], json!(types));

    let largest = said["largest"].as_array().expect("objects");
    let by_object = top["tables"][1]["rows"][0].clone();
    let address = largest[0][0].as_u64().expect("an address");
    assert_eq!(by_object["address"], format!("{address:#x}"));
    assert_eq!(by_object["retained_bytes"], largest[0][1]);
    // What is reached no more without an object is what it retains.
    for row in largest {
        let [retained, left] = [&row[1], &row[2]].map(|number| number.as_u64().unwrap());
        assert_eq!(left + retained, whole[3].as_u64().unwrap(), "{row}");
    }
}

/// Edges are the pointers that the second reader finds.
fn graph(said: &Value, dump: &[u8]) {
    let read = second_reader::read(dump).expect("a dump");
    let graph = Graph::of(&read, dump);
    let goroutines: BTreeSet<u64> = read
        .records
        .iter()
        .filter(|record| record.kind() == "goroutine")
        .filter_map(|record| record.int("address"))
        .collect();
    let mut sums = [0u128; 5];
    for object in graph.objects() {
        if goroutines.contains(&object.address) || goroutines.contains(&(object.address + 8)) {
            continue;
        }
        for field in object.fields {
            let Some(at) = word(object.contents, *field) else {
                continue;
            };
            let Some(target) = graph.find(at).map(|to| graph.objects()[to].address) else {
                continue;
            };
            let row = [1, object.address, *field, target, at - target];
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += u128::from(value);
            }
        }
    }
    assert!(sums[0] > 1000);
    let sums: Vec<String> = sums.iter().map(u128::to_string).collect();
    assert_eq!(said["edges"], json!(sums));
    let spans = said["spans"].as_array().expect("spans");
    assert!(spans[0].as_u64().unwrap() > 10);
    // All of the program's objects are in spans that the annex tells of.
    assert_eq!(spans[1], said["heap"][0]);
    assert_eq!(spans[2], said["heap"][1]);
    assert_eq!(said["in_spans"], said["heap"][0]);
}

fn goroutines(said: &Value, file: &str) {
    let answer = asked(&["goroutines", file]);
    let of = said["goroutines"].as_object().expect("goroutines");
    assert_eq!(answer["count"], of.len());
    assert_eq!(said["capture"][4], of.len());
    assert_eq!(answer["stack_bytes"], said["stack_bytes"]);
    let mut leaked = 0;
    for group in answer["groups"].as_array().expect("groups") {
        let depth = group["stack"].as_array().expect("a stack").len();
        for one in group["goroutines"].as_array().expect("goroutines") {
            let row = &of[&one["id"].to_string()];
            let reason = &group["wait_reason"];
            assert_eq!(&row[1], reason, "{one}");
            if reason.is_null() {
                assert_eq!(row[0], group["state"], "{one}");
            }
            assert_eq!((&row[3], &row[4]), (&one["leaked"], &one["waited_ns"]));
            assert_eq!((&row[5], &row[6]), (&json!(depth), &json!(depth)));
            leaked += u64::from(one["leaked"] == true);
        }
    }
    assert_eq!(answer["leaks"]["leaked"], leaked);
    assert!(leaked > 0);
}

/// What variables hold alone, and by what fields.
fn held(said: &Value, honest: &Honest) {
    let held = &said["held"];
    for (root, _) in honest.truth.retained.iter().filter(|(_, whole)| **whole) {
        let (function, kind) = match root.strip_prefix("goroutine") {
            Some(_) => continue,
            None => (root, "variable"),
        };
        assert!(
            held[format!("{kind} {function}")].as_u64() > Some(0),
            "{root}: {held}"
        );
    }
    let fields = said["fields"].as_object().expect("fields");
    let into_map = fields
        .iter()
        .find(|(edge, _)| edge.starts_with("map[") && edge.ends_with(" [*] main.session"));
    assert_eq!(
        into_map.map(|(_, count)| count),
        Some(&json!(200)),
        "{fields:?}"
    );
}

/// Keys of maps are user data, and in none of the names.
fn nothing_of_the_data(said: &Value, honest: &Honest) {
    let key = honest.truth.objects.iter().find_map(|told| {
        let path = told.paths.first()?;
        let (_, rest) = path.split_once("[\"")?;
        rest.split_once("\"]").map(|(key, _)| key.to_owned())
    });
    let key = key.expect("a path with a key");
    let texts = said["texts"].as_array().expect("texts");
    assert!(texts.len() > 100);
    let has = |text: &&Value| text.as_str().is_some_and(|text| text.contains(&key));
    assert_eq!(texts.iter().find(has), None, "{key}");
}
