//! Where the runtime's variables are in programs without symbols, against `go tool nm` of the same
//! programs with symbols; and what is said of programs that do not tell.
//!
//! `cargo xtask globals` does the same for every version and way to build.

use std::path::Path;

use goheap_golang::ElfProgram;
use goheap_golang::globals::{Code, Globals, GlobalsError, Named, VARIABLES};
use goheap_image::{Executable, FileAddr};
use goheap_testkit::altered::Alteration;
use goheap_testkit::program::build_for;
use goheap_testkit::symbols::Symbols;
use goheap_testkit::{BuildOptions, build, toolchains, variant};

/// Functions that goheap asks for by name; the symbol table has some with assembly's calling
/// convention.
const FUNCTIONS: [&str; 5] = [
    "runtime.futex",
    "runtime.usleep",
    "runtime.copystack",
    "runtime.shrinkstack",
    "runtime.recovery",
];

fn check(version: &str, variant_name: &str) {
    check_program(version, variant_name, "everything");
}

fn check_program(version: &str, variant_name: &str, name: &str) {
    let variant = variant::named(variant_name).expect("a variant");
    let program = variant.program(version, name).expect("a program");
    let truth = variant.symbols(&program).expect("its twin's symbols");
    let what = format!("go{version} {variant_name}");
    let globals = as_nm_says(&what, &program.executable, &truth);
    // Releases of one version are not told apart by their code.
    let hidden = variant_name == "garbled";
    let known = match version.rsplit_once('.') {
        Some((minor, _)) if hidden => minor,
        _ => version,
    };
    assert_eq!(globals.version().to_string(), format!("go{known}"));
    assert_eq!(globals.hidden_version().is_some(), hidden);
}

/// What is said of a file without symbols, which is what `go tool nm` tells of its twin.
fn as_nm_says(what: &str, stripped: &Path, truth: &Symbols) -> Globals {
    let data = std::fs::read(stripped).expect("a file");
    let executable = Executable::parse(data).expect("an executable");
    assert!(
        executable.symbol("runtime.allgs").is_none(),
        "it has symbols"
    );

    let globals = Globals::of(&executable).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut told = 0;
    for &name in VARIABLES.iter().chain(&["runtime.firstmoduledata"]) {
        let found = globals.address(name).map(FileAddr::get);
        let real = truth.named(name).map(|symbol| symbol.address);
        assert_eq!(found, real, "{what}: {name}");
        told += usize::from(found.is_some());
    }
    assert!(told > 25, "{what}: only {told} variables");
    for name in FUNCTIONS {
        let real = truth
            .named(&format!("{name}.abi0"))
            .or_else(|| truth.named(name));
        let real = real.map(|symbol| symbol.address);
        let found = globals.address(name).map(FileAddr::get);
        assert_eq!(found, real, "{what}: {name}");
    }
    globals
}

/// Variables by the functions that use them, against the symbols, which are not looked at to find them:
/// the package is that of the variable, but for some.
#[test]
fn variables_by_the_functions_that_use_them() {
    for version in ["1.19.8", "1.24.3", "1.27.3"] {
        let options = BuildOptions::default();
        let program = build(version, "everything", &options).expect("a program");
        let truth = Symbols::of(&program).expect("its symbols");
        let data = std::fs::read(&program.executable).expect("a file");
        let executable = Executable::parse(data).expect("an executable");
        let code = Code::new(&executable).expect("code");
        let package = |name: &str| {
            let last = name.rfind('/').map_or(0, |at| at + 1);
            let dot = name[last..].find('.').map_or(name.len(), |dot| last + dot);
            name[..dot].to_owned()
        };
        let (mut same, mut others, mut past) = (0, Vec::new(), Vec::new());
        let used = code.used_variables();
        for one in &used {
            let Some(symbol) = truth.covering(one.at.get()) else {
                continue;
            };
            let name = symbol.name.clone();
            if !name.contains('.') || name.contains("..") {
                continue;
            }
            match package(&name) == package(&one.function) {
                true => same += 1,
                false => others.push(format!("{name} by {}", one.function)),
            }
            // It ends where the variable does, unless nothing uses what is behind that.
            if one.at.get() + one.size > symbol.address + symbol.size.max(8) {
                past.push(name);
            }
        }
        let found = same + others.len();
        eprintln!(
            "go{version}: {same} of {found}, {} past the end; {:?}",
            past.len(),
            others.iter().take(8).collect::<Vec<_>>()
        );
        assert!(found > 500, "go{version}: {found}");
        assert!(past.len() * 10 <= found, "go{version}: {past:?}");
        assert!(
            same * 10 >= found * 9,
            "go{version}: {same} of {found}: {others:?}"
        );
    }
}

/// All claimed versions, plain.
#[test]
fn variables_of_stripped_programs() {
    for version in toolchains::CLAIMED {
        check(version.number, "stripped");
    }
}

/// Position-independent ones, whose words are written by the dynamic linker.
#[test]
fn variables_of_stripped_position_independent_programs() {
    for version in toolchains::CLAIMED.iter().filter(|version| version.whole) {
        check(version.number, "stripped_pie");
    }
}

/// What debuggers want, without optimisations and inlining: the runtime's functions are others, and were
/// learnt too.
#[test]
fn variables_of_stripped_unoptimised_programs() {
    for version in toolchains::CLAIMED {
        check(version.number, "stripped_unoptimised");
        if version.whole {
            check(version.number, "stripped_unoptimised_pie");
        }
    }
}

/// Those of the other processor of which functions were learnt: go1.19 compiles them otherwise for
/// position-independent programs, and no later version does.
#[test]
fn variables_of_arm64_programs() {
    for (version, pie) in [("1.19.8", false), ("1.19.8", true), ("1.27.3", true)] {
        let options = BuildOptions {
            pie,
            ..BuildOptions::default()
        };
        let program = build_for(Some("arm64"), version, "linked", &options);
        let program = program.expect("a program");
        let truth = Symbols::of(&program).expect("its symbols");
        let stripped = Alteration::NoSections.copy_of(&program.executable);
        let what = format!("go{version} arm64, PIE: {pie}");
        as_nm_says(&what, &stripped.expect("a copy"), &truth);
    }
}

/// The version is looked for by its length too, and told whatever else has that length.
#[test]
fn variables_behind_words_that_could_be_lengths() {
    check_program("1.24.3", "stripped", "eights");
}

/// Neither are section headers needed.
#[test]
fn variables_of_programs_without_section_headers() {
    check("1.19.8", "sectionless_pie");
    check("1.27.3", "sectionless_pie");
}

/// Names of other packages are no trouble.
#[test]
fn names_of_the_runtime_alone() {
    check("1.24.3", "renamed");
}

/// Without any name functions are recognised by their code, and each is what its twin says that it is.
#[test]
fn obfuscated_names() {
    for version in ["1.21.13", "1.24.11", "1.27.3"] {
        check(version, "obfuscated");
        let variant = variant::named("obfuscated").expect("a variant");
        let program = variant.program(version, "everything").expect("a program");
        let truth = variant.symbols(&program).expect("its twin's symbols");
        let data = std::fs::read(&program.executable).expect("a file");
        let executable = Executable::parse(data).expect("an executable");
        let globals = Globals::of(&executable).expect("clear");
        assert!(globals.is_obfuscated());
        let code = Code::new(&executable).expect("code");
        assert!(code.functions().is_empty(), "some have their names");
        let module = code.module();
        let mut names = 0;
        for func in module.functions.funcs() {
            let at = module.text.offset(func.entry().get());
            let Some(name) = globals.name(at) else {
                continue;
            };
            let real = truth.covering(at.get()).expect("a symbol").name.clone();
            let real = real.strip_suffix(".abi0").unwrap_or(&real);
            assert_eq!(name, real, "go{version}");
            names += 1;
        }
        assert!(names > 150, "go{version}: only {names} functions");
    }
}

/// An encrypted function table is read, with names or without, and the version told by the runtime's code
/// where garble has put another text in its place.
#[test]
fn garbled() {
    for version in ["1.21.13", "1.24.11", "1.26.6"] {
        check(version, "garbled");
    }
    check("1.27.3", "encrypted");
}

/// If one function of thousands is encrypted otherwise, nothing of the table is believed.
#[test]
fn garbled_by_two_keys() {
    let variant = variant::named("garbled").expect("a variant");
    let program = build("1.24.11", "everything", &variant.options).expect("a program");
    let altered = Alteration::EncryptedOtherwise.copy_of(&program.executable);
    let data = std::fs::read(altered.expect("a copy")).expect("a file");
    let executable = Executable::parse(data).expect("an executable");
    let error = Globals::of(&executable).expect_err("two keys").to_string();
    let said = ["does not have its entry encrypted as the others", "--exe"];
    assert!(said.iter().all(|part| error.contains(part)), "{error}");
}

/// A version that nothing tells is not guessed: where names are gone too, where an experiment would not show
/// or has a function of its own, and where the code is that of none.
#[test]
fn garbled_beyond_telling() {
    let garbled = variant::named("garbled").expect("a variant");
    let refused = |version, name, altered: Alteration, goexperiment, said: &str| {
        let options = BuildOptions {
            goexperiment,
            ..garbled.options.clone()
        };
        let program = build(version, name, &options).expect("a program");
        let altered = altered.copy_of(&program.executable).expect("a copy");
        let data = std::fs::read(altered).expect("a file");
        let executable = Executable::parse(data).expect("an executable");
        let error = Globals::of(&executable).expect_err("no version");
        let text = error.to_string();
        assert!(
            matches!(error, GlobalsError::HiddenVersion { .. }),
            "{text}"
        );
        assert!(text.contains(said) && text.contains("build by"), "{text}");
    };
    let (all, others) = (Alteration::Encrypted, Alteration::Garbled);
    let (no_names, unseen) = (
        "names of its functions are gone",
        "GOEXPERIMENT=mapsplitgroup",
    );
    refused("1.24.11", "everything", all, None, no_names);
    refused("1.27.3", "linked", others, None, unseen);
    let maps = "runtime.makeBucketArray is there by an experiment";
    refused("1.24.11", "everything", others, Some("noswissmap"), maps);
    let locks = "is not as the version compiles it";
    refused("1.24.11", "linked", others, Some("nospinbitmutex"), locks);
}

/// The version of a program is told by its code as well, if by nothing else.
#[test]
fn obfuscated_names_and_no_version() {
    const BUILD_INFO: &[u8] = b"\xff Go buildinf:";
    let variant = variant::named("obfuscated").expect("a variant");
    let program = variant.program("1.24.11", "everything").expect("a program");
    let mut data = std::fs::read(&program.executable).expect("a file");
    let parsed = Executable::parse(data.clone()).expect("an executable");
    let wanted = Globals::of(&parsed).expect("clear");
    let places = data.windows(BUILD_INFO.len()).enumerate();
    let places = places.filter(|(_, part)| *part == BUILD_INFO);
    for at in places.map(|(at, _)| at).collect::<Vec<_>>() {
        data[at..at + BUILD_INFO.len()].fill(0);
    }
    let executable = Executable::parse(data).expect("an executable");
    assert_eq!(executable.build_info().map(|info| info.go_version), None);
    let globals = Globals::of(&executable).expect("clear");
    assert_eq!(globals.version().to_string(), "go1.24.11");
    for name in VARIABLES {
        assert_eq!(globals.address(name), wanted.address(name), "{name}");
    }
}

/// Code that is not as known toolchains compile it is not recognised, and that is said. With the race
/// detector it is not enough that the variables can be told.
#[test]
fn obfuscated_names_of_other_code() {
    for name in ["unoptimised", "race"] {
        let variant = variant::named(name).expect("a variant");
        let program = variant.program("1.24.3", "everything").expect("a program");
        let renamed = Alteration::AllRenamed.copy_of(&program.executable);
        let data = std::fs::read(renamed.expect("a copy")).expect("a file");
        let executable = Executable::parse(data).expect("an executable");
        let error = Globals::of(&executable).expect_err("names that say nothing");
        let is_told = matches!(error, GlobalsError::Obfuscated { found: 0, .. });
        assert!(is_told && error.to_string().contains("--exe"), "{error}");
    }
}

/// What no symbols would help with is not told to be for want of them.
#[test]
fn a_version_that_is_not_known_is_refused_by_name() {
    let variant = variant::named("stripped").expect("a variant");
    let program = build("1.24.3", "everything", &variant.options).expect("a program");
    let mut data = std::fs::read(&program.executable).expect("a file");
    let (old, new) = (b"go1.24.3".as_slice(), b"go1.99.3".as_slice());
    let mut places = 0;
    for at in 0..data.len() - old.len() {
        if data[at..].starts_with(old) {
            data[at..at + old.len()].copy_from_slice(new);
            places += 1;
        }
    }
    assert!(places >= 1);
    let executable = Executable::parse(data).expect("an executable");
    let error = Globals::of(&executable).expect_err("a version of later on");
    assert!(matches!(error, GlobalsError::Unknown(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("go1.99.3") && text.contains("take a release of goheap that does"),
        "{text}"
    );
}

/// Of a program with symbols, these are what is asked: nothing is inferred.
#[test]
fn symbols_come_first() {
    use goheap_golang::Program;
    let variant = variant::named("plain").expect("a variant");
    let program = build("1.24.3", "everything", &variant.options).expect("a program");
    let data = std::fs::read(&program.executable).expect("a file");
    let executable = Executable::parse(data).expect("an executable");
    let program = ElfProgram::at(&executable, 0).expect("a program with symbols");
    assert!(program.inferred().is_none());
}

/// Where two functions say different things, the variable is refused by name; and where they have lost
/// their names, so is the program.
#[test]
fn disagreement_is_refused() {
    const VARIABLE: &str = "runtime.itabTable";
    let variant = variant::named("stripped").expect("a variant");
    let program = build("1.24.3", "everything", &variant.options).expect("a program");
    let renamed = Alteration::AllRenamed.copy_of(&program.executable);
    let mut renamed = std::fs::read(renamed.expect("a copy")).expect("a file");
    let mut data = std::fs::read(&program.executable).expect("a file");
    let executable = Executable::parse(data.clone()).expect("an executable");
    let clear = Globals::of(&executable).expect("clear");
    let variable = clear.address(VARIABLE).expect("a variable").get();
    let code = Code::new(&executable).expect("code");
    let functions = code.functions();
    let Some(Named::One(place)) = functions.get("runtime.getitab") else {
        panic!("no runtime.getitab")
    };
    // In this function alone, it lies 8 bytes further on.
    let text = executable
        .segments()
        .into_iter()
        .find(|part| part.execute)
        .expect("text");
    let inside = place.start.since(text.addr).expect("within the text") as usize;
    let size = place.end.since(place.start).expect("a size") as usize;
    let start = text.file_range.start + inside;
    let mut changed = 0;
    for at in 0..size - 7 {
        let behind = place.start.offset(at as u64 + 7).get();
        // mov r64, [rip+away]
        let [0x48, 0x8b, _, away @ ..] = &data[start + at..start + at + 7] else {
            continue;
        };
        let away = i32::from_le_bytes(away.try_into().expect("four bytes"));
        if behind.wrapping_add_signed(away.into()) == variable {
            for data in [&mut data, &mut renamed] {
                data[start + at + 3..start + at + 7].copy_from_slice(&(away + 8).to_le_bytes());
            }
            changed += 1;
        }
    }
    assert!(changed > 0, "runtime.getitab does not load {VARIABLE}");
    let changed = Executable::parse(data).expect("an executable");
    match Globals::of(&changed) {
        Err(error @ GlobalsError::Unclear { name: VARIABLE, .. }) => {
            assert!(error.to_string().contains("--exe"), "{error}");
        }
        other => panic!("{other:?}"),
    }
    let renamed = Executable::parse(renamed).expect("an executable");
    match Globals::of(&renamed) {
        Err(error @ GlobalsError::Obfuscated { .. }) => {
            assert!(error.to_string().contains("something else"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}
