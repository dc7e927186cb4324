//! A userspace Ethernet switch: a pure core in a thin shell.

pub mod config;
pub mod control;
