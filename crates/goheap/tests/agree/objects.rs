//! Every object: where it is, how large, whether reachable, what it alone holds, and its type; every
//! goroutine and every frame; every type descriptor.

use goheap_analysis::types::How;
use goheap_analysis::{Analysis, NodeKind};
use goheap_golang::catalogue::{Catalogue, GoType};

use crate::captured::{Captured, assert_none, is_known};

pub(crate) fn check(captured: &Captured, name: &str) {
    objects(captured, name);
    goroutines(captured);
    types(captured);
}

fn objects(captured: &Captured, name: &str) {
    let (stripped, twin) = (&captured.stripped, &captured.twin);
    let (a, b) = (&stripped.analysis, &twin.analysis);
    assert_eq!(a.dump.object_count(), b.dump.object_count());
    let mut wrong = Vec::new();
    let (mut all, mut known, mut guessed, mut twins) = (0, 0, 0, 0);
    for object in a.dump.objects() {
        let facts = |of: &Analysis| {
            let address = of.dump.address(object);
            let retained = of.retained_by(NodeKind::Object(object));
            (
                address,
                of.dump.size(object),
                of.is_reachable(object),
                retained,
            )
        };
        let said = facts(a);
        assert_eq!(said, facts(b));
        let (address, size, reachable, _) = said;
        if !reachable {
            continue;
        }
        let (class, full) = (stripped.class(object), twin.class(object));
        all += size;
        twins += if is_known(full) { size } else { 0 };
        if !is_known(class) {
            continue;
        }
        known += size;
        let how = a.types.how(object);
        if how == How::Guess {
            guessed += size;
        }
        if class.name != full.name || class.package != full.package {
            let full_how = b.types.how(object);
            wrong.push(format!(
                "{address:#x}, {size} bytes: {} by {how:?}, but {} by {full_how:?}",
                class.name, full.name
            ));
        }
    }
    eprintln!(
        "{name}: of {all} reachable bytes {known} have a type ({guessed} by a guess), {twins} in the twin"
    );
    assert!(all > 1 << 20 && known <= twins);
    assert!(
        known * 100 >= all * least(name),
        "{name}: {known} of {all} have a type"
    );
    assert_none(&format!("{name}: types of objects"), &wrong);
}

/// The least share of the reachable bytes that has a type without DWARF, in per cent: below what was
/// measured. Before go1.22 no object has a header that tells its type, before go1.24 no map's part.
fn least(name: &str) -> u64 {
    let minor = name.strip_prefix("Go 1.").and_then(|rest| rest.get(..2));
    match minor.map(str::parse) {
        Some(Ok(..=21_u32)) => 90,
        _ => 94,
    }
}

fn goroutines(captured: &Captured) {
    let (a, b) = (
        &captured.stripped.analysis.dump,
        &captured.twin.analysis.dump,
    );
    assert!(a.goroutines().len() > 50);
    assert_eq!(a.goroutines(), b.goroutines());
    assert_eq!(a.frames().len(), b.frames().len());
    for (frame, full) in a.frames().iter().zip(b.frames()) {
        // Where its record is differs where what stands before is of another length.
        let told = |frame: &goheap_analysis::Frame| {
            let function = frame.function.as_str().to_owned();
            (
                frame.goroutine,
                frame.sp,
                frame.len,
                frame.entry,
                frame.pc,
                function,
            )
        };
        assert_eq!(told(frame), told(full));
    }
}

/// The type descriptors are those of the twin, with all that they say.
fn types(captured: &Captured) {
    let of = |catalogue: &'_ Catalogue, ty: &GoType| {
        let fields = ty.fields.iter().map(|field| {
            let of = catalogue.get(field.ty).map(|ty| ty.address);
            (field.name.clone(), field.offset, field.embedded, of)
        });
        let fields: Vec<_> = fields.collect();
        let elem = ty.elem.and_then(|elem| catalogue.get(elem));
        (
            ty.name.clone(),
            ty.package.clone(),
            ty.kind,
            ty.size,
            ty.len,
            elem.map(|elem| elem.address),
            fields,
        )
    };
    let a = captured.stripped.analysis.dump.catalogue();
    let b = captured.twin.analysis.dump.catalogue();
    let described = a.types().filter(|(_, ty)| ty.address != 0);
    let mut count = 0;
    let mut wrong = Vec::new();
    for (_, ty) in described {
        count += 1;
        let full = b.at(ty.address).and_then(|full| b.get(full));
        let full = full.map(|full| of(b, full));
        let said = of(a, ty);
        // Types of functions' own have a number in DWARF, and none in their descriptors.
        let own = full.as_ref().is_some_and(|full| full.0.contains('·'));
        if full.as_ref() != Some(&said) && !own {
            wrong.push(format!("{said:?}, but {full:?}"));
        }
    }
    assert!(count > 500, "{count}");
    assert_none("types", &wrong);
    assert_eq!(a.functions.len(), b.functions.len());
    for (function, full) in a.functions.iter().zip(&b.functions) {
        assert_eq!((function.entry, &function.name), (full.entry, &full.name));
    }
}
