//! What the scenarios of a watch share.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap as tests do"
)]

pub(crate) mod network;
pub(crate) mod scenario;
pub(crate) mod stations;
