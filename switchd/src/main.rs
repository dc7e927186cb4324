//! `switchd`: one switch, one process.
fn main() {}
