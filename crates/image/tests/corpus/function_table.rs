//! What must hold of any bytes that are read as a function table. The fuzz target `pclntab` checks
//! the same.

use goheap_image::pclntab::{Func, FuncId, FuncIds, FuncTable, TextOffset};

/// Asks everything of the table at many program counters. Whether it is a table at all.
pub(crate) fn check(bytes: &[u8]) -> bool {
    let Ok(table) = FuncTable::parse(bytes) else {
        return false;
    };
    assert!(table.func_count() <= bytes.len());
    let sorted = is_sorted(&table);
    for index in spread(table.func_count(), 64) {
        let Some(func) = table.func(index) else {
            continue;
        };
        let size = func.end().get().wrapping_sub(func.entry().get());
        for within in [0, 1, 2, 5, size / 2, size.wrapping_sub(1), size] {
            ask(&func, func.entry().offset(within));
        }
    }
    let end = table.text_end().get();
    for pc in (0..64)
        .map(|part| end / 64 * part)
        .chain([end.wrapping_sub(1), end, u64::MAX])
    {
        let pc = TextOffset::new(pc);
        if let Some(func) = table.find(pc) {
            assert!(!sorted || pc < func.end());
            ask(&func, pc);
        }
    }
    assert!(table.find(table.text_end()).is_none());
    true
}

fn is_sorted(table: &FuncTable<'_>) -> bool {
    let ends: Vec<_> = table.funcs().map(|func| func.end()).collect();
    ends.is_sorted() && ends.len() == table.func_count()
}

fn ask(func: &Func<'_>, pc: TextOffset) {
    assert!(!func.name().contains(&0));
    let _ = (
        func.args_size(),
        func.deferreturn(),
        func.flag(),
        func.start_line(),
    );
    for ids in [FuncIds::Go119, FuncIds::Go122, FuncIds::Go125] {
        let _ = FuncId::from_raw(func.func_id(), ids);
    }
    let _ = func.sp_delta(pc);
    if let Ok((file, _line)) = func.file_line(pc) {
        assert!(!file.contains(&0));
    }
    for table in [0, 1, 2, 3, 4, 255, u32::MAX] {
        let _ = func.pcdata(table, pc);
    }
    for index in [0, 1, 2, 3, 7, 255] {
        assert_ne!(func.funcdata(index), Ok(Some(u32::MAX)));
    }
}

/// At most `most` of the numbers below `count`, the first and the last among them.
fn spread(count: usize, most: usize) -> impl Iterator<Item = usize> {
    (0..count)
        .step_by(count / most + 1)
        .chain(count.checked_sub(1))
}
