use super::*;

#[test]
fn takes_bits_across_bytes_words_and_the_end() {
    let mut bytes = vec![0_u8; 24];
    bytes[7] = 0x80; // bit 63
    bytes[8] = 0x01; // bit 64
    bytes[23] = 0xff; // bits 184 to 191
    assert_eq!(take_bits(&bytes, 63, 2), 0b11);
    assert_eq!(
        take_bits(&bytes, 60, 64),
        0b11_000,
        "64 bits that straddle two words"
    );
    assert_eq!(take_bits(&bytes, 62, 1), 0);
    assert_eq!(
        take_bits(&bytes, 180, 64),
        0xff << 4,
        "past the end is clear"
    );
    assert_eq!(take_bits(&bytes, 190, 5), 0b11);
    assert_eq!(take_bits(&bytes, 4096, 64), 0, "far past the end");
    assert_eq!(take_bits(&[], 0, 7), 0);
    assert_eq!(take_bits(&bytes, 0, 0), 0);
}

#[test]
fn agrees_with_a_bit_by_bit_reading() {
    let bytes: Vec<u8> = (0..40_u32).map(|i| (i * 97 + 13) as u8).collect();
    for start in 0..bytes.len() * 8 {
        for count in [1, 3, 8, 31, 33, 57, 63, 64] {
            let slow = (0..count).fold(0_u64, |all, i| {
                let at = start + i;
                let bit = bytes.get(at / 8).map_or(0, |b| b >> (at % 8) & 1);
                all | u64::from(bit) << i
            });
            assert_eq!(
                take_bits(&bytes, start, count),
                slow,
                "{count} bits from {start}"
            );
        }
    }
}
