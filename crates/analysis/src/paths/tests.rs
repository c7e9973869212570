//! Paths on dumps made by hand.
