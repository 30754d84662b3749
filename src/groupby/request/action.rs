//! What is computed of the members of a group.

/// What is computed of the members of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the words of requests")]
pub enum Action {
    Count,
    Mean,
    Min,
    Max,
    Sum,
    Prod,
    Std,
    Var,
    Median,
    First,
    Last,
    Any,
    All,
    Quantile,
}

impl Action {
    /// Every action with its word.
    pub const ALL: [(&'static str, Self); 14] = [
        ("count", Self::Count),
        ("mean", Self::Mean),
        ("min", Self::Min),
        ("max", Self::Max),
        ("sum", Self::Sum),
        ("prod", Self::Prod),
        ("std", Self::Std),
        ("var", Self::Var),
        ("median", Self::Median),
        ("first", Self::First),
        ("last", Self::Last),
        ("any", Self::Any),
        ("all", Self::All),
        ("quantile", Self::Quantile),
    ];

    /// The action of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == word).map(|(_, action)| *action)
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, action)| *action == self).map_or("", |(word, _)| word)
    }

    /// True if all values of a cell are needed at once.
    pub fn needs_all_values(self) -> bool {
        matches!(self, Self::Median | Self::Quantile)
    }
}
