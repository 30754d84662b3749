//! Every cell and chunk looked at, one by one.
