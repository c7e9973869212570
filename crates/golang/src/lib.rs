//! goheap-golang
