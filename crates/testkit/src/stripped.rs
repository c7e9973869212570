//! A program without symbols and DWARF and its twin that has both: one and the same program to
//! goheap, which may be told of either as the executable of one core.

use std::path::PathBuf;
use std::process::Command;

use crate::error::run;
use crate::program::{BuildOptions, Program, build};
use crate::symbols::{Segment, segments_of, whole_segments_of};
use crate::{Error, Result};

/// What removes symbols and DWARF, and what removes neither and is as long: the flags are kept in the
/// program (cmd/go/internal/load/pkg.go, go1.18: `setBuildInfo`), where longer ones would move what is
/// behind. The build id of both is set, so that they are the same build.
const STRIPPED: &str = "-s -w -buildid=twins";
const WITH_SYMBOLS: &str = " -s=0 -buildid=twins";

/// The two of them.
#[derive(Debug, Clone)]
pub struct Twins {
    /// The one without.
    pub stripped: Program,
    /// The one with symbols and DWARF.
    pub with_symbols: Program,
}

/// Builds both. Up to go1.21 the names of sections are in front of the function table, so that the
/// linker's `-s -w` moves that; there the one is the other as strip(1) leaves it.
///
/// # Errors
/// What the compiler or strip said; something is at other places in one than in the other.
pub fn twins(version: &str, name: &str, pie: bool) -> Result<Twins> {
    let with = |ldflags| {
        let options = BuildOptions {
            pie,
            ldflags: Some(ldflags),
            ..BuildOptions::default()
        };
        build(version, name, &options)
    };
    let (mut stripped, with_symbols) = (with(STRIPPED)?, with(WITH_SYMBOLS)?);
    let segments = whole_segments_of(&with_symbols)?;
    let mut are_twins = whole_segments_of(&stripped)? == segments;
    if !are_twins {
        stripped.executable = strip(&with_symbols)?;
        // strip moves nothing. It may take names of sections out of what is only read, and zeros from
        // the end of a segment in the file.
        let stripped = segments_of(&stripped)?;
        let whole = segments_of(&with_symbols)?;
        let in_memory = stripped.iter().map(Segment::in_memory);
        are_twins = in_memory.eq(whole.iter().map(Segment::in_memory));
    }
    match are_twins {
        true => Ok(Twins {
            stripped,
            with_symbols,
        }),
        false => Err(Error::NotTwins {
            stripped: stripped.executable,
            with_symbols: with_symbols.executable,
        }),
    }
}

/// The program without symbols and DWARF, beside it.
fn strip(program: &Program) -> Result<PathBuf> {
    let from = &program.executable;
    let place = from.with_extension("stripped");
    if !place.is_file() {
        let folder = from.parent().unwrap_or(from);
        let half = tempfile::tempdir_in(folder).map_err(Error::io("create a folder in", folder))?;
        let out = half.path().join("stripped");
        let mut strip = Command::new("strip");
        strip.arg("--strip-all").arg("-o").arg(&out).arg(from);
        run(&mut strip, "strip")?;
        std::fs::rename(&out, &place).map_err(Error::io("rename", &out))?;
    }
    Ok(place)
}
