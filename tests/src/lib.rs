//! What the end-to-end tests share: namespaces that go away, switch processes, peers, bounded waits.
//!
//! Every test makes its own namespaces under a name of its own and talks only inside them, so tests run side
//! by side. What a test makes is removed when its values are dropped, also when an assertion fails.

pub mod agree;
pub mod binaries;
pub mod checks;
pub mod crowd;
pub mod events;
pub mod failure;
pub mod frames;
pub mod fuzz;
pub mod interop;
pub mod kernel_bridge;
pub mod net;
pub mod oracle;
pub mod scenario;
pub mod switch_process;
pub mod switchctl;
pub mod trial;
pub mod wait;
