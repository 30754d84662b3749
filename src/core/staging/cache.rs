//! The space of the cache.

/// Keeps an object in the cache while somebody reads it.
#[derive(Debug)]
pub struct ReadGuard(());
