//! Labs: topology files and the worlds that run them.

pub mod bench;
pub mod cli;
pub mod client;
pub mod command;
mod domain;
pub mod drs;
pub mod guest;
pub mod hub;
pub mod lab;
pub mod migrate;
pub mod netns;
pub mod peers;
pub mod qemu;
pub mod run;
pub mod scenarios;
pub mod sim;
pub mod study;
pub mod topology;
pub mod vmotion;
pub mod watch;
