//! Results as datasets.
