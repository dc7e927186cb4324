//! Networks of bridges in virtual time.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of tests may fail as a test does"
)]

mod conformance;
mod convergence;
mod counting;
mod epochs;
mod epochs_of_trees;
mod harness;
mod hostile;
mod orders;
mod properties;
mod rapid;
mod reasons;
mod topologies;
