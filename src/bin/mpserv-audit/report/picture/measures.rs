//! The sizes of a picture.

/// The measures of a picture, in pixels at full size.
#[derive(Clone, Copy, Debug)]
pub struct Measures {
    pub(super) lane: usize,
    pub(super) row: usize,
    pub(super) node_width: usize,
    pub(super) node_height: usize,
    /// The number of letters that fit into a node.
    pub(super) label: usize,
    /// Whether a node also shows the subject of the call, and not only its name.
    pub(super) details: bool,
}

/// The measures of a picture without a text beside it.
pub const WIDE: Measures = Measures { lane: 116, row: 22, node_width: 108, node_height: 18, label: 17, details: true };
/// The measures of a picture beside a text with the details of each call.
pub const NARROW: Measures = Measures { lane: 80, row: 19, node_width: 73, node_height: 16, label: 11, details: false };
