//! The ways in which the twins' program is built and run, by name.

use crate::program::BuildOptions;
use crate::{Error, Result};

/// A way to build and run a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its name, as in the names of tests.
    pub name: &'static str,
    /// How it is built.
    pub options: BuildOptions,
    /// What is in its environment.
    pub environment: &'static [(&'static str, &'static str)],
}

/// All names, in the order in which the matrix tells of them.
pub const NAMES: &[&str] = &[
    "plain",
    "pie",
    "unoptimised",
    "race",
    "cgo",
    "arenas",
    "profile",
    "one_processor",
];

/// The variant of this name.
///
/// # Errors
/// [`Error::UnknownVariant`].
pub fn named(name: &str) -> Result<Variant> {
    let default = BuildOptions::default;
    let (name, options, environment): (_, _, &[_]) = match name {
        "plain" => ("plain", default(), &[]),
        "pie" => (
            "pie",
            BuildOptions {
                pie: true,
                ..default()
            },
            &[],
        ),
        "unoptimised" => (
            "unoptimised",
            BuildOptions {
                gcflags: Some("-N -l"),
                ..default()
            },
            &[],
        ),
        "race" => (
            "race",
            BuildOptions {
                race: true,
                ..default()
            },
            &[],
        ),
        "cgo" => (
            "cgo",
            BuildOptions {
                cgo: true,
                tags: vec!["withcgo"],
                ..default()
            },
            &[],
        ),
        "arenas" => (
            "arenas",
            BuildOptions {
                goexperiment: Some("arenas"),
                ..default()
            },
            &[],
        ),
        // Every allocation sampled.
        "profile" => ("profile", default(), &[("EVERYTHING_PROFILE", "1")]),
        // Goroutines that were started last have not run when the world stops.
        "one_processor" => ("one_processor", default(), &[("GOMAXPROCS", "1")]),
        other => {
            return Err(Error::UnknownVariant {
                name: other.to_owned(),
            });
        }
    };
    Ok(Variant {
        name,
        options,
        environment,
    })
}

impl Variant {
    /// Whether a version of Go has what it needs: user arenas came with go1.20.
    pub fn exists_in(&self, version: &str) -> bool {
        self.name != "arenas" || version != "1.19.8"
    }
}
