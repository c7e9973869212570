//! Words for what answers say: the command and the pages use the same.

use goheap_analysis::answers::diff::Sameness;
use goheap_analysis::paths::Strength;
use goheap_analysis::types::How;

/// How the type of an object is known.
pub fn how_known(how: How) -> &'static str {
    match how {
        How::Unknown => "type unknown",
        How::Header => "type as the allocator wrote it",
        How::Interface => "type as an interface has it",
        How::Variable => "type as a variable has it",
        How::Runtime => "type as the runtime has it",
        How::Closure => "a closure",
        How::Pointer => "type as a pointer has it",
        How::Guess => "type by a guess",
    }
}

/// What is said in front of a way that does not begin with a variable or a goroutine.
pub fn strength(strength: Strength) -> &'static str {
    match strength {
        Strength::Variable => "",
        Strength::Runtime => "(the runtime) ",
        Strength::Maybe => "(maybe) ",
    }
}

/// Whether two dumps are of one process.
pub fn sameness(sameness: Sameness) -> &'static str {
    match sameness {
        Sameness::Same => "of one process",
        Sameness::Reversed => "of one process, the later dump first",
        Sameness::OtherProcess => "of two processes of one build",
        Sameness::OtherBuild => "of different builds",
        Sameness::Unknown => "whether they are of one process is not known",
    }
}

/// A change with its sign: `+1.00 KiB`, `-3`, `0`.
pub fn signed(change: i64, show: fn(u64) -> String) -> String {
    match change {
        0 => "0".to_owned(),
        n if n > 0 => format!("+{}", show(n.unsigned_abs())),
        n => format!("-{}", show(n.unsigned_abs())),
    }
}
