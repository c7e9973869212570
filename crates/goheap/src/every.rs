//! Dumps that are written again and again: their names, which of them are kept, and whether there is
//! room for another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::units;

/// A name with a time in it: `app.heapdump.zst` becomes `app-20261126T051400Z.heapdump.zst`.
pub(crate) struct Names {
    directory: PathBuf,
    /// What stands before the time, with the hyphen.
    before: String,
    /// What stands behind it.
    behind: String,
}

/// Characters of a time: `20261126T051400Z`.
const STAMP: usize = 16;

impl Names {
    /// The names for `output`; `None` if it has no name of a file that is text.
    pub(crate) fn of(output: &Path) -> Option<Names> {
        let name = output.file_name()?.to_str().filter(|&name| name != "-")?;
        // What begins with a dot is hidden, and has no ending for that.
        let dot = name.get(1..)?.find('.').map_or(name.len(), |dot| dot + 1);
        let (before, behind) = name.split_at(dot);
        Some(Names {
            directory: match output.parent() {
                Some(parent) if parent != Path::new("") => parent.to_owned(),
                _ => PathBuf::from("."),
            },
            before: format!("{before}-"),
            behind: behind.to_owned(),
        })
    }

    /// Where they are.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file of a time.
    pub(crate) fn at(&self, time: SystemTime) -> PathBuf {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let text = units::utc(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX));
        // 2026-11-26 05:14:00 UTC
        let stamp: String = text
            .trim_end_matches(" UTC")
            .replace(' ', "T")
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let name = format!("{}{stamp}Z{}", self.before, self.behind);
        self.directory.join(name)
    }

    fn is_one(&self, name: &str) -> bool {
        let stamp = name
            .strip_prefix(self.before.as_str())
            .and_then(|rest| rest.strip_suffix(self.behind.as_str()));
        stamp.is_some_and(|stamp| {
            let form = stamp.bytes().enumerate().all(|(at, byte)| match at {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
            form && stamp.len() == STAMP
        })
    }

    /// Removes all but the newest of the files with such names, whoever wrote them.
    ///
    /// # Errors
    /// The directory cannot be read, or a file not be removed.
    pub(crate) fn keep(&self, newest: u32) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name().to_str().map(str::to_owned);
            let name = name.filter(|name| self.is_one(name));
            if let Some(name) = name.filter(|_| entry.file_type().is_ok_and(|kind| kind.is_file()))
            {
                names.push(name);
            }
        }
        // Of one form, so that they sort as their times do.
        names.sort_unstable();
        let surplus = names.len().saturating_sub(newest as usize);
        for name in names.iter().take(surplus) {
            match fs::remove_file(self.directory.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// What is left free on the disk in any case.
const RESERVE: u64 = 64 << 20;

/// Whether there is room on the disk of `directory` for a capture of a process with so many bytes in
/// RAM, of which a dump took `last` bytes the last time; what to say if not.
///
/// The copy of its memory and the dump may be there at the same time.
pub(crate) fn room(free: u64, rss_anon: u64, last: Option<u64>) -> Result<(), String> {
    let dump = last.map_or(rss_anon, |last| last.saturating_add(last / 4));
    let wanted = rss_anon.saturating_add(dump).saturating_add(RESERVE);
    match free >= wanted {
        true => Ok(()),
        false => Err(format!(
            "{} are free, and a dump may take {} meanwhile",
            units::bytes(free),
            units::bytes(wanted),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn names_have_the_time_before_their_endings() {
        // Of date -u -d @1795670040.
        for (output, name) in [
            ("x/app.heapdump.zst", "x/app-20261126T051400Z.heapdump.zst"),
            ("app", "./app-20261126T051400Z"),
            ("/.hidden.heapdump", "/.hidden-20261126T051400Z.heapdump"),
        ] {
            let names = Names::of(Path::new(output)).unwrap();
            assert_eq!(names.at(at(1_795_670_040)), Path::new(name));
        }
        for none in ["-", "/", ".."] {
            assert!(Names::of(Path::new(none)).is_none(), "{none}");
        }
    }

    #[test]
    fn the_newest_are_kept_and_nothing_else_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let names = Names::of(&folder.path().join("app.zst")).unwrap();
        let others = [
            "app.zst",
            "app-x.zst",
            "app-20261126T051400Z.zst.bak",
            "app-20261126x051400Z.zst",
        ];
        for other in others {
            fs::write(folder.path().join(other), "").unwrap();
        }
        for seconds in [3_000, 1_000, 2_000, 90_000] {
            fs::write(names.at(at(seconds)), "").unwrap();
        }
        names.keep(2).unwrap();
        for (seconds, kept) in [
            (1_000, false),
            (2_000, false),
            (3_000, true),
            (90_000, true),
        ] {
            assert_eq!(names.at(at(seconds)).exists(), kept, "{seconds}");
        }
        assert!(
            others
                .iter()
                .all(|other| folder.path().join(other).exists())
        );
        names.keep(5).unwrap();
        assert!(names.at(at(3_000)).exists());
    }

    #[test]
    fn a_disk_is_never_filled() {
        assert!(room(1 << 30, 100 << 20, None).is_ok());
        let why = room(200 << 20, 100 << 20, None).unwrap_err();
        assert_eq!(
            why,
            "200 MiB are free, and a dump may take 264 MiB meanwhile"
        );
        assert!(room(200 << 20, 100 << 20, Some(20 << 20)).is_ok());
        assert!(room(u64::MAX, u64::MAX, Some(u64::MAX)).is_ok());
    }
}
