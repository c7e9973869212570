//! What root records say of themselves: docs/mended.md, "Root records".

/// What a root record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Described {
    /// A cleanup, waiting or queued.
    Cleanup,
    /// The handle of a weak pointer.
    WeakHandle,
    /// The block that a P cuts tiny objects from.
    TinyBlock,
    /// A thread's registers or stacks; the id of the goroutine that it ran, if told.
    Thread(Option<u64>),
    /// Something else.
    Other,
}

/// What a description says, and the object that it is about (0 for none).
pub(super) fn described(description: &[u8]) -> (Described, u64) {
    let Ok(text) = std::str::from_utf8(description) else {
        return (Described::Other, 0);
    };
    let about = ["argument of ", "caller of "]
        .into_iter()
        .find_map(|about| text.strip_prefix(about))
        .unwrap_or(text);
    if about == "queued cleanup" {
        return (Described::Cleanup, 0);
    }
    if let Some(object) = about
        .strip_prefix("cleanup of object ")
        .and_then(hexadecimal)
    {
        return (Described::Cleanup, object);
    }
    if let Some(object) = text
        .strip_prefix("weak handle of object ")
        .and_then(hexadecimal)
    {
        return (Described::WeakHandle, object);
    }
    if text.starts_with("tiny block of P ") {
        return (Described::TinyBlock, 0);
    }
    if let Some(id) = text.strip_prefix("vector registers of goroutine ") {
        return (Described::Thread(id.parse().ok()), 0);
    }
    let of_thread = text.starts_with("scheduler stack of thread ")
        || text.starts_with("signal stack of thread ")
        || text.starts_with("register ") && text.contains(" of thread ");
    if of_thread {
        let id = text
            .strip_suffix(')')
            .and_then(|text| text.rsplit_once(" (goroutine "))
            .and_then(|(_, id)| id.parse().ok());
        return (Described::Thread(id), 0);
    }
    (Described::Other, 0)
}

/// Whether a description is one that goheap writes, which says nothing but addresses and numbers.
pub(crate) fn is_described(description: &[u8]) -> bool {
    description.len() <= 100 && described(description).0 != Described::Other
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_docs_mended_lists() {
        for (text, expected) in [
            (
                "cleanup of object 0xc000010",
                (Described::Cleanup, 0xc000010),
            ),
            (
                "argument of cleanup of object 0x10",
                (Described::Cleanup, 0x10),
            ),
            (
                "caller of cleanup of object 0x10",
                (Described::Cleanup, 0x10),
            ),
            ("queued cleanup", (Described::Cleanup, 0)),
            ("argument of queued cleanup", (Described::Cleanup, 0)),
            ("caller of queued cleanup", (Described::Cleanup, 0)),
            ("weak handle of object 0xff", (Described::WeakHandle, 0xff)),
            ("tiny block of P 3", (Described::TinyBlock, 0)),
            (
                "vector registers of goroutine 17",
                (Described::Thread(Some(17)), 0),
            ),
            ("register rax of thread 4711", (Described::Thread(None), 0)),
            (
                "register r14 of thread 4711 (goroutine 18)",
                (Described::Thread(Some(18)), 0),
            ),
            (
                "register rax of thread 4711 (signal handler)",
                (Described::Thread(None), 0),
            ),
            ("scheduler stack of thread 1", (Described::Thread(None), 0)),
            ("signal stack of thread 1", (Described::Thread(None), 0)),
            ("cleanup of object 17", (Described::Other, 0)),
            ("runtime.whatever", (Described::Other, 0)),
            ("", (Described::Other, 0)),
        ] {
            assert_eq!(described(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(described(b"\xff"), (Described::Other, 0));
    }
}
