//! Help, version, and command lines that make no sense.

use crate::goheap;

#[test]
fn help_and_version_go_to_standard_output() {
    let version = goheap(["--version"]).done().text();
    assert_eq!(version, format!("goheap {}\n", env!("CARGO_PKG_VERSION")));
    let help = goheap(["--help"]).done().text();
    for command in [
        "dump", "info", "records", "verify", "top", "tree", "why", "export", "demo",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
        let by_flag = goheap([command, "--help"]).done().text();
        let by_help = goheap(["help", command]).done().text();
        assert_eq!(by_flag, by_help);
        assert!(by_flag.contains("Examples:"), "{by_flag}");
    }
}

#[test]
fn nothing_is_help_on_standard_error() {
    let said = goheap([""; 0]);
    assert_eq!((said.status, said.lossy().as_str()), (Some(2), ""));
    assert!(said.err.contains("Usage:"));
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line() {
    for (args, words) in [
        (&["heap"][..], &["unrecognized subcommand", "'heap'"][..]),
        (&["dump"], &["required", "<PID|CORE>"]),
        (&["dump", "1"], &["required", "--output"]),
        (&["dump", "1", "--exact"], &["required", "--output"]),
        (
            &["dump", "1", "-o", "x.heapdump", "--tries", "0"],
            &["invalid value '0'", "--tries"],
        ),
        (
            &["records", "x", "--kind", "thing"],
            &["invalid value 'thing'", "stackframe"],
        ),
        (&["info", "x", "--fast"], &["unexpected argument '--fast'"]),
        (&["demo", "--sessions", "0"], &["invalid value '0'"]),
    ] {
        goheap(args).refused(words);
    }
}
