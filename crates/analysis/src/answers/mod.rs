//! The answers: a function for each question, plain structs as results.
