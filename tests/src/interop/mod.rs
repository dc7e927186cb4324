//! Spanning tree with other people's bridges: Linux's own and Open vSwitch, in namespaces, with real frames.
//!
//! A [`plan::Scenario`] is a network of several brands and what is done to it. [`play::play`] builds it with a host at
//! every bridge, and after the start and after every step holds it against the oracle ([`crate::oracle`]):
//!
//! * every port of every bridge has the role (where the brand tells it) and state that follow from the graph, every bridge
//!   the root and the cost; and they stay so,
//! * on every cable of ours the designated bridge speaks the version both understand,
//! * a broadcast of every host comes to every other exactly once; at no time does anybody hear three copies of one,
//! * every BPDU our ports send is read by tshark without complaint ([`dissect`]); [`talk`] asks for its fields,
//! * where a port began to forward, every bridge has noticed the topology change, and nobody keeps an address at a port that
//!   no longer leads there.
//!
//! The outcome is the matrix of `docs/INTEROP.md` ([`document`]), which `make interop` writes and the test compares.

pub mod bridge;
pub mod dissect;
pub mod document;
pub mod ears;
pub mod measure;
pub mod model;
pub mod plan;
pub mod play;
pub mod run;
pub mod scenarios;
pub mod talk;
pub mod view;
