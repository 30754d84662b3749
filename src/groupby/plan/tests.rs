//! Plans of small datasets in memory.
