//! Claims of the rules.
