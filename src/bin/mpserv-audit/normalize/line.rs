//! A line after normalization.

/// A thing whose value differs between runs but whose identity must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Name {
    /// A mapping's number; the heap's is 0.
    Mapping(u64),
    /// An inode number.
    Inode(u64),
    /// A port that the kernel chose.
    Port(u64),
    /// A device's number, the major one above the minor one.
    Device(u64),
    User(u64),
    Group(u64),
}
/// One line, rewritten.
#[derive(Debug, Default)]
pub struct Normal {
    pub text: Vec<u8>,
    pub names: Vec<Name>,
    /// The same with process ids left as they are in text, if there were any: a number in a text may be something else.
    pub plain: Option<Vec<u8>>,
    /// No normalization applies to a line that strace's grammar does not cover.
    pub unparsed: bool,
    /// The call prints, or prepares to.
    pub prints: bool,
    /// Process ids stay as they are in text.
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
