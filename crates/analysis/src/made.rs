//! What tests make catalogues of, and the annex that one is written into.

use goheap_format::annex::AnnexWriter;
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeField, TypeId, TypeOrigin};

use crate::put_catalogue;

/// A type with nothing but its kind, size and name.
pub(crate) fn plain(kind: Kind, size: u64, name: &str) -> GoType {
    GoType {
        address: 0,
        origin: TypeOrigin::Descriptor,
        kind,
        size,
        name: name.to_owned(),
        package: String::new(),
        elem: None,
        key: None,
        slots: None,
        len: 0,
        fields: Vec::new(),
    }
}

/// A field of a struct, not embedded.
pub(crate) fn field(name: &str, offset: u64, ty: TypeId) -> TypeField {
    TypeField {
        name: name.to_owned(),
        offset,
        ty,
        embedded: false,
    }
}

/// An annex with these notes.
pub(crate) fn annex(notes: impl FnOnce(&mut AnnexWriter)) -> Vec<u8> {
    let mut writer = AnnexWriter::new();
    notes(&mut writer);
    let mut bytes = Vec::new();
    writer.finish(&mut bytes).unwrap();
    bytes
}

/// An annex with this catalogue.
pub(crate) fn annex_of(catalogue: &Catalogue) -> Vec<u8> {
    annex(|writer| put_catalogue(catalogue, writer).unwrap())
}
