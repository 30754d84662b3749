//! Through the real router.
