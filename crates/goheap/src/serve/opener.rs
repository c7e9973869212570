//! Opens the page in a browser.

use std::io::{self, Write};
#[cfg(unix)]
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::NamedTempFile;

use crate::error::Reason;
use crate::text;

/// What opens a file.
const OPENER: &str = if cfg!(target_os = "macos") {
    "open"
} else {
    "xdg-open"
};

/// Opens an address by way of a file that only its owner can read (mode 0600) and that leads there: all
/// users of the machine can see arguments of commands, and the address has the secret in it. The file
/// is gone with what is returned. If it cannot be done that is said, and no more: the address is there.
pub(super) fn open(url: &str) -> Option<NamedTempFile> {
    let made = page(url).and_then(|file| Ok((start(file.path())?, file)));
    match made {
        Ok((opener, file)) => {
            std::thread::spawn(move || watch(opener));
            Some(file)
        }
        Err(error) => {
            text::say(format_args!(
                "goheap: cannot open a browser ({OPENER}): {}; the address is above",
                Reason(&error)
            ));
            None
        }
    }
}

/// A page that leads to the address, which is made of digits, letters, dots, colons and slashes.
fn page(url: &str) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("goheap-")
        .suffix(".html")
        .tempfile()?;
    writeln!(
        file,
        "<!DOCTYPE html><meta charset=\"utf-8\"><title>goheap</title>\
         <meta http-equiv=\"refresh\" content=\"0; url={url}\"><a href=\"{url}\">goheap</a>"
    )?;
    file.flush()?;
    Ok(file)
}

/// Starts what opens it. It has a process group of its own, for it may become the browser, and Ctrl-C
/// is to end goheap alone; what it says is not goheap's, and goes nowhere.
fn start(page: &Path) -> io::Result<Child> {
    let mut opener = Command::new(OPENER);
    opener
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    #[cfg(unix)]
    opener.process_group(0);
    opener.spawn()
}

/// Waits for its end, which may be that of the browser. One that has found no browser says so by its
/// exit status (xdg-open(1)).
fn watch(mut opener: Child) {
    if let Ok(status) = opener.wait()
        && !status.success()
    {
        text::say(format_args!(
            "goheap: {OPENER} has ended with {status}; if no browser shows it, the address is above"
        ));
    }
}
