//! Makes a catalogue of a program's executable and memory.

use std::collections::HashMap;

use goheap_image::DebugInfo;
use goheap_memory::{Addr, DataModel, Memory};

use super::describe::{Described, Gatherer};
use super::modules::Reader;
use super::names::{Names, unescape};
use super::{
    Catalogue, Damage, FromCode, Function, GoType, TypeField, TypeId, TypeOrigin, Variable, layouts,
};
use crate::{Features, LayoutError, Program, Structs, Types};

/// Bytes of all names of types.
const NAMES: usize = 1 << 28;
/// Bytes of all names of functions.
const FUNCTION_NAMES: usize = 1 << 28;

/// What a catalogue is made of.
pub struct Sources<'a, M: ?Sized> {
    /// The program's memory, or what the executable says of it ([`crate::ProgramImage`]): read-only
    /// data and `moduledata` are asked for.
    pub memory: &'a M,
    /// Byte order and word size.
    pub model: DataModel,
    /// Its symbols and layouts.
    pub program: &'a dyn Program,
    /// How its version behaves.
    pub features: &'a Features,
    /// The variables that its symbol table names.
    pub variables: Vec<Variable>,
    /// Descriptors of types that were met elsewhere.
    pub met: Vec<Addr>,
    /// What its DWARF tells, if that is wanted.
    pub debug: Option<Debug>,
    /// What its code says of types. DWARF is believed before it.
    pub code: Option<FromCode>,
}

/// What a program's DWARF tells, and where its file lies.
#[derive(Debug)]
pub struct Debug {
    /// What it tells.
    pub info: DebugInfo,
    /// How far the program lies above the addresses of its file.
    pub bias: u64,
}

/// Makes a catalogue of what the program says of itself.
///
/// What is damaged is left out, and counted in [`Catalogue::damage`].
///
/// # Errors
/// A layout without which no descriptor can be read is missing.
pub fn build<M: Memory + ?Sized>(sources: Sources<'_, M>) -> Result<Catalogue, LayoutError> {
    let structs = Structs::new(sources.program);
    let mut catalogue = Catalogue {
        layouts: layouts::record(sources.program, sources.features),
        variables: sources.variables,
        ..Catalogue::default()
    };
    sort_variables(&mut catalogue.variables);
    let mut damage = Damage::default();
    let reader = Reader {
        memory: sources.memory,
        model: sources.model,
        structs: &structs,
    };
    let modules = match sources.program.address("runtime.firstmoduledata") {
        Some(first) => {
            let (modules, error) = reader.modules(first);
            if let Some(error) = error {
                damage.add(first, &error);
            }
            modules
        }
        None => {
            damage.add(Addr::NIL, &"there is no symbol runtime.firstmoduledata");
            Vec::new()
        }
    };
    let types = Types::new(
        sources.memory,
        sources.model,
        &structs,
        sources.features,
        modules.iter().map(|module| module.types).collect(),
        sources.program.address("runtime.reflectOffs"),
    )?;
    let mut gatherer = Gatherer::new(&types);
    let mut itabs = Vec::new();
    for module in &modules {
        let at = module.types.types;
        match reader.type_links(module) {
            Ok(links) => links.into_iter().for_each(|at| gatherer.add(at)),
            Err(error) => damage.add(at, &error),
        }
        match reader.itabs(module) {
            Ok(found) => itabs.extend(found),
            Err(error) => damage.add(at, &error),
        }
    }
    for itab in &itabs {
        gatherer.add(itab.interface);
        gatherer.add(itab.ty);
    }
    for &met in &sources.met {
        gatherer.add(met);
    }
    gatherer.gather(&mut damage);
    for module in &modules {
        let (start, end) = module.described;
        gatherer.scan(start, end, sources.model.word_size(), &mut damage);
    }
    gatherer.gather(&mut damage);
    add_types(&mut catalogue, &gatherer.described, &mut damage);
    for itab in itabs {
        if let Some(ty) = catalogue.at(itab.ty.get()) {
            catalogue.itabs.insert(itab.address.get(), ty);
        }
    }

    let mut room = FUNCTION_NAMES;
    for module in &modules {
        let functions = &mut catalogue.functions;
        let read = reader.functions(module, &mut |entry, name| {
            let Some(left) = room.checked_sub(name.len() + size_of::<Function>()) else {
                return;
            };
            room = left;
            functions.push(Function {
                entry: entry.get(),
                name: String::from_utf8_lossy(name).into_owned(),
                closure: None,
            });
        });
        if let Err(error) = read {
            damage.add(module.types.types, &error);
        }
    }
    // Functions without code share an entry; the runtime takes the last of them.
    catalogue.functions.sort_by_key(|function| function.entry);
    catalogue.functions.dedup_by(|next, kept| {
        let same = next.entry == kept.entry;
        if same {
            std::mem::swap(next, kept);
        }
        same
    });
    catalogue.damage = damage;
    if let Some(debug) = &sources.debug {
        // cmd/link/internal/ld/dwarf.go: `AddSectionOffset`: counted from the section that the types
        // begin.
        let types = modules
            .first()
            .map_or(Addr::NIL, |module| module.types.types);
        catalogue.add_debug_info(&debug.info, debug.bias, types);
    }
    catalogue.add_method_values();
    if let Some(code) = &sources.code {
        // As the linker has set it.
        let word = |at: u64| {
            let mut bytes = [0; 8];
            let word = bytes.get_mut(..sources.model.word_size() as usize)?;
            sources.memory.read(Addr::new(at), word).ok()?;
            Some(sources.model.uint(word))
        };
        catalogue.add_from_code(code, &word);
    }
    Ok(catalogue)
}

/// Adds what was gathered, by address.
fn add_types(catalogue: &mut Catalogue, described: &HashMap<Addr, Described>, damage: &mut Damage) {
    let mut addresses: Vec<Addr> = described.keys().copied().collect();
    addresses.sort_unstable();
    let place = |at: Addr| -> Option<TypeId> {
        let place = addresses.binary_search(&at).ok()?;
        u32::try_from(place).ok().map(TypeId)
    };
    let mut names = Names::new(described, NAMES);
    // The types of a map's slots are named by the map.
    let mut of_slots: HashMap<Addr, String> = HashMap::new();
    for &at in &addresses {
        let Some(map) = described.get(&at) else {
            continue;
        };
        if let Some(slots) = map.slots.and_then(|slots| described.get(&slots))
            && map.own_name.is_none()
            && let Some(start) = slots.string.find("map.")
            && let Some(bracket) = slots.string.get(start..).and_then(|rest| rest.find('['))
            && let (Some(head), Some(tail)) = (
                slots.string.get(..start + bracket),
                names.of(at).strip_prefix("map"),
            )
        {
            of_slots.insert(slots.ty.address, format!("{head}{tail}"));
        }
    }
    for &at in &addresses {
        let Some(ty) = described.get(&at) else {
            continue;
        };
        let part = |at: Option<Addr>| at.and_then(place);
        let mut lost = 0u64;
        let fields = ty.fields.iter().filter_map(|field| {
            let Some(ty) = place(field.ty) else {
                lost += 1;
                return None;
            };
            Some(TypeField {
                name: String::from_utf8_lossy(&field.name).into_owned(),
                offset: field.offset,
                ty,
                embedded: field.embedded,
            })
        });
        let fields = fields.collect();
        if lost > 0 {
            damage.add(at, &"a field's type cannot be read");
        }
        let name = match of_slots.remove(&at) {
            Some(name) => name,
            None => names.of(at).to_string(),
        };
        catalogue.add(GoType {
            address: at.get(),
            origin: TypeOrigin::Descriptor,
            kind: ty.ty.kind,
            size: ty.ty.size,
            name: unescape(name.strip_prefix("noalg.").unwrap_or(&name)),
            package: unescape(&ty.package),
            elem: part(ty.elem),
            key: part(ty.key),
            slots: part(ty.slots),
            len: ty.len,
            fields,
        });
    }
}

/// By address, and where some have the same, the longest last: that is the one that is found by
/// address.
pub(super) fn sort_variables(variables: &mut Vec<Variable>) {
    variables.sort_by(|a, b| (a.address, a.size, &a.name).cmp(&(b.address, b.size, &b.name)));
    variables.dedup_by(|next, kept| next.address == kept.address && next.name == kept.name);
}
