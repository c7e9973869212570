//! The first line of a dump.

/// Which of the formats that this crate reads a dump is in, as its first line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Header {
    /// `go1.5 heap dump`: written by Go 1.5.
    Go15,
    /// `go1.6 heap dump`: the same format, written by Go 1.6.
    Go16,
    /// `go1.7 heap dump`: written by Go 1.7 and everything since, and by goheap.
    Go17,
}

impl Header {
    /// Bytes of every header.
    pub const LEN: usize = 16;

    /// The header as it stands at the start of the file, line feed included.
    pub fn bytes(self) -> &'static [u8; Self::LEN] {
        match self {
            Header::Go15 => b"go1.5 heap dump\n",
            Header::Go16 => b"go1.6 heap dump\n",
            Header::Go17 => b"go1.7 heap dump\n",
        }
    }

    /// The header that `start` is, if it is one; `start` is the first [`Header::LEN`] bytes.
    pub fn from_bytes(start: &[u8]) -> Option<Self> {
        [Header::Go17, Header::Go16, Header::Go15]
            .into_iter()
            .find(|h| h.bytes() == start)
    }

    /// Whether the architecture is a number rather than a name.
    // runtime/heapdump.go, go1.5: dumpint(thechar); go1.7: dumpstr(sys.GOARCH)
    pub(crate) fn arch_is_code(self) -> bool {
        match self {
            Header::Go15 | Header::Go16 => true,
            Header::Go17 => false,
        }
    }
}
