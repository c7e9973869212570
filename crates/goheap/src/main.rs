//! goheap
fn main() {}
