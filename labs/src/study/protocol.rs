//! The protocols a study is of.

use serde::{Deserialize, Serialize};
use switchd::TreeProtocol;

/// The protocol under study.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The spanning tree protocol of IEEE 802.1D-1998.
    #[default]
    Stp,
}

impl Protocol {
    /// What the switches are set to.
    #[must_use]
    pub const fn tree_protocol(self) -> TreeProtocol {
        match self {
            Self::Stp => TreeProtocol::Stp,
        }
    }
}
