//! A `goheap serve` at work.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::wire::{self, Answer};

/// The dump of the demo's program, which leaks sessions, and of the same without the leak.
pub(crate) fn leaking() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readme/shop.heapdump.zst")
}

/// See [`leaking`].
pub(crate) fn mended() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readme/shop-fixed.heapdump.zst")
}

/// It, until it is dropped.
pub(crate) struct Served {
    child: Child,
    pub(crate) port: u16,
    /// `/TOKEN`.
    pub(crate) base: String,
}

impl Served {
    /// Starts it, and waits until it says its address.
    pub(crate) fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Served {
        let mut child = Command::new(env!("CARGO_BIN_EXE_goheap"))
            .arg("serve")
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("goheap to start");
        let out = child.stdout.take().expect("its output");
        let line = BufReader::new(out).lines().next();
        let line = line.expect("an address").expect("text");
        let url = line.split_once("http://127.0.0.1:");
        let (_, rest) = url.unwrap_or_else(|| panic!("no address: {line}"));
        let (port, path) = rest.split_once('/').expect("a path");
        Served {
            child,
            port: port.parse().expect("a port"),
            base: format!("/{}", path.trim_end_matches('/')),
        }
    }

    /// The address of a page.
    pub(crate) fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}{}/{page}", self.port, self.base)
    }

    /// A page.
    pub(crate) fn page(&self, page: &str) -> Answer {
        wire::get(self.port, &format!("{}/{page}", self.base))
    }

    /// A page, once all of it is ready.
    pub(crate) fn ready(&self, page: &str) -> String {
        let begun = Instant::now();
        loop {
            let answer = self.page(page);
            assert_eq!(answer.status, 200, "{page}: {}", answer.body);
            if !answer.body.contains("class=\"wait\"") {
                return answer.body;
            }
            assert!(begun.elapsed() < Duration::from_secs(300), "{page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends it a signal, and waits for its end.
    pub(crate) fn end_by(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill").success());
        self.child.wait().expect("its end").code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The target of the first link whose text is `text`.
#[track_caller]
pub(crate) fn link<'p>(page: &'p str, text: &str) -> &'p str {
    let end = format!(">{text}</a>");
    let at = page
        .find(&end)
        .unwrap_or_else(|| panic!("no link {text}: {page}"));
    let tag = page[..at].rfind("href=\"").expect("a link") + 6;
    let rest = &page[tag..];
    &rest[..rest.find('"').expect("its end")]
}
