//! `labs`: runs topology files on namespaces.
fn main() {}
