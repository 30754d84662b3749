//! Summaries of whole datasets, made by hand.
