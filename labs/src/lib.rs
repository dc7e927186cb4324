//! Labs: topology files and the worlds that run them.

pub mod client;
pub mod guest;
pub mod migrate;
pub mod netns;
pub mod topology;
