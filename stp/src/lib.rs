//! IEEE 802.1D spanning tree as a value: no I/O, no clock, no threads.
#![forbid(unsafe_code)]
