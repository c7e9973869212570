//! Catalogues of executables whose type descriptors, tables or DWARF are damaged: none makes it panic,
//! hang or believe without limit, and what is left of the types refers to types that are there.
//!
//! By default on the Go versions that are tested whole; `GOHEAP_VERSIONS=all`, or a list with commas,
//! for others.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use goheap_golang::catalogue::{Catalogue, Debug, FromCode, Sources, Variable, build};
use goheap_golang::globals::Code;
use goheap_golang::{ElfProgram, Features, GoVersion, ProgramImage};
use goheap_image::{Executable, FileAddr};
use goheap_memory::DataModel;
use goheap_testkit::{BuildOptions, toolchains};

/// How many times each executable is damaged.
const TIMES: u64 = 40;

/// One of an honest program of this size takes some milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);

fn versions() -> Vec<&'static str> {
    let wanted = std::env::var("GOHEAP_VERSIONS").unwrap_or_default();
    let claimed = toolchains::CLAIMED.iter();
    let wanted = claimed.filter(|version| match wanted.as_str() {
        "" => version.whole,
        "all" => true,
        list => list.split(',').any(|number| number == version.number),
    });
    wanted.map(|version| version.number).collect()
}

/// A generator of numbers, the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// The catalogue of an executable; `None` if it is too damaged to be one.
fn catalogue(bytes: &[u8], version: &str) -> Option<Catalogue> {
    let executable = Executable::parse(bytes).ok()?;
    let program = ElfProgram::at(&executable, 0).ok()?;
    let version: GoVersion = format!("go{version}").parse().unwrap();
    let features = Features::of(&version).unwrap();
    let variables = executable.variables().into_iter();
    let variables: Vec<Variable> = variables
        .map(|(name, symbol)| Variable {
            address: symbol.addr.get(),
            size: symbol.size,
            name: String::from_utf8_lossy(name).into_owned(),
            ty: None,
        })
        .collect();
    // All functions' local variables.
    let functions: HashSet<FileAddr> = executable
        .pclntab()
        .and_then(|(_, table)| goheap_image::pclntab::FuncTable::parse(table).ok())
        .map(|table| {
            let text = executable
                .symbol("runtime.text")
                .map_or(0, |s| s.addr.get());
            let entries = table.funcs().map(|func| func.entry().get());
            let entries = entries.take(20_000).map(|entry| text.wrapping_add(entry));
            entries.map(FileAddr::new).collect()
        })
        .unwrap_or_default();
    let debug = program.dwarf().map(|dwarf| Debug {
        info: dwarf.debug_info(&functions),
        bias: 0,
    });
    let model = DataModel::LITTLE64;
    build(Sources {
        memory: &ProgramImage::new(&executable, 0, model),
        model,
        program: &program,
        features: &features,
        variables,
        met: Vec::new(),
        debug,
        code: Some(FromCode {
            says: Code::new(&executable)
                .map(|code| code.typed())
                .unwrap_or_default(),
            bias: 0,
            exact: false,
        }),
    })
    .ok()
}

fn check(catalogue: &Catalogue) {
    for (_, ty) in catalogue.types() {
        let parts = [ty.elem, ty.key, ty.slots].into_iter().flatten();
        for part in parts.chain(ty.fields.iter().map(|field| field.ty)) {
            assert!(catalogue.get(part).is_some(), "{}", ty.name);
        }
    }
    let variables = catalogue.variables.iter().filter_map(|v| v.ty);
    let variables = variables.chain(catalogue.frame_variables.iter().map(|v| v.ty));
    let functions = catalogue.functions.iter().filter_map(|f| f.closure);
    let itabs = catalogue.itabs.values().copied();
    for ty in variables.chain(functions).chain(itabs) {
        assert!(catalogue.get(ty).is_some());
    }
}

/// Damages `bytes` within `range`: some numbers become others, or a stretch is overwritten by another.
fn damage(bytes: &mut [u8], range: std::ops::Range<usize>, numbers: &mut Numbers) {
    let len = range.len();
    if numbers.next().is_multiple_of(4) {
        let size = 1 + numbers.below(512.min(len - 1));
        let from = range.start + numbers.below(len - size);
        let to = range.start + numbers.below(len - size);
        bytes.copy_within(from..from + size, to);
        return;
    }
    for _ in 0..=numbers.below(64) {
        let at = range.start + numbers.below(len);
        bytes[at] = match numbers.next() % 3 {
            0 => 0xff,
            1 => bytes[at].wrapping_add(1),
            _ => numbers.next() as u8,
        };
    }
}

#[test]
fn damaged_executables() {
    for version in versions() {
        let options = BuildOptions {
            // So that damage is in what DWARF says, and not in its compression.
            ldflags: Some("-compressdwarf=false"),
            ..BuildOptions::default()
        };
        let program = goheap_testkit::build(version, "linked", &options).expect("a program");
        let honest = fs::read(&program.executable).expect("its bytes");
        let whole = catalogue(&honest, version).expect("a catalogue");
        check(&whole);
        assert_eq!(whole.damage.count, 0, "{:?}", whole.damage.first);
        assert!(whole.len() > 500 && whole.frame_variables.len() > 500);
        let executable = Executable::parse(&honest[..]).unwrap();
        // Read-only data, and behind the last segment all that debuggers read.
        let segments = executable.segments();
        let read_only = segments
            .iter()
            .filter(|segment| !segment.write && !segment.execute)
            .map(|segment| segment.file_range.clone())
            .max_by_key(|range| range.len())
            .expect("read-only data");
        let loaded = segments.iter().map(|segment| segment.file_range.end).max();
        let debug = loaded.unwrap()..honest.len();
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut damaged = 0;
        for time in 0..TIMES {
            let mut bytes = honest.clone();
            let range = match time % 2 {
                0 => read_only.clone(),
                _ => debug.clone(),
            };
            for _ in 0..1 + time / 4 {
                damage(&mut bytes, range.clone(), &mut numbers);
            }
            let begin = Instant::now();
            if let Some(catalogue) = catalogue(&bytes, version) {
                check(&catalogue);
                damaged += u64::from(catalogue.damage.count > 0);
            }
            assert!(begin.elapsed() < PATIENCE, "Go {version}, damage {time}");
        }
        assert!(damaged > 0, "nothing was told of the damage");
    }
}
