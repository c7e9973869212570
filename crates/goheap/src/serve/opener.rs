//! Opens the page in a browser.

use std::io::Write;
use std::process::{Command, Stdio};

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
    let made = tempfile::Builder::new()
        .prefix("goheap-")
        .suffix(".html")
        .tempfile()
        .and_then(|mut file| {
            // The address is made of digits, letters, dots, colons and slashes.
            writeln!(
                file,
                "<!DOCTYPE html><meta charset=\"utf-8\"><title>goheap</title>\
                 <meta http-equiv=\"refresh\" content=\"0; url={url}\"><a href=\"{url}\">goheap</a>"
            )?;
            file.flush()?;
            let mut opener = Command::new(OPENER)
                .arg(file.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            // It may live as long as the browser.
            std::thread::spawn(move || opener.wait());
            Ok(file)
        });
    match made {
        Ok(file) => Some(file),
        Err(error) => {
            text::say(format_args!(
                "goheap: cannot open a browser ({OPENER}): {}; the address is above",
                Reason(&error)
            ));
            None
        }
    }
}
