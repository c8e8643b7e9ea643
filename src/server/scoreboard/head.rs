//! The words of the head of a scoreboard, which is as long as a slot.

/// The word that marks a scoreboard of this form.
pub(super) const MAGIC: usize = 0;
/// The value of the word that marks a scoreboard.
pub(super) const MAGIC_VALUE: u64 = u64::from_be_bytes(*b"mpserv 3");
/// The time at which the server began.
pub(super) const STARTED: usize = 1;
/// The highest number of children.
pub(super) const LIMIT: usize = 2;
/// The number of connections that were accepted.
pub(super) const ACCEPTED: usize = 3;
/// The number of connections that were refused.
pub(super) const REFUSED: usize = 4;
/// The distance between two slots, in words.
pub(super) const STRIDE: usize = 5;
/// The first of the words with the earlier servers.
pub(super) const EARLIER: usize = 6;
/// The number of slots that are or were in use. The used slots come first, and no other memory is touched.
pub(super) const USED: usize = 14;
/// The longest distance that a reader accepts. Pages have up to 64 KiB.
pub(super) const STRIDE_MAX: u64 = 8192;
