//! The tests of ports once more, with forwarding threads (`--workers 2`).

#[path = "ports/main.rs"]
mod ports;
