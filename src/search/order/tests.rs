//! Claims of orders: of the table of states, and over an engine with an archive that does what tests say.

mod archive;
mod followed;
mod table;
