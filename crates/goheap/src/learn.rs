//! What an executable says of its program's types, variables and functions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use goheap_analysis::Dump;
use goheap_golang::catalogue::{self, Catalogue, Debug, FromCode, Sources, Variable};
use goheap_golang::globals::{self, Code};
use goheap_golang::{ElfProgram, Features, GoVersion, Program, ProgramImage, Structs};
use goheap_image::{Executable, FileAddr};
use goheap_memory::{Addr, DataModel, Memory};
use goheap_process::Mapped;
use goheap_runtime::WalkError;

use crate::error::{CommandError, Shown};
use crate::which::open_exe;

/// Makes a catalogue of `executable`, which `program` describes where it runs, of the names in its
/// `plugins` (with their biases), and of the process, if there is one, for what is not in the file. With `functions`, DWARF is read as well, and the local
/// variables of these functions are kept, told by their entries.
pub(crate) fn learn_catalogue(
    executable: &Executable<Mapped>,
    program: &ElfProgram<'_, Mapped>,
    plugins: &[(Executable<Mapped>, u64)],
    features: &Features,
    model: DataModel,
    process: Option<&dyn Memory>,
    functions: Option<&HashSet<u64>>,
) -> Catalogue {
    let bias = program.bias();
    let mut image = ProgramImage::new(executable, bias, model);
    if let Some(process) = process {
        image = image.over(process);
    }
    // The one variable that is read: plugins are chained to it.
    if let (Some(first), Ok(size)) = (
        program.address("runtime.firstmoduledata"),
        Structs::new(program).size("runtime.moduledata"),
    ) {
        image = image.changed(first, size);
    }
    let mut variables = match executable.has_symbols() {
        true => named_variables(executable, bias),
        false => used_variables(executable, program),
    };
    for (plugin, bias) in plugins {
        // What the program has, too, is the program's; a plugin has room for it, and never uses it.
        let names: HashSet<&str> = variables.iter().map(|known| known.name.as_str()).collect();
        let mut own = named_variables(plugin, *bias);
        own.retain(|variable| !names.contains(variable.name.as_str()));
        variables.append(&mut own);
    }
    let built = catalogue::build(Sources {
        memory: &image,
        model,
        program,
        features,
        variables,
        met: Vec::new(),
        debug: functions.and_then(|functions| {
            let in_file = functions.iter().map(|entry| entry.wrapping_sub(bias));
            let wanted = in_file.map(FileAddr::new).collect();
            let info = program.dwarf()?.debug_info(&wanted);
            Some(Debug { info, bias })
        }),
        code: from_code(executable, bias),
    });
    let mut catalogue = built.unwrap_or_else(|error| {
        let mut without = Catalogue::default();
        without.damage.add(Addr::NIL, &error);
        without
    });
    let texts = texts(executable, program, &image, &catalogue, model);
    if let Some(range) = texts.or_else(|| named_texts(executable)) {
        catalogue.constants = constants(executable, bias, range);
    }
    catalogue
}

/// What the program's code says of types.
fn from_code(executable: &Executable<Mapped>, bias: u64) -> Option<FromCode> {
    let says = Code::new(executable).ok()?.typed();
    let exact = executable.has_symbols();
    Some(FromCode { says, bias, exact })
}

/// The variables that the symbol table names.
fn named_variables(executable: &Executable<Mapped>, bias: u64) -> Vec<Variable> {
    let variables = executable.variables().into_iter();
    let variables = variables.map(|(name, symbol)| Variable {
        address: symbol.addr.get().wrapping_add(bias),
        size: symbol.size,
        name: String::from_utf8_lossy(name).into_owned(),
        ty: None,
    });
    variables.collect()
}

/// The runtime's variables that are structs whose size is known (runtime/proc.go, runtime/mheap.go,
/// runtime/mstats.go, runtime/mgcpacer.go, runtime/mgcsweep.go, runtime/mcleanup.go,
/// runtime/symtab.go). Code that names a part of one names no variable of its own.
const STRUCTS: &[(&str, &str)] = &[
    ("runtime.firstmoduledata", "runtime.moduledata"),
    ("runtime.gcCleanups", "runtime.cleanupQueue"),
    ("runtime.gcController", "runtime.gcControllerState"),
    ("runtime.m0", "runtime.m"),
    ("runtime.memstats", "runtime.mstats"),
    ("runtime.mheap_", "runtime.mheap"),
    ("runtime.sched", "runtime.schedt"),
    ("runtime.sweep", "runtime.sweepdata"),
];

/// Variables that nothing names: those of the runtime's that goheap knows of, and others by a function
/// that uses them and by where they are: `main.(*Server).serve@0x52d5a0`.
fn used_variables(
    executable: &Executable<Mapped>,
    program: &ElfProgram<'_, Mapped>,
) -> Vec<Variable> {
    let Ok(code) = Code::new(executable) else {
        return Vec::new();
    };
    let known = globals::VARIABLES.iter();
    let known: HashMap<u64, &str> = known
        .filter_map(|&name| Some((program.address(name)?.get(), name)))
        .collect();
    let structs = Structs::new(program);
    let mut variables: BTreeMap<u64, Variable> = BTreeMap::new();
    for used in code.used_variables() {
        let address = used.at.get().wrapping_add(program.bias());
        let name = match known.get(&address) {
            Some(name) => (*name).to_owned(),
            None => format!("{}@{address:#x}", used.function),
        };
        let (size, ty) = (used.size, None);
        variables.insert(
            address,
            Variable {
                address,
                size,
                name,
                ty,
            },
        );
    }
    for (name, strukt) in STRUCTS {
        let (Some(at), Ok(size)) = (program.address(name), structs.size(strukt)) else {
            continue;
        };
        let address = at.get();
        let end = address.saturating_add(size);
        variables.retain(|at, _| !(address..end).contains(at));
        // What reaches up to the next that is used may have reached beyond its beginning.
        if let Some((at, before)) = variables.range_mut(..address).next_back() {
            before.size = before.size.min(address.saturating_sub(*at));
        }
        variables.insert(
            address,
            Variable {
                address,
                size,
                name: (*name).to_owned(),
                ty: None,
            },
        );
    }
    variables.into_values().collect()
}

/// Most bytes of constants that are kept. The largest programs have some megabytes.
const CONSTANTS: u64 = 64 << 20;

/// The same by symbols, where the layout is not known: from the symbol that the linker makes for all of them
/// (cmd/link/internal/ld/symtab.go, go1.19 to go1.27: `symtab`) to the next of its kind.
fn named_texts(executable: &Executable<Mapped>) -> Option<Range<FileAddr>> {
    let at = |name: &str| executable.symbol(name).map(|symbol| symbol.addr);
    let start = at("go:string.*").or_else(|| at("go.string.*"))?;
    let behind = [
        "go:func.*",
        "go.func.*",
        "go:funcdesc",
        "go:funcrel.*",
        "runtime.gcbits.*",
        "runtime.gcdata",
        "runtime.erodata",
    ];
    let ends = behind.iter().filter_map(|name| at(name));
    Some(start..ends.filter(|end| *end > start).min()?)
}

/// Where the texts of the program's source are: in front of what functions say of themselves
/// (`moduledata.gofunc`), or of the function table, in which that is from go1.27 on; and behind the
/// descriptors of types, if these are in the same segment (cmd/link/internal/ld/data.go, go1.19 to go1.27:
/// the order of `SymKind`s).
fn texts<M: Memory + ?Sized>(
    executable: &Executable<Mapped>,
    program: &ElfProgram<'_, Mapped>,
    image: &M,
    catalogue: &Catalogue,
    model: DataModel,
) -> Option<Range<FileAddr>> {
    let bias = program.bias();
    let first = program.address("runtime.firstmoduledata")?;
    let structs = Structs::new(program);
    let word = |field: &str| {
        let field = structs.offset("runtime.moduledata", field).ok()?;
        let mut word = [0; 8];
        let word = word.get_mut(..usize::from(executable.word_size()))?;
        image.read(first.offset(field), word).ok()?;
        Some(FileAddr::new(model.uint(word).wrapping_sub(bias)))
    };
    let gofunc = word("gofunc")?;
    let segments = executable.segments().into_iter();
    let mut segments = segments.filter(|segment| !segment.write && !segment.execute);
    let segment = segments.find(|segment| {
        let inside = gofunc.since(segment.addr);
        inside.is_some_and(|inside| inside < segment.mem_size)
    })?;
    let table = word("pcHeader").filter(|table| *table > segment.addr);
    let end = table.map_or(gofunc, |table| table.min(gofunc));
    let described = catalogue.types().map(|(_, ty)| ty.address);
    let described = described
        .filter(|at| *at != 0)
        .map(|at| FileAddr::new(at.wrapping_sub(bias)))
        .filter(|at| *at < end);
    Some(described.fold(segment.addr, FileAddr::max)..end)
}

/// The texts in a range of an executable.
fn constants(
    executable: &Executable<Mapped>,
    bias: u64,
    range: Range<FileAddr>,
) -> Vec<(u64, Vec<u8>)> {
    // What is in front of the texts may be others' data, where it is not known where they begin.
    let size = range.end.since(range.start).unwrap_or(0);
    let start = range.start.offset(size.saturating_sub(CONSTANTS));
    match executable.bytes_at(start, size.min(CONSTANTS)) {
        Ok(bytes) if !bytes.is_empty() => {
            vec![(start.get().wrapping_add(bias), bytes.to_vec())]
        }
        _ => Vec::new(),
    }
}

/// How many frames are looked at to find out where a program was loaded, and whether it is the one.
const FRAMES: usize = 1 << 14;

/// Makes a catalogue of the executable at `exe` for a dump that has none, as the runtime's own dumper
/// writes them; `of` is what messages call the dump.
///
/// # Errors
/// It is no executable of Go's, is stripped, or is another build than that which was dumped: then the
/// functions on the stacks are elsewhere.
pub(crate) fn catalogue_of_exe(
    exe: &Path,
    dump: &Dump,
    of: &str,
) -> Result<Catalogue, CommandError> {
    // What is wrong with it is not the dump's fault.
    let named = Shown(exe).to_string();
    let executable = open_exe(exe)?;
    let params = dump.params();
    let wrong = |source: WalkError| CommandError::Walk {
        of: of.to_owned(),
        source,
    };
    let version: GoVersion = params
        .go_version
        .parse()
        .map_err(|e| wrong(WalkError::from(e)))?;
    let features = Features::of(&version).map_err(|e| wrong(WalkError::from(e)))?;
    let learn = |bias: u64, functions: Option<&HashSet<u64>>| {
        let program =
            ElfProgram::at(&executable, bias).map_err(|source| CommandError::Program {
                of: named.clone(),
                source,
            })?;
        let model = params.model;
        Ok::<_, CommandError>(learn_catalogue(
            &executable,
            &program,
            &[],
            &features,
            model,
            None,
            functions,
        ))
    };
    let bias = match executable.is_pie() {
        true => bias_of(&learn(0, None)?, dump),
        false => 0,
    };
    let functions = dump.frames().iter().map(|frame| frame.entry).collect();
    let catalogue = learn(bias, Some(&functions))?;
    let (mut same, mut others) = (0u64, 0u64);
    for (entry, name) in frames(dump) {
        match catalogue.function_at(entry) {
            Some(function) if function.name.as_bytes() == name => same += 1,
            _ => others += 1,
        }
    }
    // Plugins have functions that are not in the file.
    if others > same {
        return Err(CommandError::NotOfDump {
            path: exe.to_owned(),
            of: of.to_owned(),
        });
    }
    Ok(catalogue)
}

/// Entries and names of the functions that are on the stacks of a dump.
fn frames(dump: &Dump) -> impl Iterator<Item = (u64, &[u8])> {
    let frames = dump.frames().iter().take(FRAMES);
    frames.filter_map(|frame| Some((frame.entry, dump.frame_record(frame)?.function)))
}

/// How far a program was loaded above the addresses of its file, by where its functions are: what most
/// of them say. `in_file` has them where the file has them.
fn bias_of(in_file: &Catalogue, dump: &Dump) -> u64 {
    let functions = in_file.functions.iter();
    let entries: HashMap<&[u8], u64> = functions
        .map(|function| (function.name.as_bytes(), function.entry))
        .collect();
    let mut votes: BTreeMap<u64, u64> = BTreeMap::new();
    for (entry, name) in frames(dump) {
        if let Some(place) = entries.get(name) {
            *votes.entry(entry.wrapping_sub(*place)).or_default() += 1;
        }
    }
    let most = votes.into_iter().max_by_key(|(_, count)| *count);
    most.map_or(0, |(bias, _)| bias)
}
