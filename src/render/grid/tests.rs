//! Every family against brute force.

use super::*;
