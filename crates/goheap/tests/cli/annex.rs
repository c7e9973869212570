//! The annex of a dump, from the capture to what the other commands say of it.

#![cfg(target_os = "linux")]

use std::fs;

use goheap_format::{Reader, Writer};
use goheap_testkit::obedient::Obedient;
use goheap_testkit::{BuildOptions, build, second_reader};
use serde_json::Value;

use crate::live::GO;
use crate::{file, folder, goheap};

/// A mended dump of a program with a list of `n` objects.
fn mended(n: u32) -> (Vec<u8>, u32) {
    let folder = folder();
    let program = build(GO, "linked", &BuildOptions::default()).unwrap();
    let program = Obedient::start(&program, &[&n.to_string()]).unwrap();
    let path = folder.path().join("mended");
    let pid = program.pid().to_string();
    let said = goheap(["dump", &pid, "--json", "-o", path.to_str().unwrap()]).done();
    let dump = fs::read(&path).unwrap();
    let json = said.json();
    assert_eq!(json["bytes"], dump.len());
    assert!(json["annex_bytes"].as_u64().unwrap() > 100);
    assert_eq!(json["gaps"]["count"], 0, "{json}");
    (dump, program.pid())
}

#[test]
fn what_the_capture_knows_is_in_the_dump() {
    let folder = folder();
    let (dump, pid) = mended(20_000);
    let path = file(&folder, "mended", &dump);
    let path = path.to_str().unwrap();

    // Another reader stops before it, and what it has read is all of the records.
    let other = second_reader::read(&dump).expect("a dump");
    let mut reader = Reader::new(&dump).unwrap();
    let mut writer = Writer::new(Vec::new());
    for record in &mut reader {
        writer.write(&record.unwrap()).unwrap();
    }
    assert_eq!(other.end as u64, reader.position());
    assert!(writer.finish().unwrap() == dump[..other.end]);
    assert!(dump[other.end..].starts_with(b"goheap annex 1.3\n"));

    let verified = goheap(["verify", path]).done().text();
    assert_eq!(verified.lines().count(), 1, "{verified}");
    assert!(
        verified.contains("; annex of ") && verified.contains(", no gaps"),
        "{verified}"
    );
    let verified = goheap(["verify", path, "--json"]).done().json();
    assert_eq!(verified["annex"]["gaps"]["count"], 0);
    assert_eq!(verified["annex"]["safe_moment"], true);
    assert_eq!(verified["annex"]["error"], Value::Null);
    assert!(verified["annex"]["rows"]["span"].as_u64().unwrap() > 10);

    let info = goheap(["info", path, "--json"]).done().json();
    assert!(info["program"]["main_package"].is_string());
    let executable = info["program"]["executable"].as_str().unwrap();
    assert!(executable.ends_with("/linked"), "{executable}");
    assert!(info["program"]["go_build_id"].as_str().unwrap().len() > 20);
    let method = info["capture"]["method"].as_str().unwrap();
    assert!(["pre-copy", "fork", "stop"].contains(&method), "{method}");
    assert_eq!(info["method"], method);
    assert_eq!(info["capture"]["source"], format!("process {pid} (linked)"));
    assert_eq!(info["capture"]["goheap_version"], env!("CARGO_PKG_VERSION"));
    assert!(info["pause_ns"].as_u64().unwrap() > 0);
    assert!(info["stopped_ns"].as_u64() >= info["pause_ns"].as_u64());
    assert!(info["tries"].as_u64().unwrap() >= 1);
    assert_eq!(info["gaps"]["count"], 0);
    let page = goheap(["info", path]).done().text();
    for word in [
        "main package",
        "build id",
        "captured",
        &format!("of process {pid} (linked)"),
        "stood still for",
        "and an annex of ",
        "Annex",
        "span",
    ] {
        assert!(page.contains(word), "{word} in {page}");
    }
    assert!(page.contains(" UTC, of "), "{page}");
}

#[test]
fn records_lists_the_annex_behind_the_records() {
    let folder = folder();
    let (dump, _) = mended(1000);
    let path = file(&folder, "mended", &dump);
    let path = path.to_str().unwrap();
    let all = goheap(["records", path]).done().text();
    let kind = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    let eof = all.lines().position(|line| kind(line) == "eof").unwrap();
    let behind: Vec<&str> = all.lines().skip(eof + 1).collect();
    assert!(behind.len() > 100);
    assert_eq!(kind(behind[0]), "program");
    assert_eq!(kind(behind[1]), "capture");
    for wanted in [&["annex"][..], &["span"], &["eof", "capture"], &["object"]] {
        let mut args = vec!["records", path];
        args.extend(wanted.iter().flat_map(|kind| ["--kind", kind]));
        let picked = goheap(&args).done().text();
        let expected: Vec<&str> = match wanted {
            ["annex"] => behind.clone(),
            _ => all
                .lines()
                .filter(|line| wanted.contains(&kind(line).as_str()))
                .collect(),
        };
        assert!(!expected.is_empty(), "{wanted:?}");
        assert_eq!(picked.lines().collect::<Vec<_>>(), expected, "{wanted:?}");
    }

    // As JSON, and the sum of the spans' objects is what there is.
    let json = goheap(["records", path, "--json"]).done().text();
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| {
        lines
            .iter()
            .filter(|line| line["kind"] == kind)
            .collect::<Vec<_>>()
    };
    let in_spans = of("span")
        .iter()
        .map(|line| line["annex"]["objects"].as_u64().unwrap())
        .sum::<u64>();
    assert_eq!(in_spans, of("object").len() as u64);
    let globals = of("global");
    let allgs = globals
        .iter()
        .find(|line| line["annex"]["name"] == "runtime.allgs")
        .expect("a global of the runtime");
    assert_eq!(allgs["annex"]["size"], 24);
    let address = |value: &Value| u64::from_str_radix(&value.as_str().unwrap()[2..], 16).unwrap();
    // It lies in a segment of the dump.
    let at = address(&allgs["annex"]["address"]);
    let segments = [of("data"), of("bss")].concat();
    let within = segments.iter().any(|line| {
        let start = address(&line["address"]);
        start <= at && at + 24 <= start + line["size"].as_u64().unwrap()
    });
    assert!(within, "{allgs}");
}

#[test]
fn an_annex_that_is_damaged_is_found_out() {
    let folder = folder();
    let (dump, _) = mended(1000);
    let end = second_reader::read(&dump).unwrap().end;
    let mut damaged = dump.clone();
    damaged[end + 100] ^= 1;
    let path = file(&folder, "damaged", &damaged);
    let path = path.to_str().unwrap();
    goheap(["verify", path]).ended(1, &["damaged: byte ", "annex", "checksum"]);
    let verdict = goheap(["verify", path, "--json"]);
    assert_eq!((verdict.status, verdict.err.as_str()), (Some(1), ""));
    let error = verdict.json()["annex"]["error"]["offset"].as_u64().unwrap();
    assert!(error >= end as u64, "{error}");
    goheap(["records", path, "--kind", "annex"]).ended(2, &["damaged: byte ", "checksum"]);
    // The records are whole.
    goheap(["records", path, "--kind", "object"]).done();
    let page = goheap(["info", path]).done().text();
    assert!(page.contains("note: byte "), "{page}");

    let path = file(&folder, "cut", &dump[..dump.len() - 1]);
    goheap(["verify".as_ref(), path.as_os_str()]).ended(1, &["cut: byte ", "cut off"]);
    let later = String::from_utf8_lossy(&dump[end..end + 16]).into_owned();
    assert_eq!(later, "goheap annex 1.3");
    let mut later = dump.clone();
    later[end + 13] = b'2';
    let path = file(&folder, "later", &later);
    goheap(["verify".as_ref(), path.as_os_str()]).ended(1, &["later: byte ", "version 2.3"]);
    // What others append is none of ours.
    let path = file(
        &folder,
        "other",
        &[&dump[..end], b"something else"].concat(),
    );
    let line = goheap(["verify".as_ref(), path.as_os_str()]).done().text();
    assert!(line.contains("; 14 B behind the last record"), "{line}");
}

#[test]
fn an_exact_dump_has_none() {
    let folder = folder();
    let program = build(GO, "linked", &BuildOptions::default()).unwrap();
    let program = Obedient::start(&program, &["1000"]).unwrap();
    let path = folder.path().join("exact");
    let path = path.to_str().unwrap();
    let pid = program.pid().to_string();
    let said = goheap(["dump", &pid, "--exact", "--json", "-o", path]).done();
    assert_eq!(said.json()["annex_bytes"], 0);
    let dump = fs::read(path).unwrap();
    assert_eq!(second_reader::read(&dump).unwrap().end, dump.len());
    assert_eq!(
        goheap(["records", path, "--kind", "annex"]).done().text(),
        ""
    );
    let info = goheap(["info", path, "--json"]).done().json();
    assert_eq!(
        (&info["annex"], &info["gaps"]),
        (&Value::Null, &Value::Null)
    );
}
