//! The integration tests: one binary.

mod cluster;
