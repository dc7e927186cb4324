//! Labs: topology files and the worlds that run them.

pub mod netns;
pub mod topology;
