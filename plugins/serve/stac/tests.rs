//! The routes, asked through the whole router.
