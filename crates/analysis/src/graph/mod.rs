//! Graphs: dominators, retained sizes and paths. No Go in here.
