//! The control socket: what can be asked of a running switch, and the answers.
//!
//! A unix stream socket carries one JSON object a line. The switch greets with [`Greeting`]; a request is
//! `{"id":1,"command":"show-mac","vlan":10}` and its answer `{"id":1,"ok":{…}}` or
//! `{"id":1,"error":{"code":"…","message":"…"}}`. Long listings arrive as `{"id":1,"part":[…]}` lines before
//! the `ok`. `{"id":1,"command":"events","since":0}` is answered by `{"id":1,"ok":{"reply":"events","next":17}}`
//! and from then on by `{"event":{…}}` and `{"lost":{"from":a,"to":b}}` lines.

mod client;
pub mod codec;
mod command;
mod events;
mod execute;
mod history;
mod reply;
mod server;
mod session;
mod socket;
mod target;
mod tree;
mod waker;
mod why;

pub use client::{ANSWER_TIMEOUT, Client, ClientError, EventStream, Notice, running_switches};

pub use command::{Command, Error, ErrorCode, MacFilter, Request, Responder, TreeChoice};
pub use events::EventSink;
pub use execute::execute;
pub use reply::{
    Counters, EpochReply, Greeting, Interface, MacCount, MacEntry, MacOrigin, RateReply,
    RegionReply, RegionalRoot, Reply, SpanningTree, StpCounters, StpTimes, TopologyChanges, Tree,
    TreePort, Version, VlanLine, Waits, Why, WhyComparison, WhyRegional, WhyRole, WhyTree,
    WhyVector,
};
pub use server::{CLIENTS_MAX, Server, Unserved};
pub use socket::{RUN_DIR_VARIABLE, SocketError, default_run_dir, socket_path};
pub use target::{PortFacts, Target};
pub(crate) use waker::Waker as Bell;

/// The version of the line protocol this build speaks.
pub const PROTOCOL: u32 = 1;
