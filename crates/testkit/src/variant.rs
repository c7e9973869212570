//! The ways in which the twins' program is built and run, by name.

use crate::altered::Alteration;
use crate::program::{BuildOptions, Program, build};
use crate::symbols::{Symbols, segments_of};
use crate::{Error, Result};

/// A way to build and run a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// Its name, as in the names of tests.
    pub name: &'static str,
    /// How it is built.
    pub options: BuildOptions,
    /// What is done to it after that.
    pub altered: Option<Alteration>,
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
    "stripped",
    "stripped_pie",
    "stripped_unoptimised",
    "stripped_unoptimised_pie",
    "sectionless",
    "sectionless_pie",
    "renamed",
    "obfuscated",
    "encrypted",
    "garbled",
];

/// What removes symbols and DWARF, and what removes neither and is as long: it is kept in the program
/// (cmd/go/internal/load/pkg.go, go1.18: `setBuildInfo`), where a longer one would move what is behind.
const STRIP: &str = "-s -w";
const NO_STRIP: &str = " -s=0";

/// The same, and what garble puts in the place of the version.
const STRIP_GARBLED: &str = "-s -w -X=runtime.buildVersion=unknown";
const NO_STRIP_GARBLED: &str = " -s=0 -X=runtime.buildVersion=unknown";

/// The variant of this name.
///
/// # Errors
/// [`Error::UnknownVariant`].
pub fn named(name: &str) -> Result<Variant> {
    let default = BuildOptions::default;
    let stripped = |pie| BuildOptions {
        pie,
        ldflags: Some(STRIP),
        ..default()
    };
    let unoptimised = |pie| BuildOptions {
        gcflags: Some("-N -l"),
        ..stripped(pie)
    };
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
        "stripped" => ("stripped", stripped(false), &[]),
        "stripped_pie" => ("stripped_pie", stripped(true), &[]),
        "stripped_unoptimised" => ("stripped_unoptimised", unoptimised(false), &[]),
        "stripped_unoptimised_pie" => ("stripped_unoptimised_pie", unoptimised(true), &[]),
        "sectionless" => ("sectionless", stripped(false), &[]),
        "sectionless_pie" => ("sectionless_pie", stripped(true), &[]),
        // As obfuscators do that leave the runtime alone.
        "renamed" => ("renamed", stripped(false), &[]),
        // And of those that do not.
        "obfuscated" => ("obfuscated", stripped(false), &[]),
        // Names and function table as the worst of obfuscators leave them.
        "encrypted" => (
            "encrypted",
            BuildOptions {
                garbled: true,
                ..stripped(false)
            },
            &[],
        ),
        // As garble does it: names of others, the function table, the version.
        "garbled" => (
            "garbled",
            BuildOptions {
                ldflags: Some(STRIP_GARBLED),
                garbled: true,
                ..default()
            },
            &[],
        ),
        other => {
            return Err(Error::UnknownVariant {
                name: other.to_owned(),
            });
        }
    };
    let altered = match name {
        "sectionless" | "sectionless_pie" => Some(Alteration::NoSections),
        "renamed" => Some(Alteration::OthersRenamed),
        "obfuscated" => Some(Alteration::AllRenamed),
        "encrypted" => Some(Alteration::Encrypted),
        "garbled" => Some(Alteration::Garbled),
        _ => None,
    };
    Ok(Variant {
        name,
        options,
        altered,
        environment,
    })
}

impl Variant {
    /// Whether a version of Go has what it needs: user arenas came with go1.20, since which garble encrypts
    /// the function table; and whether goheap can tell a version that is not told, which it does not of
    /// go1.27.
    pub fn exists_in(&self, version: &str) -> bool {
        match self.name {
            "arenas" | "encrypted" => version != "1.19.8",
            "garbled" => version != "1.19.8" && version != "1.27.3",
            _ => true,
        }
    }

    /// A program of the test kit's, of this variant.
    ///
    /// # Errors
    /// It cannot be built or altered.
    pub fn program(&self, version: &str, name: &str) -> Result<Program> {
        let mut program = build(version, name, &self.options)?;
        if let Some(altered) = self.altered {
            program.executable = altered.copy_of(&program.executable)?;
        }
        Ok(program)
    }

    /// The symbols of a program of this variant: of one that has none, those of its twin that has
    /// them, whose code and data are at the same places.
    ///
    /// # Errors
    /// The twin cannot be built or told of its symbols, or has something elsewhere.
    pub fn symbols(&self, program: &Program) -> Result<Symbols> {
        let ldflags = match self.options.ldflags {
            Some(STRIP) => NO_STRIP,
            Some(STRIP_GARBLED) => NO_STRIP_GARBLED,
            _ => return Symbols::of(program),
        };
        let options = BuildOptions {
            ldflags: Some(ldflags),
            ..self.options.clone()
        };
        let twin = build(program.version, &program.name, &options)?;
        match segments_of(program)? == segments_of(&twin)? {
            true => Symbols::of(&twin),
            false => Err(Error::NotTwins {
                stripped: program.executable.clone(),
                with_symbols: twin.executable,
            }),
        }
    }
}
