//! The growing domain: how spanning tree behaves as a network gets larger, measured.
//!
//! A *trial* builds a network of a [`Family`] and a size in virtual time, lets it settle, disturbs it and measures what
//! becomes of the tree, the tables and the hosts' frames. A [`Plan`] says which trials there are; they share nothing,
//! so that threads and machines may split them ([`run::run`], [`Shard`]). Records in, report out: [`report::write`] needs
//! nothing but the plan and the [`Record`]s, which makes the joined parts of many machines the same report, octet by
//! octet.
//!
//! ```
//! use labs::study::{Event, Family, Key, Metric, Outcome, Protocol, Timers, trial};
//!
//! // A ring of four, and a link of the root is cut.
//! let key = Key { family: Family::Ring, size: 4, timers: Timers::Default, event: Event::RootLinkLoss, seed: 1 };
//! let record = trial::run(&key, Protocol::Stp, 7);
//! assert_eq!(record.outcome(), Outcome::Settled);
//! assert_eq!(record.get(Metric::Loops), Some(0));
//! ```

pub mod announce;
mod charts;
pub mod cli;
mod csv;
mod depth;
mod families;
mod graph;
mod hosts;
pub mod infinity;
pub mod merge;
mod meter;
mod network;
mod own;
mod plan;
mod plot;
mod protocol;
mod record;
pub mod report;
pub mod run;
mod summary;
pub mod trial;

pub use csv::{CsvError, read_runs, write_runs};
pub use families::Family;
pub use graph::{Damage, Graph};
pub use plan::{Event, Key, Plan, Shard, ShardError, Timers};
pub use plot::PlotError;
pub use protocol::Protocol;
pub use record::{Metric, Outcome, Record, Unit};
pub use summary::{Point, Spread, points};
