//! The filtering database of a bridge (IEEE 802.1D-1998 clause 7.9), as a value.
#![forbid(unsafe_code)]
