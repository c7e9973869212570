//! Sizes and times as people write them; how they read them is `goheap_page::units`.

use std::time::Duration;

pub(crate) use goheap_page::units::{bytes, count, counted, duration, share, utc};

/// Bytes of a size as people write it: `512`, `512B`, `10MiB`, `1.5GiB`; units are binary, also
/// where they are written short (`10M`).
///
/// # Errors
/// It is no such size; a sentence that says so.
pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" | "kb" => 10,
        "m" | "mib" | "mb" => 20,
        "g" | "gib" | "gb" => 30,
        "t" | "tib" | "tb" => 40,
        _ => return Err("it is no size; write bytes, or 512KiB, 10MiB, 1GiB".to_owned()),
    };
    let wrong = || "it is no size; write bytes, or 512KiB, 10MiB, 1GiB".to_owned();
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift).ok_or_else(wrong);
    }
    let value: f64 = number.parse().map_err(|_| wrong())?;
    Ok((value * (1u64 << shift) as f64) as u64)
}

/// A time that somebody wrote: `500ms`, `2s`, `10m`, `1h`; a number alone is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "it is no time; write 500ms, 2s, 10m or 1h".to_owned();
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * unit).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, n) in [
            ("0", Ok(0)),
            ("512", Ok(512)),
            ("512 B", Ok(512)),
            ("10MiB", Ok(10 << 20)),
            ("10m", Ok(10 << 20)),
            ("1.5GiB", Ok(3 << 29)),
            ("18446744073709551615", Ok(u64::MAX)),
            ("18446744073709551615k", Err(())),
            ("MiB", Err(())),
            ("1.2.3k", Err(())),
            ("-1", Err(())),
            ("1 apple", Err(())),
        ] {
            assert_eq!(parse_bytes(text).map_err(|_| ()), n, "{text}");
        }
    }
}
