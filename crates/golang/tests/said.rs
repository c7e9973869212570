//! What code says of the types of variables and of what closures captured, against the DWARF of the same
//! programs.

use std::collections::HashSet;

use goheap_golang::catalogue::{
    Catalogue, Debug, FromCode, GoType, Sources, TypeId, Variable, build,
};
use goheap_golang::globals::{Code, UsedVariable};
use goheap_golang::{ElfProgram, Features, GoVersion, Kind, ProgramImage};
use goheap_image::Executable;
use goheap_memory::DataModel;
use goheap_testkit::BuildOptions;

/// The catalogue of a program by its DWARF, and the one by its code alone.
fn catalogues(version: &str, program: &str) -> (Catalogue, Catalogue) {
    let built = goheap_testkit::build(version, program, &BuildOptions::default()).expect("built");
    let data = std::fs::read(&built.executable).expect("a file");
    let executable = Executable::parse(data).expect("an executable");
    let program = ElfProgram::at(&executable, 0).expect("a program");
    let version: GoVersion = format!("go{version}").parse().expect("a version");
    let features = Features::of(&version).expect("a known one");
    let code = Code::new(&executable).expect("code");
    let used = code.used_variables().into_iter();
    let used = used.map(|UsedVariable { at, size, function }| Variable {
        address: at.get(),
        size,
        name: function,
        ty: None,
    });
    let named = executable.variables().into_iter();
    let named = named.map(|(name, symbol)| Variable {
        address: symbol.addr.get(),
        size: symbol.size,
        name: String::from_utf8_lossy(name).into_owned(),
        ty: None,
    });
    let make = |variables, debug, code| {
        let model = DataModel::LITTLE64;
        let made = build(Sources {
            memory: &ProgramImage::new(&executable, 0, model),
            model,
            program: &program,
            features: &features,
            variables,
            met: Vec::new(),
            debug,
            code,
        });
        made.expect("a catalogue")
    };
    let dwarf = program.dwarf().expect("DWARF");
    let debug = Debug {
        info: dwarf.debug_info(&HashSet::new()),
        bias: 0,
    };
    let said = FromCode {
        says: code.typed(),
        bias: 0,
        exact: false,
    };
    (
        make(named.collect(), Some(debug), None),
        make(used.collect(), None, Some(said)),
    )
}

/// A name without the numbers by which DWARF tells types of functions of one package apart, `main.local·1`.
fn without_numbers(name: &str) -> String {
    let mut parts = name.split('·');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| {
        name + part.trim_start_matches(|sign: char| sign.is_ascii_digit())
    })
}

/// The types of what begins `offset` bytes into a value of a type.
fn beginnings(catalogue: &Catalogue, ty: TypeId, offset: u64) -> Vec<&GoType> {
    let Some(of) = catalogue.get(ty) else {
        return Vec::new();
    };
    let mut all = if offset == 0 { vec![of] } else { Vec::new() };
    let elem = of.elem.and_then(|elem| Some((elem, catalogue.get(elem)?)));
    match (of.kind, elem) {
        (Kind::Struct, _) => {
            for field in &of.fields {
                let size = catalogue.get(field.ty).map_or(0, |ty| ty.size);
                if field.offset <= offset && offset - field.offset < size {
                    all.extend(beginnings(catalogue, field.ty, offset - field.offset));
                }
            }
        }
        (Kind::Array, Some((elem, ty))) if ty.size > 0 && offset < of.size => {
            all.extend(beginnings(catalogue, elem, offset % ty.size));
        }
        _ => {}
    }
    all
}

/// Whether what code says of a place is what DWARF says, or what that begins with.
fn is_so(by_dwarf: &Catalogue, real: &[&GoType], by_code: &Catalogue, said: &GoType) -> bool {
    let elem_begins = |of: &GoType, name: &str| {
        let elem = of.elem.map(|elem| beginnings(by_dwarf, elem, 0));
        elem.is_some_and(|all| all.iter().any(|ty| ty.name == name))
    };
    let elem = said.elem.and_then(|elem| by_code.get(elem));
    real.iter().any(|real| {
        real.name == said.name
            || match (said.kind, elem) {
                (Kind::Pointer, Some(elem)) => {
                    real.kind == Kind::UnsafePointer
                        || real.kind == Kind::Pointer && elem_begins(real, &elem.name)
                }
                // A variable of one direction holds a channel of both.
                (Kind::Chan, Some(elem)) => {
                    let real_elem = real.elem.and_then(|elem| by_dwarf.get(elem));
                    real.kind == Kind::Chan && real_elem.is_some_and(|real| real.name == elem.name)
                }
                (Kind::Slice, Some(elem)) => {
                    real.kind == Kind::Slice && elem_begins(real, &elem.name)
                }
                _ => false,
            }
    })
}

fn check(version: &str, program: &str) {
    let (by_dwarf, by_code) = catalogues(version, program);
    let (mut right, mut wrong) = (0, Vec::new());
    for variable in &by_code.variables {
        let Some(said) = variable.ty.and_then(|ty| by_code.get(ty)) else {
            continue;
        };
        let Some(real) = by_dwarf.variable_at(variable.address) else {
            continue;
        };
        let Some(ty) = real.ty else { continue };
        let offset = variable.address - real.address;
        let all = beginnings(&by_dwarf, ty, offset);
        match is_so(&by_dwarf, &all, &by_code, said) {
            true => right += 1,
            false => wrong.push(format!(
                "{}+{offset:#x} is {}, not {}",
                real.name,
                all.first().map_or("nothing", |ty| &ty.name),
                said.name
            )),
        }
    }
    // What is captured lies where DWARF says; before go1.23 it does not say.
    let (mut closures, mut captures) = (0, 0);
    for function in &by_code.functions {
        let Some(said) = function.closure.and_then(|ty| by_code.get(ty)) else {
            continue;
        };
        closures += 1;
        let real = by_dwarf.function_at(function.entry);
        let Some(real) = real.and_then(|real| by_dwarf.get(real.closure?)) else {
            continue;
        };
        for field in &real.fields {
            let name = |of: &Catalogue, ty| of.get(ty).map(|ty: &GoType| without_numbers(&ty.name));
            let same = said.fields.iter().find(|said| said.offset == field.offset);
            let (ours, theirs) = (
                same.and_then(|same| name(&by_code, same.ty)),
                name(&by_dwarf, field.ty),
            );
            match ours == theirs {
                true => captures += 1,
                false => wrong.push(format!(
                    "{} has captured {theirs:?} as {}, not {ours:?}",
                    function.name, field.name
                )),
            }
        }
    }
    eprintln!("go{version} {program}: {right} variables, {closures} closures, {captures} captures");
    let first: Vec<_> = wrong.iter().take(20).collect();
    assert!(
        first.is_empty(),
        "go{version} {program}: {} wrong: {first:#?}",
        wrong.len()
    );
    assert!(right > 40, "go{version}: only {right} variables");
    assert!(closures > 15, "go{version}: only {closures} closures");
}

#[test]
fn what_code_says_is_what_dwarf_says() {
    for version in ["1.19.8", "1.24.3", "1.27.3"] {
        check(version, "truth");
        check(version, "everything");
    }
}

/// All versions; `service` has what services have.
#[test]
#[ignore = "builds a program by each toolchain"]
fn what_code_says_is_what_dwarf_says_on_every_version() {
    for version in goheap_testkit::toolchains::CLAIMED {
        for program in ["truth", "everything", "service"] {
            check(version.number, program);
        }
    }
}
