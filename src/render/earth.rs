//! Coastlines and borders.
//!
//! # Source
//! Natural Earth (public domain), 1:110m and 1:50m.
