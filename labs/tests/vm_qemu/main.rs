//! Virtual machines that are QEMU's: a migration and its failures, alone and in a lab. Needs root, `qemu-system-x86` and
//! the packages of the guest (`.ci/setup`).
#![allow(clippy::unwrap_used, reason = "a test says no more by expect")]

mod alone;
mod balanced;
mod in_a_lab;
#[path = "../lab_common/mod.rs"]
mod lab_common;
