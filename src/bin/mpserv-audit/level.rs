//! The levels of agreement of two runs.

/// The degree of agreement of two runs, from nearest to farthest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The runs are equal, call by call.
    #[default]
    Same,
    /// The programs differ only as much as each differs from itself.
    Varies,
    /// The runs are equal except for printed texts, their lengths, and the effects of these texts.
    Texts,
    /// The runs have the same calls in the same order, with other arguments or results.
    Values,
    /// The runs have other calls, or another order.
    Different,
}

impl Level {
    /// Returns the verdict in words.
    pub fn name(self) -> &'static str {
        match self {
            Level::Same => "same",
            Level::Varies => "varies",
            Level::Texts => "same but for the texts",
            Level::Values => "same calls, other values",
            Level::Different => "different",
        }
    }

    /// The words that `--accept` takes. Variations of one program by itself do not count as differences, so there is no
    /// word for them.
    pub const WORDS: [(&'static str, Level); 4] =
        [("same", Level::Varies), ("texts", Level::Texts), ("values", Level::Values), ("different", Level::Different)];

    /// Returns the level of a word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, level)| level)
    }
}
