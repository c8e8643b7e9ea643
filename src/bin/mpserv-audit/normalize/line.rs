//! A line after normalization.

/// A thing whose value may differ between runs. Its identity must be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A mapping's number. The number of the heap is 0.
    Mapping(u64),
    /// An inode number, and the number of its device, if the call gives that as well. Files of two devices may have the
    /// same inode number.
    Inode {
        device: Option<u64>,
        number: u64,
    },
    /// A port that the kernel chose.
    Port(u64),
    /// A device's number, with the major number in the high bits and the minor number in the low bits.
    Device(u64),
    User(u64),
    Group(u64),
}
/// One line in its normalized form.
#[derive(Debug, Default)]
pub struct Normal {
    pub text: Vec<u8>,
    pub names: Vec<Name>,
    /// The line with the numbers in texts unchanged, if there may be process ids in texts. A number in a text may be
    /// something else than a process id.
    pub plain: Option<Vec<u8>>,
    /// Whether strace's grammar does not cover the line. No normalization applies to such a line.
    pub unparsed: bool,
    /// Whether the call prints, or prepares to print.
    pub prints: bool,
    /// Whether the process ids in texts stay unchanged.
    pub(super) keeps_ids: bool,
    pub(super) has_ids: bool,
}

impl Normal {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.names.clear();
        self.plain = None;
        self.unparsed = false;
        self.prints = false;
        self.has_ids = false;
    }

    pub(super) fn put(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }
}
