//! goheap-process
