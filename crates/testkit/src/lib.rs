//! goheap-testkit
