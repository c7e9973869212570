//! What an executable says of its program's types, variables and functions.

use std::collections::HashSet;

use goheap_golang::catalogue::{self, Catalogue, Debug, Sources, Variable};
use goheap_golang::{ElfProgram, Features, Program, ProgramImage, Structs};
use goheap_image::{Executable, FileAddr};
use goheap_memory::{Addr, DataModel, Memory};
use goheap_process::Mapped;

/// Makes a catalogue of `executable`, which `program` describes where it runs, and of the process, if
/// there is one, for what is not in the file. With `functions`, DWARF is read as well, and the local
/// variables of these functions are kept, told by their entries.
pub(crate) fn learn_catalogue(
    executable: &Executable<Mapped>,
    program: &ElfProgram<'_, Mapped>,
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
    let variables = executable.variables().into_iter();
    let variables = variables.map(|(name, symbol)| Variable {
        address: symbol.addr.get().wrapping_add(bias),
        size: symbol.size,
        name: String::from_utf8_lossy(name).into_owned(),
        ty: None,
    });
    let built = catalogue::build(Sources {
        memory: &image,
        model,
        program,
        features,
        variables: variables.collect(),
        met: Vec::new(),
        debug: functions.map(|functions| {
            let in_file = functions.iter().map(|entry| entry.wrapping_sub(bias));
            let wanted = in_file.map(FileAddr::new).collect();
            Debug {
                info: program.dwarf().debug_info(&wanted),
                bias,
            }
        }),
    });
    built.unwrap_or_else(|error| {
        let mut without = Catalogue::default();
        without.damage.add(Addr::NIL, &error);
        without
    })
}
