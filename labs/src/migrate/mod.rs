//! Pre-copy migration as two values: the source's side and the target's, bytes between them.
//!
//! ```text
//!   source                                   target
//!   Hello {pages}  ------------------------> memory is allocated
//!                  <------------------------ Accept
//!   Pages, Pages, … RoundEnd {1}  ---------> installed, read back, hashed
//!                  <------------------------ RoundDone {1}      the rate is measured here
//!   … until the rest fits the downtime target, or the rounds are used up …
//!   stop: the guest is no longer polled
//!   Pages (the rest), State  --------------> digest compared, machine thawed
//!                  <------------------------ Ready {digest}
//!   Go  -----------------------------------> the machine runs and announces itself
//!                  <------------------------ Resumed {when}
//! ```
//!
//! Until `Go` has left, any failure ends with the guest going on at the source. A target without
//! `Go` never runs its copy. Between `Go` and `Resumed` the source cannot know ([`Outcome::Doubt`]):
//! its silent card listens for the target's announcement in the guest's own VLAN, which settles
//! it (`guest::shell`); hearing none for [`DOUBT_MAX`], the source goes on. If both networks fail in
//! that one moment, two copies run; a third party could tell, these two cannot.
//!
//! Both halves own no socket and no clock.

mod happening;
pub mod protocol;
mod source;
mod target;

use core::time::Duration;

pub use happening::{Happening, Limits, Outcome};
pub use source::Source;
pub use target::{Target, TargetError};

/// How long the source listens for the target's announcement when it is in doubt. The target
/// announces itself at once and 50 and 200 ms later.
pub const DOUBT_MAX: Duration = Duration::from_millis(600);
