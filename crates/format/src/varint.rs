//! The wire's only number: an unsigned LEB128 of at most 64 bits, always in its shortest form.
//!
//! `runtime/heapdump.go, go1.19 to go1.27: dumpint` writes the shortest form and nothing else, so a
//! longer one is refused: what is accepted can be written back byte for byte.

/// The longest encoding of 64 bits, in bytes.
pub(crate) const MAX_LEN: usize = 10;

/// Why bytes are no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The bytes end before the number does.
    Short,
    /// Ten bytes, and it still goes on.
    Endless,
    /// More than 64 bits.
    Overflow,
    /// Not the shortest form.
    Padded,
}

/// Reads the number at the start of `bytes`: its value and how many bytes it took.
#[inline]
pub(crate) fn decode(bytes: &[u8]) -> Result<(u64, usize), Fault> {
    match bytes.first() {
        Some(&byte) if byte < 0x80 => return Ok((u64::from(byte), 1)),
        _ => {}
    }
    if let Some(eight) = bytes.first_chunk::<8>() {
        // The counterpart of what `encode` does: all of an address at once, without a loop.
        let word = u64::from_le_bytes(*eight);
        let ends = !word & 0x8080_8080_8080_8080;
        if ends != 0 {
            let bits = ends.trailing_zeros() + 1;
            let last = word >> (bits - 8) & 0xff;
            if last == 0 {
                return Err(Fault::Padded);
            }
            let v = word & (u64::MAX >> (64 - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
            let v = (v & 0x007f_007f_007f_007f) | (v & 0x7f00_7f00_7f00_7f00) >> 1;
            let v = (v & 0x0000_3fff_0000_3fff) | (v & 0x3fff_0000_3fff_0000) >> 2;
            let v = (v & 0x0fff_ffff) | (v & 0x0fff_ffff_0000_0000) >> 4;
            return Ok((v, (bits / 8) as usize));
        }
    }
    decode_slowly(bytes)
}

/// Near the end of the dump, and numbers of more than eight bytes.
#[inline(never)]
fn decode_slowly(bytes: &[u8]) -> Result<(u64, usize), Fault> {
    let mut value = 0u64;
    for (i, &byte) in bytes.iter().take(MAX_LEN).enumerate() {
        // The tenth byte holds bit 63 alone.
        if i == MAX_LEN - 1 && byte > 1 {
            return Err(if byte & 0x80 != 0 {
                Fault::Endless
            } else {
                Fault::Overflow
            });
        }
        value |= u64::from(byte & 0x7f) << (7 * i);
        if byte < 0x80 {
            if byte == 0 && i > 0 {
                return Err(Fault::Padded);
            }
            return Ok((value, i + 1));
        }
    }
    Err(Fault::Short)
}

/// Writes `value` at the start of `out`, which has room for [`MAX_LEN`] bytes, and tells how many
/// bytes it took. Bytes behind the number may be overwritten.
#[inline]
pub(crate) fn encode(out: &mut [u8], value: u64) -> usize {
    if value < 0x80 {
        out[0] = value as u8;
        return 1;
    }
    if value >= 1 << 56 {
        return encode_wide(out, value);
    }
    // Addresses are 6 or 7 bytes long, and a loop over them is mispredicted at its end. So the
    // seven-bit groups are spread over eight bytes at once, and eight bytes are stored.
    let len = (63 - value.leading_zeros() as usize) / 7 + 1;
    let v = (value & 0x0fff_ffff) | ((value & 0x00ff_ffff_f000_0000) << 4);
    let v = (v & 0x0000_3fff_0000_3fff) | ((v & 0x0fff_c000_0fff_c000) << 2);
    let v = (v & 0x007f_007f_007f_007f) | ((v & 0x3f80_3f80_3f80_3f80) << 1);
    let more = 0x8080_8080_8080_8080 & ((1u64 << (8 * (len - 1))) - 1);
    out[..8].copy_from_slice(&(v | more).to_le_bytes());
    len
}

#[cold]
fn encode_wide(out: &mut [u8], mut value: u64) -> usize {
    let mut len = 0;
    while value >= 0x80 {
        out[len] = value as u8 | 0x80;
        value >>= 7;
        len += 1;
    }
    out[len] = value as u8;
    len + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(mut value: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
        out
    }

    #[test]
    fn every_length_there_and_back() {
        for bit in 0..64 {
            for value in [
                1u64 << bit,
                (1u64 << bit) - 1,
                (1u64 << bit) | 0x5555_5555_5555_5555 >> (63 - bit),
                u64::MAX >> bit,
            ] {
                let mut out = [0xaau8; MAX_LEN];
                let len = encode(&mut out, value);
                assert_eq!(out[..len], slow(value), "{value:#x}");
                assert_eq!(decode(&out[..len]), Ok((value, len)), "{value:#x}");
                assert_eq!(decode(&out), Ok((value, len)), "{value:#x}");
                assert_eq!(decode(&out[..len - 1]), Err(Fault::Short), "{value:#x}");
            }
        }
    }

    #[test]
    fn what_is_no_number() {
        assert_eq!(decode(&[]), Err(Fault::Short));
        assert_eq!(decode(&[0x80; 9]), Err(Fault::Short));
        assert_eq!(decode(&[0x80; 10]), Err(Fault::Endless));
        assert_eq!(decode(&[0xff; 4096]), Err(Fault::Endless));
        assert_eq!(decode(&[0x80, 0]), Err(Fault::Padded));
        assert_eq!(decode(&[0x80, 0, 1, 1, 1, 1, 1, 1, 1]), Err(Fault::Padded));
        assert_eq!(
            decode(&[0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1]),
            Err(Fault::Padded)
        );
        let mut over = [0xff; 10];
        over[9] = 2;
        assert_eq!(decode(&over), Err(Fault::Overflow));
        over[9] = 1;
        assert_eq!(decode(&over), Ok((u64::MAX, 10)));
        over[9] = 0;
        assert_eq!(decode(&over), Err(Fault::Padded));
    }
}
