//! Levels of likeness: how far two runs agree.

/// Degree of agreement of two runs, from nearest to farthest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Equal, call by call.
    #[default]
    Same,
    /// The programs differ only as much as each differs from itself.
    Varies,
    /// Equal when what is printed, its length and what follows from it are put aside.
    Texts,
    /// The same calls in the same order, with other arguments or results.
    Values,
    /// Other calls, or another order.
    Different,
}

impl Level {
    /// The verdict in words.
    pub fn name(self) -> &'static str {
        match self {
            Level::Same => "same",
            Level::Varies => "varies",
            Level::Texts => "same but for the texts",
            Level::Values => "same calls, other values",
            Level::Different => "different",
        }
    }

    /// The words that `--accept` takes. What varies by itself is no difference, so it has none.
    pub const WORDS: [(&'static str, Level); 4] =
        [("same", Level::Varies), ("texts", Level::Texts), ("values", Level::Values), ("different", Level::Different)];

    /// The level of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, level)| level)
    }
}
