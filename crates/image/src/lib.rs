//! goheap-image
