//! What the folder keeps, and what it never believes.
