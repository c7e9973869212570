//! What a program says about the toolchain that built it.

use std::fmt;
use std::str::FromStr;

/// A Go version as `runtime.buildVersion` has it: `go1.24.3`, `go1.27rc1`, `go1.26.6 X:nogreenteagc`,
/// `devel go1.28-abcdef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoVersion {
    /// The 24 of 1.24.3.
    pub minor: u32,
    /// The 3 of 1.24.3; 0 for a first release, a beta, a release candidate or a development tree.
    pub patch: u32,
    /// Experiments that differ from the toolchain's defaults, as listed behind `X:`.
    pub experiments: Vec<String>,
    text: String,
}

/// A version that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It does not read like a Go version.
    #[error("{0:?} is not a Go version (expected something like \"go1.24.3\")")]
    Unreadable(String),
    /// It is one that goheap does not know.
    #[error(
        "{version} is not a Go version that goheap knows (it knows go1.{oldest} to go1.{newest}); take \
         a release of goheap that does, or build the program by one of these"
    )]
    Unknown {
        /// What the program says.
        version: String,
        /// The oldest minor version that is known.
        oldest: u32,
        /// The newest minor version that is known.
        newest: u32,
    },
}

impl GoVersion {
    /// A version that was told by code: its releases are not told apart, and `patch` is the one that was
    /// learnt and is nearest.
    pub(crate) fn by_code(minor: u32, patch: u32) -> GoVersion {
        GoVersion {
            minor,
            patch,
            experiments: Vec::new(),
            text: format!("go1.{minor}"),
        }
    }

    /// Whether the experiment `name` is listed (`greenteagc`, or `nogreenteagc` for one turned off).
    pub fn experiment(&self, name: &str) -> bool {
        self.experiments.iter().any(|x| x == name)
    }
}

impl fmt::Display for GoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for GoVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<GoVersion, VersionError> {
        let unreadable = || VersionError::Unreadable(text.chars().take(80).collect());
        let mut words = text.split_whitespace();
        let version = words
            .find_map(|w| w.strip_prefix("go1."))
            .ok_or_else(unreadable)?;
        // Distributors append to it: "go1.24.4-X:nodwarf5", "go1.22.2-fips".
        let (minor, rest) = leading_number(version).ok_or_else(unreadable)?;
        let patch = rest
            .strip_prefix('.')
            .and_then(leading_number)
            .map_or(0, |(patch, _rest)| patch);
        let experiments = text
            .split_once("X:")
            .map(|(_, list)| list.split(&[',', ' '][..]))
            .into_iter()
            .flatten()
            .filter(|x| !x.is_empty())
            .map(str::to_owned)
            .collect();
        Ok(GoVersion {
            minor,
            patch,
            experiments,
            text: text.to_owned(),
        })
    }
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_toolchains_write() {
        for (text, minor, patch, experiments) in [
            ("go1.24.3", 24, 3, &[][..]),
            ("go1.19.8", 19, 8, &[]),
            ("go1.27rc1", 27, 0, &[]),
            ("go1.26.6 X:nogreenteagc", 26, 6, &["nogreenteagc"]),
            ("go1.25.1-X:jsonv2,arenas", 25, 1, &["jsonv2", "arenas"]),
            (
                "devel go1.28-d3f0a1b Mon Jun 1 X:regabi",
                28,
                0,
                &["regabi"],
            ),
        ] {
            let version: GoVersion = text.parse().unwrap();
            assert_eq!((version.minor, version.patch), (minor, patch), "{text}");
            assert_eq!(version.experiments, experiments, "{text}");
            assert_eq!(version.to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in [
            "",
            "go",
            "go2.1",
            "go1.",
            "go1.x",
            "go1.99999999999999",
            "rust 1.95",
        ] {
            assert!(text.parse::<GoVersion>().is_err(), "{text}");
        }
    }
}
