//! What share of a dump's reachable bytes has a type, how it is known, and whether a type says there
//! are pointers where the collector has none, or the other way round.

use std::collections::{BTreeMap, HashMap};

use goheap_analysis::types::{How, What};
use goheap_analysis::{Analysis, ObjectId};
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, TypeId};

/// Words of a type that are looked at at most, and values within one another.
const MOST: usize = 1 << 20;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// Reachable bytes of objects with pointers, and of those without.
    pub(crate) all: [u64; 2],
    /// Of these, bytes of objects with a type.
    pub(crate) typed: [u64; 2],
    /// Bytes by how the type is known.
    pub(crate) by_how: BTreeMap<How, u64>,
    /// Objects whose pointers are just where their type has them.
    pub(crate) agree: u64,
    /// Objects whose pointers are not.
    pub(crate) contradict: u64,
    /// Of these, how many of each class, with one of them.
    pub(crate) examples: BTreeMap<String, (u64, String)>,
}

/// Looks at all reachable objects.
pub(crate) fn judge(analysis: &Analysis) -> Shares {
    let mut shares = Shares::default();
    let mut masks = HashMap::new();
    for object in analysis.dump.objects() {
        if !analysis.is_reachable(object) {
            continue;
        }
        let size = analysis.dump.size(object);
        let fields: Vec<u64> = match analysis.dump.object(object) {
            Some(record) => record.fields.iter().map(|(_, offset)| offset).collect(),
            None => continue,
        };
        let kind = usize::from(fields.is_empty());
        shares.all[kind] += size;
        let class = analysis.types.class(analysis.types.class_of(object));
        let Some(class) = class.filter(|class| !matches!(class.what, What::Unknown { .. })) else {
            continue;
        };
        shares.typed[kind] += size;
        *shares.by_how.entry(analysis.types.how(object)).or_default() += size;
        let agrees = match class.what {
            What::Value(ty) | What::Array(ty) => {
                let catalogue = analysis.dump.catalogue();
                let mask = masks.entry(ty).or_insert_with(|| mask(catalogue, ty));
                let Some((mask, bytes)) = mask else { continue };
                // Larger ones have their type repeated up to the slot's end (runtime/mbitmap.go).
                let one = matches!(class.what, What::Value(_)) && size <= 512;
                // A malloc header of 8 bytes before what is larger than 512 (runtime/mbitmap.go).
                agree(&fields, 0, mask, *bytes, size, one)
                    || size > 512 && agree(&fields, 8, mask, *bytes, size, one)
            }
            What::StringBytes | What::Tiny => fields.is_empty(),
            // A map, a channel, a closure: they are made by the runtime and the compiler.
            _ => continue,
        };
        if agrees {
            shares.agree += 1;
        } else {
            shares.contradict += 1;
            let seen = shares.examples.entry(class.name.clone());
            seen.or_insert_with(|| (0, example(analysis, object, &class.name, &fields)))
                .0 += 1;
        }
    }
    shares
}

fn example(analysis: &Analysis, object: ObjectId, class: &str, fields: &[u64]) -> String {
    format!(
        "{:#x}, {} bytes, {class} by {:?}: pointers at {:?}",
        analysis.dump.address(object),
        analysis.dump.size(object),
        analysis.types.how(object),
        &fields[..fields.len().min(16)]
    )
}

/// Whether an object's pointers are those of one value, or of some values one behind the other, from
/// `base` on.
fn agree(fields: &[u64], base: u64, mask: &[u64], bytes: u64, size: u64, one: bool) -> bool {
    if base + bytes > size {
        return false;
    }
    if mask.is_empty() || bytes == 0 {
        return fields.is_empty();
    }
    let most = match one {
        true => base + bytes,
        false => size,
    };
    // Room behind the last value that was asked for has no pointers, or as many as would fit, the
    // last value being cut off.
    let fits = |field: u64| field + 8 <= most;
    !fields.is_empty()
        && (!one || fields.len() == mask.len())
        && fields.len() >= mask.len()
        && fields.iter().enumerate().all(|(i, field)| {
            let wanted = base + (i / mask.len()) as u64 * bytes + mask[i % mask.len()];
            *field == wanted && fits(*field)
        })
}

/// The offsets of a value's pointers, as the collector sees them, and its size. `None` if the type is
/// not known to its last word.
fn mask(catalogue: &Catalogue, ty: TypeId) -> Option<(Vec<u64>, u64)> {
    let bytes = catalogue.get(ty)?.size;
    let mut offsets = Vec::new();
    let mut open = vec![(ty, 0u64)];
    let mut steps = 0;
    while let Some((ty, at)) = open.pop() {
        steps += 1;
        if steps > MOST {
            return None;
        }
        let ty = catalogue.get(ty)?;
        match ty.kind {
            Kind::Pointer if ty.elem.is_some_and(|elem| is_outside(catalogue, elem)) => {}
            Kind::Pointer
            | Kind::UnsafePointer
            | Kind::Map
            | Kind::Chan
            | Kind::Func
            | Kind::String
            | Kind::Slice => offsets.push(at),
            // The table or type of an interface is in no heap (cmd/compile/internal/types: typebits).
            Kind::Interface => offsets.push(at + 8),
            Kind::Struct => open.extend(ty.fields.iter().map(|f| (f.ty, at + f.offset))),
            Kind::Array => {
                let elem = ty.elem?;
                let size = catalogue.get(elem)?.size;
                let count = usize::try_from(ty.len).ok().filter(|len| *len <= MOST)?;
                open.extend((0..count as u64).map(|i| (elem, at + i * size)));
            }
            _ => {}
        }
    }
    offsets.sort_unstable();
    Some((offsets, bytes))
}

/// Whether values of a type lie outside of the heap, so that pointers to them are none to the
/// collector (internal/runtime/sys: NotInHeap, runtime/internal/sys before go1.24).
fn is_outside(catalogue: &Catalogue, ty: TypeId) -> bool {
    // Also where it is embedded in what is embedded; types of the runtime nest a few deep.
    let mut left = vec![ty];
    let mut seen = 0;
    while let Some(ty) = left.pop().and_then(|ty| catalogue.get(ty)) {
        seen += 1;
        if seen > 1000 {
            return false;
        }
        if ty.name.ends_with("/sys.NotInHeap") || ty.name.ends_with("/sys.nih") {
            return true;
        }
        left.extend(ty.fields.iter().map(|field| field.ty));
    }
    false
}
