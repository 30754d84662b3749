//! Labels are found as xarray finds them.
