//! Any bytes at all as an annex: see `goheap_format`'s `tests/annex`, whose corpus test checks the
//! same. Checksums are put right first, so that what is behind them is reached.

#![no_main]

use goheap_format::annex::{AnnexReader, AnnexWriter, Digest};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    read(data);
    read(&mended(data));
});

fn read(data: &[u8]) {
    let Ok(Some(mut reader)) = AnnexReader::open(data, 0) else {
        return;
    };
    let mut writer = AnnexWriter::new();
    let mut again = Digest::default();
    let whole = loop {
        let rows = match reader.next_block() {
            Ok(Some(block)) => block.rows(),
            Ok(None) => break true,
            Err(error) => {
                assert!(error.offset() <= data.len() as u64);
                break false;
            }
        };
        let Ok(rows) = rows else { break false };
        let count = rows.iter().count();
        if let Some(notes) = rows.notes() {
            let mut left = count;
            for note in notes {
                writer.add(&note).expect("memory");
                left -= 1;
            }
            assert_eq!(left, 0);
        }
    };
    // What was read is written, and read again the same.
    let mut written = Vec::new();
    writer.finish(&mut written).expect("a vector takes all");
    let mut reader = AnnexReader::open(&written[..], 0)
        .expect("ours")
        .expect("one");
    again.read(&mut reader, |_, _| {}).expect("ours");
    if whole {
        let mut digest = Digest::default();
        let mut reader = AnnexReader::open(data, 0)
            .expect("as before")
            .expect("as before");
        digest.read(&mut reader, |_, _| {}).expect("as before");
        assert_eq!(digest.program, again.program);
        assert_eq!(digest.capture, again.capture);
        assert_eq!(digest.gaps, again.gaps);
    }
}

/// The annex with the checksums that its blocks ought to have.
fn mended(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let Some(line) = data.iter().position(|&byte| byte == b'\n') else {
        return data;
    };
    let mut at = line + 1;
    while let Some(end) = block_end(&data, at) {
        let Some(block) = data.get(at..end) else {
            break;
        };
        let mut crc = flate2::Crc::new();
        crc.update(block);
        let sum = crc.sum().to_le_bytes();
        let Some(place) = data.get_mut(end..end + 4) else {
            break;
        };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
    data
}

/// Where the checksum of the block, or of the end, at `at` stands.
fn block_end(data: &[u8], at: usize) -> Option<usize> {
    let mut here = at;
    match number(data, &mut here)? {
        0 => {
            number(data, &mut here)?;
            number(data, &mut here)?;
            here.checked_add(8)
        }
        1 => {
            let head = number(data, &mut here)?;
            let stored_at = here.checked_add(head)?;
            let section = number(data, &mut here)?;
            here = here.checked_add(section)?;
            for _ in 0..number(data, &mut here)?.min(256) {
                let name = number(data, &mut here)?;
                here = here.checked_add(name)?;
                number(data, &mut here)?;
            }
            number(data, &mut here)?;
            number(data, &mut here)?;
            stored_at.checked_add(number(data, &mut here)?)
        }
        _ => None,
    }
}

fn number(data: &[u8], at: &mut usize) -> Option<usize> {
    let mut value = 0u64;
    for shift in (0..63).step_by(7) {
        let byte = *data.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return usize::try_from(value).ok();
        }
    }
    None
}
