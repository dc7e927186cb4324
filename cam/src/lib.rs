//! The filtering database of a bridge (IEEE 802.1D-1998 clause 7.9), as a value.
#![forbid(unsafe_code)]

mod ageing;
mod config;
mod entry;
mod stats;
mod table;

pub use ageing::{AgeingTime, AgeingTimeError};
pub use config::{Capacity, CapacityError, MacTableConfig};
pub use entry::{Departed, Departure, Entry, Flush, InsertError, Learned, Origin, Rejection};
pub use stats::{Count, Stats};
pub use table::{EXPIRE_BUDGET_MAX, LIST_LIMIT_MAX, MacTable, PORTS_MAX};
