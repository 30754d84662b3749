//! Searching in columns against searching in summaries one by one.

mod bounds;
mod columns;
mod filters;
mod generate;
mod naive;
mod paging;
mod scale;
mod sight;
mod store;
