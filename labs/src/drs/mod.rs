//! Distributed resource scheduling: which VM is to run on which host, so that no host is busy while another one idles.
//!
//! The planner is a value without clock and I/O: [`Planner::decide`] takes the loads, the places of the VMs and what the
//! network does not allow, and returns one choice with its reason, and every other move with the reason it was not chosen.
//! `run.rs` asks it once a round and does what it chose, in virtual time or in namespaces: its `Cluster` is what a world
//! has to offer for that.
//!
//! Loads of VMs are percent of one processor core, as `top` has them; loads of hosts are percent of what the host has.

pub mod cli;
mod decision;
mod load;
mod planner;
mod policy;
mod report;
mod rules;
pub(crate) mod run;
mod text;
pub(crate) mod usage;

#[cfg(test)]
mod tests;

pub use decision::{Choice, Decision, HostLoad, Refusal, Refused, Verdict, VmLoad};
pub use load::Load;
pub use planner::{Planner, Snapshot, VmNow};
pub use policy::{Level, Settings};
pub use report::{DrsReport, Excursion, MoveReport, Round, Summary};
pub use rules::{Breach, Rule, contradiction};

/// "a", "a and b", "a, b and c".
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
