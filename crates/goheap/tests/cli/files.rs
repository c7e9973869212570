//! Commands on dumps that lie there: info, records and verify.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};

use goheap_format::{Params, Record, TypeDescriptor, Writer};

use crate::{
    Said, command, file, folder, goheap, goheap_fed, recorded, recorded_plain, recorded_records,
};

#[test]
fn one_dump_is_the_same_in_every_wrapping() {
    let folder = folder();
    let plain = file(&folder, "plain", &recorded_plain());
    let gzip = Command::new("gzip")
        .arg("-kn")
        .arg(&plain)
        .status()
        .expect("gzip to run");
    assert!(gzip.success());
    let gz = folder.path().join("plain.gz");
    let (plain, gz, zst) = (plain.to_str().unwrap(), gz.to_str().unwrap(), recorded());

    let lines = |said: Said| said.done().text();
    let records = lines(goheap(["records", plain]));
    assert_eq!(records, lines(goheap(["records", gz])));
    assert_eq!(
        records,
        lines(goheap(["records".as_ref(), zst.as_os_str()]))
    );
    assert_eq!(
        records,
        lines(goheap_fed(&["records", "-"], &fs::read(plain).unwrap()))
    );
    assert_eq!(
        records,
        lines(goheap_fed(&["records", "-"], &fs::read(&zst).unwrap()))
    );

    let mut without_source = Vec::new();
    for path in [plain, gz, zst.to_str().unwrap()] {
        let mut info = goheap(["info", path, "--json"]).done().json();
        assert_eq!(info["source"]["path"], path);
        let bytes = |part: &str| info["source"][part].as_u64().unwrap();
        assert_eq!(
            bytes("bytes") + bytes("trailing_bytes"),
            fs::metadata(plain).unwrap().len()
        );
        assert_eq!(
            info["source"]["file_bytes"],
            fs::metadata(path).unwrap().len()
        );
        info["source"] = serde_json::Value::Null;
        without_source.push(info);

        let verdict = goheap(["verify", path]).done().text();
        assert!(
            verdict.starts_with(&format!("{path}: whole and sound: ")),
            "{verdict}"
        );
        assert_eq!(verdict.lines().count(), 1);
    }
    assert_eq!(without_source[0], without_source[1]);
    assert_eq!(without_source[0], without_source[2]);
}

#[test]
fn info_counts_what_records_lists() {
    let zst = recorded();
    let zst = zst.to_str().unwrap();
    let info = goheap(["info", zst, "--json"]).done().json();
    assert_eq!(info["schema"], "goheap.info/1");
    assert_eq!(info["source"]["kind"], "dump");
    assert_eq!(info["source"]["compression"], "zstd");
    assert_eq!(info["go"]["arch"], "amd64");
    assert_eq!(info["memstats"]["pause_ns"].as_array().unwrap().len(), 256);

    let records = goheap(["records", zst, "--json"]).done().text();
    let mut lines = records
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let head: serde_json::Value = lines.next().unwrap();
    assert_eq!(head["schema"], "goheap.records/1");
    assert_eq!(head["format"], "go1.7 heap dump");
    let records: Vec<serde_json::Value> = lines.collect();
    for (kind, count) in info["records"].as_object().unwrap() {
        let listed = records
            .iter()
            .filter(|record| record["kind"] == kind.as_str())
            .count();
        assert_eq!(*count, listed, "{kind}");
    }
    let sizes = records
        .iter()
        .filter(|r| r["kind"] == "object")
        .map(|r| r["size"].as_u64());
    assert_eq!(info["object_bytes"].as_u64(), sizes.sum());
    let bytes: u64 = by(&info["size_classes"], "bytes");
    assert_eq!(info["object_bytes"], bytes);
    assert_eq!(info["objects"], by(&info["size_classes"], "objects"));
    let states = info["goroutines"]["by_state"].as_object().unwrap();
    assert_eq!(
        info["goroutines"]["total"],
        states.values().map(|n| n.as_u64().unwrap()).sum::<u64>()
    );

    let page = goheap(["info", zst]).done().text();
    for word in [
        "Go version",
        "Biggest size classes",
        "Goroutines",
        "chan receive",
        "Records",
    ] {
        assert!(page.contains(word), "{word} in {page}");
    }
    assert!(
        !page.contains('\x1b'),
        "no colour where there is no terminal"
    );
}

fn by(list: &serde_json::Value, field: &str) -> u64 {
    list.as_array()
        .unwrap()
        .iter()
        .map(|item| item[field].as_u64().unwrap())
        .sum()
}

#[test]
fn records_can_be_picked_by_kind() {
    let zst = recorded();
    let zst = zst.to_str().unwrap();
    let all = goheap(["records", zst]).done().text();
    let kind = |line: &str| line.split_whitespace().nth(1).unwrap().to_owned();
    for wanted in [&["goroutine"][..], &["params", "memstats"], &["eof"]] {
        let mut args = vec!["records", zst];
        args.extend(wanted.iter().flat_map(|kind| ["--kind", kind]));
        let picked = goheap(&args).done().text();
        let expected: Vec<&str> = all
            .lines()
            .filter(|line| wanted.contains(&kind(line).as_str()))
            .collect();
        assert_eq!(picked.lines().collect::<Vec<_>>(), expected);
        assert!(!expected.is_empty());
    }
    let offsets: Vec<u64> = all
        .lines()
        .map(|line| line.split_whitespace().next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(offsets[0], 16, "behind the header");
    assert!(offsets.is_sorted());
}

#[test]
fn a_dump_that_is_cut_off_is_told_with_the_place() {
    let folder = folder();
    let whole = recorded_records();
    for len in [0, 5, 16, 17, 1000, whole.len() / 2, whole.len() - 1] {
        let path = file(&folder, "cut", &whole[..len]);
        let path = path.to_str().unwrap();
        let offset = if len < 16 { "byte 0: " } else { "byte " };
        goheap(["verify", path]).ended(1, &["cut: ", offset]);
        goheap(["info", path]).refused(&["cut: ", offset]);
        goheap(["records", path]).ended(2, &["cut: ", offset]);

        let verdict = goheap(["verify", path, "--json"]);
        assert_eq!((verdict.status, verdict.err.as_str()), (Some(1), ""));
        let verdict = verdict.json();
        assert_eq!(verdict["schema"], "goheap.verify/1");
        assert_eq!(verdict["sound"], false);
        assert!(verdict["error"]["offset"].as_u64().unwrap() <= len as u64);
    }
    // What was there is shown before the error.
    let path = file(&folder, "cut", &whole[..whole.len() - 1]);
    assert!(
        goheap([std::ffi::OsStr::new("records"), path.as_os_str()])
            .lossy()
            .lines()
            .count()
            > 100
    );
}

#[test]
fn a_compressed_dump_that_is_cut_off_is_an_error() {
    let folder = folder();
    let zst = fs::read(recorded()).unwrap();
    // In the records: the annex is smaller by far, but compresses less.
    let path = file(&folder, "cut.zst", &zst[..zst.len() / 8]);
    let path = path.to_str().unwrap();
    goheap(["verify", path]).ended(1, &["cut.zst: byte "]);
    goheap(["info", path]).refused(&["cut.zst: byte "]);
}

#[test]
fn a_damaged_dump_is_whole_but_not_sound() {
    let folder = folder();
    let params = Record::Params(Params {
        big_endian: false,
        pointer_size: 8,
        heap_start: 0x1000,
        heap_end: 0x2000,
        arch: goheap_format::Arch::Name(b"amd64"),
        go_version: b"go1.24.3",
        ncpu: 2,
    });
    let sample = Record::AllocSample(goheap_format::AllocSample {
        object: 0x1000,
        bucket: 0x77,
    });
    let path = file(&folder, "odd", &dump_of(&[params, sample]));
    let said = goheap(["verify".as_ref(), path.as_os_str()]);
    assert_eq!((said.status, said.lossy().as_str()), (Some(1), ""));
    assert!(
        said.err.contains("odd: ") && said.err.contains("0x77"),
        "{}",
        said.err
    );
}

fn dump_of(records: &[Record<'_>]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for record in records {
        writer.write(record).unwrap();
    }
    writer.write(&Record::Eof).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_name_in_a_dump_cannot_talk_to_the_terminal() {
    let folder = folder();
    let name = b"main.\x1b]0;owned\x07\nT\xff";
    let record = Record::Type(TypeDescriptor {
        address: 1,
        size: 8,
        name,
        indirect: false,
    });
    let path = file(&folder, "names", &dump_of(&[record]));
    let text = goheap(["records".as_ref(), path.as_os_str()]).done().text();
    assert_eq!(text.lines().count(), 2, "{text:?}");
    assert!(
        text.contains("main.\\u{1b}]0;owned\\u{7}\\nT\\xff"),
        "{text:?}"
    );
    assert!(!text.contains(['\x1b', '\x07']));
    let json = goheap(["records".as_ref(), path.as_os_str(), "--json".as_ref()])
        .done()
        .text();
    assert_eq!(json.lines().count(), 3, "{json:?}");
}

#[test]
fn what_is_no_dump_is_told_by_what_it_is() {
    let folder = folder();
    let missing = folder.path().join("missing");
    let text = file(&folder, "text", b"hello, world: this is no heap dump\n");
    let empty = file(&folder, "empty", b"");
    let program = std::env::current_exe().unwrap();
    for (path, info, verify) in [
        (
            missing.as_path(),
            &["cannot open ", "missing", "no such file"][..],
            2,
        ),
        (folder.path(), &["cannot open ", "directory"], 2),
        (text.as_path(), &["text: byte 0: not a Go heap dump"], 1),
        (empty.as_path(), &["empty: byte 0: ", "empty"], 1),
        (program.as_path(), &["executable"], 1),
    ] {
        goheap(["info".as_ref(), path.as_os_str()]).refused(info);
        let said = goheap(["verify".as_ref(), path.as_os_str()]);
        said.ended(verify, &[]);
        assert_eq!(said.lossy(), "");
        let said = goheap(["records".as_ref(), path.as_os_str()]);
        said.ended(2, &[]);
    }
    goheap_fed(&["info", "-"], b"nothing").refused(&["standard input: byte 0"]);
    let zst = recorded();
    goheap(["dump", zst.to_str().unwrap(), "--exact", "-o", "x"]).refused(&["dump already"]);
    goheap(["info", zst.to_str().unwrap(), "--exe", "x"]).refused(&["--exe", "needs no"]);
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let mut child = command(["records".as_ref(), recorded().as_os_str()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_behind_standard_output_is_an_error() {
    for args in [["records"], ["info"], ["verify"]] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let output = command(args).arg(recorded()).stdout(full).output().unwrap();
        Said::of(output).refused(&["standard output", "no space left"]);
    }
}

#[test]
fn the_demo_can_show_its_recorded_dump() {
    let page = goheap(["demo", "--recorded"]).done().text();
    assert!(page.contains("recorded before"), "{page}");
    assert!(
        page.contains("chan receive") && page.contains("Next"),
        "{page}"
    );
}

#[test]
fn colour_only_where_it_is_wanted() {
    let coloured = |settings: &[(&str, &str)]| {
        let mut command = command(["info".as_ref(), recorded().as_os_str()]);
        for name in ["CLICOLOR_FORCE", "NO_COLOR", "CLICOLOR"] {
            command.env_remove(name);
        }
        let output = command.envs(settings.iter().copied()).output().unwrap();
        output.stdout.contains(&b'\x1b')
    };
    assert!(!coloured(&[]), "standard output is no terminal");
    assert!(coloured(&[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
}
