//! The sizes of a picture.

/// The measures of a picture, in pixels at full size.
#[derive(Clone, Copy, Debug)]
pub struct Measures {
    pub(super) lane: usize,
    pub(super) row: usize,
    pub(super) node_width: usize,
    pub(super) node_height: usize,
    /// Number of letters that fit into a node.
    pub(super) label: usize,
    /// A node says what the call was about, not only its name.
    pub(super) details: bool,
}

/// A picture that is read by itself.
pub const WIDE: Measures = Measures { lane: 116, row: 22, node_width: 108, node_height: 18, label: 17, details: true };
/// A picture beside a text that says what each call was about.
pub const NARROW: Measures = Measures { lane: 80, row: 19, node_width: 73, node_height: 16, label: 11, details: false };
