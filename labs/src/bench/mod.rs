//! How fast virtual time runs: the figures of `make bench`.
//!
//! Each measurement is a process of its own, so that its peak memory is its own too; the table shows medians.

mod cases;
pub mod cli;

pub use cases::{Case, Measurement};
