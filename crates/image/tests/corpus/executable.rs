//! What must hold of any bytes that are read as an executable. The fuzz target `executable` checks
//! the same.

use goheap_image::layout::{Shape, TypeLayout};
use goheap_image::{Dwarf, Executable};

/// Asks everything of the executable. Whether it is one with types.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let Ok(exe) = Executable::parse(bytes) else {
        return false;
    };
    for segment in exe.segments() {
        assert!(segment.file_range.end <= bytes.len());
        assert!(segment.file_range.len() as u64 <= segment.mem_size);
        // Segments may overlap in a hostile file, so another may have more; the file has not.
        let too_many = bytes.len() as u64 + 1;
        assert!(exe.bytes_at(segment.addr, too_many).is_err());
    }
    let _ = (
        exe.program_header_addr(),
        exe.gnu_build_id(),
        exe.go_build_id(),
    );
    let _ = (
        exe.build_info(),
        exe.symbol("runtime.allgs"),
        exe.symbol(""),
    );
    if let Some((_, table)) = exe.pclntab() {
        super::function_table::check(table);
    }
    if let Ok(module) = exe.module_data() {
        assert!(module.text < module.text_end && module.functions.func_count() > 0);
        assert!(exe.bytes_at(module.pclntab, 8).is_ok());
    }
    let Ok(Some(dwarf)) = exe.dwarf() else {
        return false;
    };
    let _ = (dwarf.producer(), dwarf.constant("runtime.answer"));
    for name in [
        "runtime.g",
        "[3]uintptr",
        "*runtime.g",
        "runtime.muintptr",
        "unsafe.Pointer",
    ] {
        if let Ok(Some(layout)) = dwarf.type_layout(name) {
            check_layout(&dwarf, &layout);
        }
    }
    true
}

fn check_layout(dwarf: &Dwarf<'_>, layout: &TypeLayout) {
    if let Shape::Struct { members } = &layout.shape {
        assert!(members.is_sorted_by_key(|member| member.offset));
        for member in members.iter().take(16) {
            assert!(member.offset <= layout.size);
            let _ = dwarf.type_layout(&member.type_name);
        }
    }
}
