//! `--open`: what opens a browser is a command of others, and goheap's own output stays its own.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::served::leaking;
use crate::wire;

/// Writes down how it was called, talks, and ends with this status once it may.
const OPENER: &str = r#"#!/bin/sh
echo "out of the opener"
echo "err of the opener" >&2
{
    echo "pid $$"
    echo "group $(cut -d ' ' -f 5 /proc/$$/stat)"
    echo "browser $BROWSER"
    echo "arguments $#"
    echo "argument $1"
    echo "page $(cat "$1")"
    echo "mode $(stat -c %a "$1")"
    echo "whole"
} >> "$NOTES"
while [ ! -e "$NOTES.go" ]; do sleep 0.05; done
exit $STATUS
"#;

/// `goheap serve --open` at work, with its output in files of a folder of its own.
struct Opened {
    folder: tempfile::TempDir,
    child: Child,
}

impl Opened {
    /// Starts it where these commands are the only ones beside the system's, or beside none.
    fn start(opener: Option<&str>, status: &str) -> Opened {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        // What the shell makes something else of, if one is between.
        let temporary = at("a b;$(echo c)'");
        for made in [&at("bin"), &temporary] {
            fs::create_dir(made).expect("a folder");
        }
        let mut path = at("bin").into_os_string();
        if let Some(script) = opener {
            let file = at("bin/xdg-open");
            fs::write(&file, script).expect("an opener");
            fs::set_permissions(&file, PermissionsExt::from_mode(0o700)).expect("executable");
            path.push(":/usr/bin:/bin");
        }
        let child = Command::new(env!("CARGO_BIN_EXE_goheap"))
            .args(["serve", "--open"])
            .arg(leaking())
            .env("PATH", path)
            .env("TMPDIR", &temporary)
            .env("NOTES", at("notes"))
            .env("STATUS", status)
            .env("BROWSER", "a-browser")
            .stdin(Stdio::null())
            .stdout(File::create(at("out")).expect("a file"))
            .stderr(File::create(at("err")).expect("a file"))
            .spawn()
            .expect("goheap to start");
        Opened { folder, child }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is in a file, once that is so.
    fn once(&mut self, name: &str, is_so: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(self.at(name)).unwrap_or_default();
            if is_so(&text) {
                return text;
            }
            let ended = self.child.try_wait().expect("its status");
            assert!(ended.is_none(), "{ended:?}: {text}");
            assert!(begun.elapsed() < Duration::from_secs(120), "{name}: {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The address that it has said.
    fn url(&mut self) -> String {
        let said = self.once("out", |text| text.lines().count() == 2);
        let line = said.lines().next().expect("a line");
        let (_, url) = line.split_once(": ").expect("an address");
        url.to_owned()
    }

    /// Ends it by Ctrl-C's signal; all that it has said on standard output and on standard error.
    fn end(&mut self) -> (String, String) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status();
        assert!(sent.expect("kill").success());
        assert_eq!(self.child.wait().expect("its end").code(), Some(130));
        let read = |name| fs::read_to_string(self.at(name)).expect("its output");
        (read("out"), read("err"))
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        // An opener that is still there may go.
        let _ = fs::write(self.at("notes.go"), "");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for the first page.
fn is_served(url: &str) -> bool {
    let rest = url.strip_prefix("http://127.0.0.1:").expect("an address");
    let (port, path) = rest.split_once('/').expect("a path");
    wire::get(port.parse().expect("a port"), &format!("/{path}")).status == 200
}

/// The secret of an address.
fn secret(url: &str) -> &str {
    let secret = url.trim_end_matches('/').rsplit('/').next().expect("one");
    assert_eq!(secret.len(), 32);
    secret
}

/// Whether a process is there, as a zombie too.
fn is_there(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[test]
fn the_opener_gets_the_address_once_and_nobody_else_sees_it() {
    let mut opened = Opened::start(Some(OPENER), "0");
    let notes = opened.once("notes", |text| text.ends_with("whole\n"));
    let note = |name: &str| {
        let mut found = notes.lines().filter_map(|line| line.strip_prefix(name));
        let value = found.next().unwrap_or_else(|| panic!("{name}: {notes}"));
        assert!(found.next().is_none(), "called once: {notes}");
        value.trim_start().to_owned()
    };
    let url = opened.url();
    // One argument, a file of ours as it is named, whatever a shell makes of that; it leads there.
    assert_eq!(note("arguments"), "1");
    let page = PathBuf::from(note("argument "));
    assert_eq!(
        page.parent(),
        Some(opened.at("a b;$(echo c)'").as_path()),
        "{page:?}"
    );
    assert!(note("page").contains(&format!("0; url={url}\"")), "{notes}");
    assert_eq!(note("mode"), "600");
    // xdg-open(1) asks $BROWSER itself.
    assert_eq!(note("browser"), "a-browser");
    // Ctrl-C at a terminal goes to a whole group.
    let (pid, group) = (note("pid"), note("group"));
    assert_eq!(pid, group, "a group of its own");
    // It is at work still: the secret is in nobody's arguments or environment.
    assert!(is_there(&pid));
    for process in fs::read_dir("/proc").expect("/proc").flatten() {
        for name in ["cmdline", "environ"] {
            // A process may have ended, or be somebody else's.
            let bytes = fs::read(process.path().join(name)).unwrap_or_default();
            let is_in = bytes
                .windows(32)
                .any(|part| part == secret(&url).as_bytes());
            assert!(!is_in, "{name} of {process:?}");
        }
    }
    assert!(is_served(&url));
    // When it has ended it is gone, and no zombie.
    fs::write(opened.at("notes.go"), "").expect("a file");
    let begun = Instant::now();
    while is_there(&pid) {
        assert!(begun.elapsed() < Duration::from_secs(120), "a zombie");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(is_served(&url));
    assert!(page.exists(), "a browser may be slow");
    let (out, err) = opened.end();
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(!out.contains("of the opener") && !err.contains("of the opener"));
    assert!(!err.contains("xdg-open"), "{err}");
    assert!(!page.exists(), "the secret is not left behind");
    assert_eq!(
        fs::read_to_string(opened.at("notes")).expect("notes"),
        notes
    );
}

#[test]
fn an_opener_that_is_not_there_is_told_and_the_page_is_served() {
    let mut opened = Opened::start(None, "");
    let url = opened.url();
    opened.once("err", |text| {
        text.contains("cannot open a browser (xdg-open)")
    });
    assert!(is_served(&url));
    let left = fs::read_dir(opened.at("a b;$(echo c)'")).expect("a folder");
    assert_eq!(left.count(), 0, "a page that leads there");
    let (out, err) = opened.end();
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(err.contains("the address is above"), "{err}");
    assert!(!err.contains(secret(&url)), "{err}");
}

#[test]
fn an_opener_that_finds_no_browser_is_told_and_the_page_is_served() {
    let mut opened = Opened::start(Some(OPENER), "3");
    let url = opened.url();
    fs::write(opened.at("notes.go"), "").expect("a file");
    opened.once("err", |text| {
        text.contains("xdg-open has ended with exit status: 3")
    });
    assert!(is_served(&url));
    let (out, err) = opened.end();
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(
        !err.contains("of the opener") && !err.contains(secret(&url)),
        "{err}"
    );
}
