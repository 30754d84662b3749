//! How a dataset that is drawn was made of the one that its id names.

/// How a dataset that is drawn was made of the one that its id names: a monthly mean has the id of the dataset it is of, and
/// a revision of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Derivation {
    /// Path of the variable that it is of: by it the catalog names what it says of plots.
    pub path: String,
    /// The words of a query that say so, at the beginning of the canonical form.
    pub words: Vec<(String, String)>,
    /// What stands before the name of the variable: `Monthly mean of`.
    pub before: String,
    /// What stands after it; often nothing.
    pub after: String,
    /// What stands before the name where its units are: nothing as long as the quantity is the same.
    pub quantity: String,
    /// Part of the name of a file.
    pub file_part: String,
    /// Where its values lie.
    pub range: DerivedRange,
}

/// Where the values of a derived variable lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DerivedRange {
    /// Where those of the variable lie: the range that the catalog has for it fits.
    #[default]
    Kept,
    /// Around 0.
    Differences,
    /// Elsewhere.
    Other,
}
