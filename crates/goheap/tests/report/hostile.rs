//! A dump whose every name and text is made to do harm: in JSON, and as a file. What it does to pages and
//! Markdown is judged by `crates/page/tests/hostile`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::report;

#[path = "../../../page/tests/hostile/dump.rs"]
mod dump;

use dump::harmful;

fn in_folder(check: impl Fn(&Path, &str)) {
    let folder = tempfile::tempdir().expect("a folder");
    // The name of a file may be of any kind, too.
    let name = "<img src=x>`|`\u{202e}.heapdump";
    fs::write(folder.path().join(name), dump::dump(&harmful())).expect("a dump");
    check(folder.path(), name);
}

#[test]
fn hostile_names_are_strings_in_json() {
    in_folder(|folder, dump| {
        let text = report(folder, dump, "json", &[]);
        assert!(text.len() < 2 << 20, "{}", text.len());
        let bytes = text.trim_end_matches('\n');
        // One line, and no control character in it.
        assert!(!bytes.chars().any(|c| c < ' '), "a control character");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let rows = value["top"]["tables"][0]["rows"].as_array().expect("rows");
        let names: BTreeSet<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
        for name in harmful().iter().filter(|name| name.len() < 1000) {
            assert!(names.contains(name.as_str()), "{name}");
        }
        assert!(names.iter().all(|name| name.len() < 1100));
    });
}

/// All formats are made of it by the command, too, under its name.
#[test]
fn hostile_files_are_reported_on() {
    in_folder(|folder, dump| {
        for format in ["html", "md"] {
            let text = report(folder, dump, format, &[]);
            // In Markdown it is code.
            assert!(format == "md" || !text.contains("<img"));
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
            assert!(text.len() < 1 << 20, "{}", text.len());
        }
    });
}
