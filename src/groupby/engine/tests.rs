//! What the engine shares and keeps.
