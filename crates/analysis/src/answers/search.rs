//! Where bytes are in the heap: in strings, in arrays of bytes, in what has no pointers and no type.

use goheap_golang::Kind;

use crate::dump::ObjectId;
use crate::types::What;
use crate::{Analysis, Interrupted, Watch};

/// Objects between two looks at whether somebody wants the work to end.
const STEP: u32 = 1 << 14;

/// Bytes that are told around what was found, on each side.
const AROUND: usize = 48;

/// Where bytes were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The object.
    pub object: ObjectId,
    /// Where it is.
    pub address: u64,
    /// How far into it the first place is.
    pub offset: u64,
    /// Bytes before it, itself, and bytes behind it.
    pub around: (Vec<u8>, Vec<u8>, Vec<u8>),
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hits {
    /// The first objects that have the bytes, by address.
    pub hits: Vec<Hit>,
    /// Whether there may be more: as many were found as were wanted.
    pub more: bool,
    /// How many objects were looked at.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Looks for bytes in all strings and arrays of bytes, and in objects without pointers whose type is
/// not known; finds at most `most` objects. Nothing is found of no bytes.
///
/// # Errors
/// Interrupted.
pub fn bytes(
    analysis: &Analysis,
    needle: &[u8],
    most: usize,
    watch: &dyn Watch,
) -> Result<Hits, Interrupted> {
    let mut found = Hits::default();
    let total = analysis.dump.object_count();
    let looked_at: Vec<bool> = analysis
        .types
        .classes()
        .map(|(_, class)| has_text(analysis, &class.what))
        .collect();
    if needle.is_empty() {
        return Ok(found);
    }
    for object in analysis.dump.objects() {
        if object.0.is_multiple_of(STEP) {
            watch.step("searching strings", object.0.into(), total.into())?;
        }
        let class = analysis.types.class_of(object).0 as usize;
        if !looked_at.get(class).copied().unwrap_or(false) {
            continue;
        }
        let contents = analysis.dump.contents(object);
        found.objects += 1;
        found.bytes = found.bytes.saturating_add(contents.len() as u64);
        let Some(at) = find(contents, needle, watch)? else {
            continue;
        };
        if found.hits.len() >= most {
            found.more = true;
            break;
        }
        let end = (at + needle.len()).min(contents.len());
        let part = |from: usize, to: usize| contents.get(from..to).unwrap_or_default().to_vec();
        found.hits.push(Hit {
            object,
            address: analysis.dump.address(object),
            offset: at as u64,
            around: (
                part(at.saturating_sub(AROUND), at),
                part(at, end),
                part(end, (end + AROUND).min(contents.len())),
            ),
        });
    }
    Ok(found)
}

fn has_text(analysis: &Analysis, what: &What) -> bool {
    match what {
        What::StringBytes | What::Tiny => true,
        What::Unknown { pointers, .. } => *pointers == 0,
        What::Array(elem) | What::Value(elem) => {
            let catalogue = analysis.dump.catalogue();
            let bytes = |ty| {
                let ty: Option<&goheap_golang::catalogue::GoType> = catalogue.get(ty);
                ty.is_some_and(|ty| ty.kind == Kind::Uint8)
            };
            match catalogue.get(*elem) {
                Some(ty) if ty.kind == Kind::Array => ty.elem.is_some_and(bytes),
                Some(ty) => ty.kind == Kind::Uint8,
                None => false,
            }
        }
        _ => false,
    }
}

/// The first place of `needle`. Objects may have gigabytes: somebody may want an end in between.
fn find(contents: &[u8], needle: &[u8], watch: &dyn Watch) -> Result<Option<usize>, Interrupted> {
    const PIECE: usize = 16 << 20;
    let finder = memchr::memmem::Finder::new(needle);
    let mut from = 0;
    while let Some(rest) = contents
        .get(from..)
        .filter(|rest| rest.len() >= needle.len())
    {
        // Pieces overlap, so that what lies across their border is found.
        let piece = rest.get(..PIECE + needle.len()).unwrap_or(rest);
        if let Some(at) = finder.find(piece) {
            return Ok(Some(from + at));
        }
        if piece.len() == rest.len() {
            break;
        }
        watch.step("searching strings", 0, 0)?;
        from += PIECE;
    }
    Ok(None)
}
