//! `switchctl`: asks and configures a running `switchd`.
fn main() {}
