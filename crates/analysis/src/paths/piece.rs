//! Paths as text: what each step adds, and the whole as a Go programmer would write it.

use std::fmt::Write as _;

/// How often steps have to be repeated to be written once with a count.
const RUN: usize = 8;

/// The longest row of steps that is looked for as a repetition.
const PERIOD: usize = 4;

/// How many pieces of a path are written at its start and at its end; what is between is counted.
const SHOWN: usize = 100;

/// What a step adds to a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Piece {
    /// What it begins with: something that is said of the variable, and the variable.
    Start {
        /// `goroutine 17 (main.worker): local variable `; empty for a global.
        prefix: String,
        /// `main.cache`, `buf`.
        name: String,
    },
    /// `.Name`.
    Field(String),
    /// `[17]`; a negative one is before the start of the slice that leads here.
    Index(i64),
    /// `["sess-4f"]`: the element of a map under that key.
    Key(String),
    /// `.keys["sess-4f"]`: what the key itself holds.
    OfKey(String),
    /// `.(*main.User)`: the type of what an interface holds.
    Assert(String),
    /// `.(func main.serve.func1)`: what that closure captured follows.
    Closure(String),
    /// `(buffer)`, `(receivers)`: a part of a channel.
    Part(&'static str),
    /// `.(in main.Big)`: what leads here leads into the middle of a value, to something else than
    /// follows.
    Within(String),
    /// `+0x18`: bytes into something of which no more is known.
    Word(u64),
    /// `(*p)`: all that stands before is a pointer to a pointer.
    Deref,
    /// `(.next…)`, `(.left|.right…)`: any number of these steps, none too. In signatures.
    Again(Vec<String>),
}

impl Piece {
    /// What it adds; with `any`, for all that differ in index, key or number alone.
    fn write(&self, out: &mut String, any: bool) {
        // Writing to a string does not fail.
        let _ = match self {
            Piece::Start { prefix, name } => write!(out, "{prefix}{name}"),
            Piece::Field(name) => write!(out, ".{name}"),
            Piece::Index(_) | Piece::Key(_) if any => write!(out, "[*]"),
            Piece::Index(index) => write!(out, "[{index}]"),
            Piece::Key(key) => write!(out, "[{key}]"),
            Piece::OfKey(_) if any => write!(out, ".keys[*]"),
            Piece::OfKey(key) => write!(out, ".keys[{key}]"),
            Piece::Assert(ty) => write!(out, ".({ty})"),
            Piece::Closure(name) => write!(out, ".(func {name})"),
            Piece::Part(part) => write!(out, "({part})"),
            Piece::Within(ty) => write!(out, ".(in {ty})"),
            Piece::Word(offset) => write!(out, "+{offset:#x}"),
            Piece::Deref => Ok(()),
            Piece::Again(steps) => write!(out, "({}…)", steps.join("|")),
        };
    }
}

impl Piece {
    /// The same for all that differ in index or key alone.
    pub(super) fn any(self) -> Piece {
        match self {
            Piece::Index(_) => Piece::Index(0),
            Piece::Key(_) => Piece::Key(String::new()),
            Piece::OfKey(_) => Piece::OfKey(String::new()),
            piece => piece,
        }
    }
}

/// Writes a path: `main.cache.shards[17].m["sess-4f"].User`. Steps that are repeated are counted:
/// `main.list.head(.next × 999,998)`. Of a path that is long all the same, the middle is counted.
pub fn text(pieces: &[Piece]) -> String {
    written(pieces, false)
}

/// The same for all paths that differ in indexes and keys alone: `main.cache.shards[*].m[*].User`.
pub fn signature(pieces: &[Piece]) -> String {
    written(pieces, true)
}

fn written(pieces: &[Piece], any: bool) -> String {
    let mut out = String::new();
    // Where what a dereference encloses begins.
    let mut from = 0;
    let mut at = 0;
    let mut done = 0;
    while let Some(piece) = pieces.get(at) {
        let (period, times) = repetition(&pieces[at..]);
        if done == SHOWN && pieces.len() - at > SHOWN {
            // As many as the end needs are left.
            let left = pieces.len() - SHOWN - at;
            let _ = write!(out, "(… {} more …)", separated(left));
            at += left;
            done += 1;
            continue;
        }
        done += 1;
        if times >= RUN {
            out.push('(');
            for piece in &pieces[at..at + period] {
                piece.write(&mut out, any);
            }
            let _ = write!(out, " × {})", separated(times));
            at += period * times;
            continue;
        }
        match piece {
            Piece::Deref => {
                out.insert_str(from, "(*");
                out.push(')');
            }
            Piece::Start { prefix, .. } => {
                from = out.len() + prefix.len();
                piece.write(&mut out, any);
            }
            _ => piece.write(&mut out, any),
        }
        at += 1;
    }
    out
}

/// How long the row of pieces is that these begin with again and again, and how often.
fn repetition(pieces: &[Piece]) -> (usize, usize) {
    let repeats = |piece: &Piece| !matches!(piece, Piece::Deref | Piece::Start { .. });
    for period in 1..=PERIOD {
        let Some(row) = pieces.get(..period) else {
            break;
        };
        if !row.iter().all(repeats) {
            break;
        }
        let times = pieces
            .chunks_exact(period)
            .take_while(|chunk| *chunk == row)
            .count();
        if times >= RUN {
            return (period, times);
        }
    }
    (1, 1)
}

/// A count with a comma between groups of three digits.
fn separated(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(name: &str) -> Piece {
        Piece::Start {
            prefix: String::new(),
            name: name.to_owned(),
        }
    }

    fn field(name: &str) -> Piece {
        Piece::Field(name.to_owned())
    }

    #[test]
    fn paths_read_like_go() {
        let path = [
            global("main.cache"),
            field("shards"),
            Piece::Index(17),
            field("m"),
            Piece::Key("\"sess-4f\"".to_owned()),
            field("User"),
            Piece::Assert("*main.User".to_owned()),
            field("Tags"),
            Piece::Index(3),
            Piece::Word(0x18),
        ];
        assert_eq!(
            text(&path),
            "main.cache.shards[17].m[\"sess-4f\"].User.(*main.User).Tags[3]+0x18"
        );
        assert_eq!(
            signature(&path),
            "main.cache.shards[*].m[*].User.(*main.User).Tags[*]+0x18"
        );
    }

    #[test]
    fn a_dereference_encloses_what_is_before_it() {
        let path = [
            Piece::Start {
                prefix: "goroutine 1 (main.main): local variable ".to_owned(),
                name: "pp".to_owned(),
            },
            Piece::Deref,
            field("Name"),
        ];
        assert_eq!(
            text(&path),
            "goroutine 1 (main.main): local variable (*pp).Name"
        );
    }

    #[test]
    fn runs_are_counted() {
        let mut path = vec![global("main.list"), field("head")];
        path.extend(vec![field("next"); 999_998]);
        path.push(field("value"));
        assert_eq!(text(&path), "main.list.head(.next × 999,998).value");
        let mut path = vec![global("main.tree")];
        for _ in 0..9 {
            path.extend([field("left"), Piece::Index(0)]);
        }
        assert_eq!(text(&path), "main.tree(.left[0] × 9)");
        assert_eq!(
            text(&[global("x"), field("a"), field("a"), field("a")]),
            "x.a.a.a"
        );
    }

    #[test]
    fn the_middle_of_a_long_path_is_counted() {
        let mut path = vec![global("x")];
        path.extend((0..1000).map(Piece::Index));
        let text = text(&path);
        assert!(text.starts_with("x[0][1][2]"), "{text}");
        assert!(text.contains("[98](… 801 more …)[900]"), "{text}");
        assert!(text.ends_with("[998][999]"), "{text}");
    }
}
