//! Which instructions of two functions belong together.

use super::{LearntStep, LearntTarget, Refers, Step};

/// The most that is compared: the product of both lengths.
const MOST: usize = 1 << 20;

/// The pairs of instructions that belong together beyond doubt.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alignment {
    /// Numbers of steps: of the learnt stream, and of the executable's.
    pub pairs: Vec<(usize, usize)>,
    /// Whether the streams are the same from end to end.
    pub exact: bool,
    /// How many steps the longest common sequence has.
    pub common: usize,
    /// How many steps the longer of the streams has.
    pub longer: usize,
}

impl Alignment {
    /// Whether the functions are alike enough to be compared: more than two thirds of the steps.
    pub fn is_close(&self) -> bool {
        self.common * 3 > self.longer * 2
    }

    /// How alike they are, in thousandths.
    pub fn likeness(&self) -> usize {
        (self.common * 1000).checked_div(self.longer).unwrap_or(0)
    }
}

/// Whether a step of the executable can be the learnt one: the same operation, on data, or on the
/// function of that name.
fn fits(learnt: &LearntStep, step: &Step) -> bool {
    let same = match (&learnt.target, &step.to) {
        (LearntTarget::Function(name), Refers::Function(found)) => name == found,
        (LearntTarget::Function(_), _) | (_, Refers::Function(_)) => false,
        (LearntTarget::Variable(..) | LearntTarget::Other, Refers::Data(_)) => true,
    };
    same && learnt.op == step.op
}

/// Aligns two streams by their longest common sequence. A pair counts if it is in every sequence of
/// that length: where an instruction could belong to either of two, it belongs to none.
pub fn align(learnt: &[LearntStep], steps: &[Step]) -> Alignment {
    let (rows, columns) = (learnt.len(), steps.len());
    let longer = rows.max(columns);
    if longer == 0 || (rows + 1).saturating_mul(columns + 1) > MOST {
        return Alignment {
            longer,
            ..Alignment::default()
        };
    }
    if rows == columns && learnt.iter().zip(steps).all(|(a, b)| fits(a, b)) {
        return Alignment {
            pairs: (0..rows).map(|i| (i, i)).collect(),
            exact: true,
            common: rows,
            longer,
        };
    }
    let fit: Vec<Vec<bool>> = learnt
        .iter()
        .map(|a| steps.iter().map(|b| fits(a, b)).collect())
        .collect();
    let fit = |i: usize, j: usize| fit.get(i).and_then(|row| row.get(j)) == Some(&true);
    // Longest common sequence of the first i and the first j steps, and of those from i and j on.
    let mut before = Table::new(rows, columns);
    for i in 1..=rows {
        for j in 1..=columns {
            let longest = match fit(i - 1, j - 1) {
                true => before.get(i - 1, j - 1) + 1,
                false => before.get(i - 1, j).max(before.get(i, j - 1)),
            };
            before.set(i, j, longest);
        }
    }
    let mut after = Table::new(rows, columns);
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            let longest = match fit(i, j) {
                true => after.get(i + 1, j + 1) + 1,
                false => after.get(i + 1, j).max(after.get(i, j + 1)),
            };
            after.set(i, j, longest);
        }
    }
    let common = before.get(rows, columns);
    let possible =
        |i: usize, j: usize| fit(i, j) && before.get(i, j) + 1 + after.get(i + 1, j + 1) == common;
    let only = |mut found: Box<dyn Iterator<Item = usize> + '_>| match (found.next(), found.next())
    {
        (Some(one), None) => Some(one),
        _ => None,
    };
    let pairs = (0..rows).filter_map(|i| {
        let j = only(Box::new((0..columns).filter(|&j| possible(i, j))))?;
        only(Box::new((0..rows).filter(|&i| possible(i, j))))?;
        Some((i, j))
    });
    Alignment {
        pairs: pairs.collect(),
        exact: false,
        common: common as usize,
        longer,
    }
}

/// Lengths by two numbers of steps.
struct Table {
    width: usize,
    lengths: Vec<u32>,
}

impl Table {
    fn new(rows: usize, columns: usize) -> Table {
        Table {
            width: columns + 1,
            lengths: vec![0; (rows + 1) * (columns + 1)],
        }
    }

    fn get(&self, i: usize, j: usize) -> u32 {
        self.lengths.get(i * self.width + j).copied().unwrap_or(0)
    }

    fn set(&mut self, i: usize, j: usize, length: u32) {
        if let Some(slot) = self.lengths.get_mut(i * self.width + j) {
            *slot = length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use goheap_image::FileAddr;

    fn learnt(text: &str) -> Vec<LearntStep> {
        let each = text.split_whitespace();
        let steps = each.map(|word| LearntStep {
            op: word.to_owned(),
            target: LearntTarget::Other,
        });
        steps.collect()
    }

    fn steps(text: &str) -> Vec<Step> {
        let each = text.split_whitespace().zip(0..);
        let steps = each.map(|(word, at)| Step {
            op: word.to_owned(),
            to: Refers::Data(FileAddr::new(at)),
        });
        steps.collect()
    }

    #[test]
    fn the_same_stream_is_exact() {
        let found = align(&learnt("a b a"), &steps("a b a"));
        assert!(found.exact && found.pairs == [(0, 0), (1, 1), (2, 2)]);
    }

    #[test]
    fn what_is_more_is_passed_over() {
        let found = align(&learnt("a b c d"), &steps("a x b c d"));
        assert_eq!(found.pairs, [(0, 0), (1, 2), (2, 3), (3, 4)]);
        assert!(!found.exact && found.is_close());
    }

    #[test]
    fn what_could_be_either_is_neither() {
        let found = align(&learnt("a b c d"), &steps("a b b c d"));
        assert_eq!(found.pairs, [(0, 0), (2, 3), (3, 4)]);
        let found = align(&learnt("a b b c d"), &steps("a b c d"));
        assert_eq!(found.pairs, [(0, 0), (3, 2), (4, 3)]);
    }

    #[test]
    fn strangers_are_not_close() {
        assert!(!align(&learnt("a b c"), &steps("x y z")).is_close());
        assert!(!align(&learnt("a b c"), &steps("")).is_close());
        assert!(!align(&[], &[]).is_close());
    }
}
