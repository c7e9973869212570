//! Conditions for `goheap dump --when`: what is compared with what, and whether it is so.

use std::fmt;

use crate::units;

/// Something that may hold of a running process.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) what: Quantity,
    how: Compare,
    bound: Bound,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Bytes in RAM.
    Rss,
    /// Bytes of spans that are in use (`MemStats.HeapInuse`).
    Heap,
    /// Goroutines, without the runtime's own (`runtime.NumGoroutine`).
    Goroutines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Above,
    AtLeast,
    Below,
    AtMost,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    /// Bytes, or a number.
    Of(u64),
    /// Percent of the memory that the process may have.
    Share(f64),
}

/// What was seen of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) rss: u64,
    /// `None` if no condition asks for it.
    pub(crate) heap: Option<u64>,
    pub(crate) goroutines: Option<u64>,
    /// Bytes of memory that it may have: of its cgroup, or of the machine.
    pub(crate) most: u64,
}

/// What is said of a condition that is none.
const USAGE: &str =
    "it is no condition; write 'rss>2GiB', 'rss>90%', 'heap>=500MiB' or 'goroutines>10000'";

/// Reads a condition: rss, heap or goroutines; one of > >= < <=; a size, a number, or for rss a
/// percentage.
///
/// # Errors
/// It is none; a sentence that says so.
pub(crate) fn parse(text: &str) -> Result<Condition, String> {
    let usage = || USAGE.to_owned();
    let at = text.find(['<', '>']).ok_or_else(usage)?;
    let (what, rest) = text.split_at(at);
    let what = match what.trim() {
        "rss" => Quantity::Rss,
        "heap" => Quantity::Heap,
        "goroutines" => Quantity::Goroutines,
        _ => return Err(usage()),
    };
    const COMPARES: [(&str, Compare); 4] = [
        (">=", Compare::AtLeast),
        ("<=", Compare::AtMost),
        (">", Compare::Above),
        ("<", Compare::Below),
    ];
    let found = COMPARES
        .iter()
        .find_map(|&(sign, how)| Some((how, rest.strip_prefix(sign)?)));
    let (how, bound) = found.ok_or_else(usage)?;
    let bound = bound.trim();
    let bound = match (what, bound.strip_suffix('%')) {
        (Quantity::Rss, Some(share)) => {
            let share: f64 = share.trim().parse().map_err(|_| usage())?;
            if !(share > 0.0 && share <= 100.0) {
                return Err(usage());
            }
            Bound::Share(share)
        }
        (_, Some(_)) => return Err(usage()),
        (Quantity::Goroutines, None) => {
            Bound::Of(bound.replace([',', '_'], "").parse().map_err(|_| usage())?)
        }
        (_, None) => Bound::Of(units::parse_bytes(bound).map_err(|_| usage())?),
    };
    Ok(Condition { what, how, bound })
}

impl Condition {
    /// Whether it is about a share of the memory that the process may have.
    pub(crate) fn is_share(&self) -> bool {
        matches!(self.bound, Bound::Share(_))
    }

    /// What it is compared with, in bytes or as a number.
    fn bound(&self, most: u64) -> u64 {
        match self.bound {
            Bound::Of(bound) => bound,
            Bound::Share(share) => (most as f64 * share / 100.0) as u64,
        }
    }

    /// What is compared; `None` if that was not looked at.
    fn value(&self, reading: &Reading) -> Option<u64> {
        match self.what {
            Quantity::Rss => Some(reading.rss),
            Quantity::Heap => reading.heap,
            Quantity::Goroutines => reading.goroutines,
        }
    }

    /// Whether it holds; then what was seen, for people: `rss is 2.10 GiB, which is > 2.00 GiB`.
    pub(crate) fn holds(&self, reading: &Reading) -> Option<String> {
        let (value, bound) = (self.value(reading)?, self.bound(reading.most));
        let holds = match self.how {
            Compare::Above => value > bound,
            Compare::AtLeast => value >= bound,
            Compare::Below => value < bound,
            Compare::AtMost => value <= bound,
        };
        holds.then(|| {
            let name = self.what.name();
            let verb = if self.what == Quantity::Goroutines {
                "are"
            } else {
                "is"
            };
            let (value, bound) = (self.what.show(value), self.what.show(bound));
            format!("{name} {verb} {value}, {} {bound}", self.how)
        })
    }

    /// In how many seconds it will hold if all goes on as from `before` to `now`, which is `seconds`
    /// later; `None` if never.
    pub(crate) fn seconds_to(&self, before: &Reading, now: &Reading, seconds: f64) -> Option<f64> {
        let (old, new) = (self.value(before)? as f64, self.value(now)? as f64);
        let bound = self.bound(now.most) as f64;
        let (way, done) = match self.how {
            Compare::Above | Compare::AtLeast => (bound - new, new - old),
            Compare::Below | Compare::AtMost => (new - bound, old - new),
        };
        (done > 0.0 && seconds > 0.0).then(|| (way / (done / seconds)).max(0.0))
    }
}

impl Quantity {
    fn name(self) -> &'static str {
        match self {
            Quantity::Rss => "rss",
            Quantity::Heap => "heap",
            Quantity::Goroutines => "goroutines",
        }
    }

    fn show(self, value: u64) -> String {
        match self {
            Quantity::Goroutines => units::count(value),
            Quantity::Rss | Quantity::Heap => units::bytes(value),
        }
    }
}

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Compare::Above => ">",
            Compare::AtLeast => ">=",
            Compare::Below => "<",
            Compare::AtMost => "<=",
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = match self.bound {
            Bound::Of(bound) => self.what.show(bound),
            Bound::Share(share) => format!("{share}%"),
        };
        write!(f, "{} {} {bound}", self.what.name(), self.how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(rss: u64) -> Reading {
        Reading {
            rss,
            heap: Some(100 << 20),
            goroutines: Some(1000),
            most: 4 << 30,
        }
    }

    #[test]
    fn conditions_are_read_and_hold() {
        for (text, shown, rss, holds) in [
            ("rss>2GiB", "rss > 2.00 GiB", 2 << 30, false),
            ("rss >= 2g", "rss >= 2.00 GiB", 2 << 30, true),
            ("rss<2GiB", "rss < 2.00 GiB", (2 << 30) - 1, true),
            ("rss<=1k", "rss <= 1.00 KiB", 1025, false),
            ("rss>50%", "rss > 50%", 2 << 30, false),
            ("rss>49.9%", "rss > 49.9%", 2 << 30, true),
            ("heap>=100MiB", "heap >= 100 MiB", 0, true),
            ("heap>100MiB", "heap > 100 MiB", 0, false),
            ("goroutines>999", "goroutines > 999", 0, true),
            ("goroutines>1,000", "goroutines > 1,000", 0, false),
        ] {
            let condition = parse(text).unwrap();
            assert_eq!(condition.to_string(), shown);
            assert_eq!(condition.is_share(), text.contains('%'));
            assert_eq!(condition.holds(&reading(rss)).is_some(), holds, "{text}");
        }
        let said = parse("rss>2GiB").unwrap().holds(&reading(3 << 30));
        assert_eq!(said.unwrap(), "rss is 3.00 GiB, > 2.00 GiB");
        let said = parse("goroutines>10").unwrap().holds(&reading(0));
        assert_eq!(said.unwrap(), "goroutines are 1,000, > 10");
        for wrong in [
            "",
            "rss",
            "rss>",
            "rss=1",
            "rss>x",
            "rss>0%",
            "rss>101%",
            "rss>NaN%",
            "heap>50%",
            "goroutines>1k",
            "cpu>1",
            "rss><1",
            "> 1",
            "goroutines>-1",
        ] {
            assert!(parse(wrong).unwrap_err().contains("rss>2GiB"), "{wrong}");
        }
    }

    #[test]
    fn when_it_will_hold_is_foreseen() {
        let condition = parse("rss>3GiB").unwrap();
        let (one, two) = (reading(1 << 30), reading(2 << 30));
        assert_eq!(condition.seconds_to(&one, &two, 2.0), Some(2.0));
        assert_eq!(condition.seconds_to(&two, &one, 2.0), None);
        assert_eq!(condition.seconds_to(&one, &one, 2.0), None);
        assert_eq!(
            parse("rss<1GiB").unwrap().seconds_to(&two, &one, 2.0),
            Some(0.0)
        );
        let unseen = Reading { heap: None, ..one };
        assert_eq!(parse("heap>1").unwrap().holds(&unseen), None);
    }
}
