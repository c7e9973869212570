//! What of an object's record is looked at.

use goheap_format::Fields;

use crate::dump::{Dump, ObjectId};

/// An object: its bytes, and where the collector sees pointers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'d> {
    pub(super) contents: &'d [u8],
    pub(super) fields: Fields<'d>,
}

/// An object of a dump.
#[inline]
pub(super) fn body(dump: &Dump, object: u32) -> Option<Body<'_>> {
    let (contents, rest) = dump.parts(ObjectId(object))?;
    Some(Body {
        contents,
        // The list ends where it says so.
        fields: Fields::Wire(rest),
    })
}
