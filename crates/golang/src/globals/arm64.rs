//! What arm64 code refers to.

use super::code::{Found, Where};

/// What the code at `at` refers to, in order: variables, which Go's compiler and assembler name by
/// `ADRP` and an instruction right behind it that has the rest of the address
/// (cmd/internal/obj/arm64/asm7.go, go1.24: `R_ADDRARM64` and `R_ARM64_PCREL_LDST8` to `64`), and
/// functions that are called or jumped to.
pub(super) fn references(code: &[u8], at: u64) -> Option<Vec<Found>> {
    let words: Vec<u32> = code
        .chunks_exact(4)
        .filter_map(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?)))
        .collect();
    let mut found = Vec::new();
    for (index, &word) in words.iter().enumerate() {
        let pc = at.wrapping_add(4 * index as u64);
        // B and BL: 26 bits of words.
        if word & 0x7c00_0000 == 0x1400_0000 {
            let away = signed(u64::from(word & 0x03ff_ffff), 26).wrapping_mul(4);
            let op = match word >> 31 {
                1 => "call",
                _ => "jump",
            };
            found.push(Found {
                op: op.to_owned(),
                to: Where::Code(pc.wrapping_add(away)),
            });
            continue;
        }
        if word & 0x9f00_0000 != 0x9000_0000 {
            continue;
        }
        let pages = u64::from(word >> 5 & 0x7_ffff) << 2 | u64::from(word >> 29 & 3);
        let page = (pc & !0xfff).wrapping_add(signed(pages, 21) << 12);
        let next = words.get(index + 1).copied().unwrap_or(0);
        if next >> 5 & 31 != word & 31 {
            continue;
        }
        if let Some((op, inside)) = second(next) {
            found.push(Found {
                op,
                to: Where::Data(page.wrapping_add(inside)),
            });
        }
    }
    Some(found)
}

/// What the second instruction of a pair does, and the part of the address that it has.
fn second(word: u32) -> Option<(String, u64)> {
    let low = u64::from(word >> 10 & 0xfff);
    // ADD, 64 bits, not shifted.
    if word & 0xffc0_0000 == 0x9100_0000 {
        return Some(("lea".to_owned(), low));
    }
    // Loads and stores with an unsigned offset, which counts in the size of what is moved.
    if word & 0x3b00_0000 != 0x3900_0000 {
        return None;
    }
    let vector = word >> 26 & 1 == 1;
    let (scale, kind) = match (word >> 30, word >> 22 & 3, vector) {
        (0, kind @ (2 | 3), true) => (4, kind & 1),
        (size, kind, _) => (size, kind),
    };
    let op = match (kind, vector) {
        (0, false) => "store",
        (1, false) => "load",
        (_, false) => "loads",
        (0, true) => "fstore",
        (_, true) => "fload",
    };
    Some((format!("{op}{}", 1_u32 << scale), low << scale))
}

/// The number of `bits` bits, as 64 bits with its sign.
fn signed(value: u64, bits: u32) -> u64 {
    let unused = 64 - bits;
    ((value << unused).cast_signed() >> unused).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_calls() {
        let words: [u32; 7] = [
            0x9000_0020, // adrp x0, +4 pages
            0x9104_0000, // add x0, x0, #0x100
            0xb000_001b, // adrp x27, +1 page
            0xf940_0761, // ldr x1, [x27, #8]
            0x9000_001b, // adrp x27, +0
            0xb900_0761, // str w1, [x27, #4]
            0x97ff_fffe, // bl -2 words
        ];
        let code: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let found = references(&code, 0x10_0000).unwrap();
        let data = |op: &str, to| Found {
            op: op.to_owned(),
            to: Where::Data(to),
        };
        assert_eq!(
            found,
            [
                data("lea", 0x10_4100),
                data("load8", 0x10_1008),
                data("store4", 0x10_0004),
                Found {
                    op: "call".into(),
                    to: Where::Code(0x10_0010)
                },
            ]
        );
    }
}
