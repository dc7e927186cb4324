//! The protocols a study is of, and what each promises.

use core::time::Duration;

use serde::{Deserialize, Serialize};
use switchd::TreeProtocol;

/// The protocol under study.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The spanning tree protocol of IEEE 802.1D-1998.
    #[default]
    Stp,
    /// The rapid spanning tree protocol of IEEE 802.1D-2004.
    Rstp,
    /// Multiple spanning trees, IEEE 802.1Q; all switches in one region.
    Mstp,
    /// A classic tree for every VLAN, in the trade's framing.
    Pvst,
    /// A rapid tree for every VLAN, in the trade's framing.
    RapidPvst,
}

/// Until when a tree stands again at default times, by what the switches can see of the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    /// The failure shows, and whoever sees it has another way.
    pub(super) direct: Duration,
    /// It does not.
    pub(super) indirect: Duration,
    /// What the two are made of.
    pub(super) labels: [&'static str; 2],
}

impl Protocol {
    /// The word on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.tree_protocol().name()
    }

    /// What the switches are set to.
    #[must_use]
    pub const fn tree_protocol(self) -> TreeProtocol {
        match self {
            Self::Stp => TreeProtocol::Stp,
            Self::Rstp => TreeProtocol::Rstp,
            Self::Mstp => TreeProtocol::Mstp,
            Self::Pvst => TreeProtocol::Pvst,
            Self::RapidPvst => TreeProtocol::RapidPvst,
        }
    }

    /// What a report calls it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Stp => "the spanning tree protocol of IEEE 802.1D-1998",
            Self::Rstp => "the rapid spanning tree protocol of IEEE 802.1D-2004",
            Self::Mstp => "the multiple spanning tree protocol of IEEE 802.1Q",
            Self::Pvst => "a classic spanning tree for every VLAN (PVST+)",
            Self::RapidPvst => "a rapid spanning tree for every VLAN (Rapid PVST+)",
        }
    }

    /// Whether neighbours agree to forward, instead of waiting until nobody can object any more.
    #[must_use]
    pub const fn is_rapid(self) -> bool {
        match self {
            Self::Stp | Self::Pvst => false,
            Self::Rstp | Self::Mstp | Self::RapidPvst => true,
        }
    }

    /// How far a study grows unless told otherwise, so that it ends in minutes.
    #[must_use]
    pub const fn size_max(self) -> u32 {
        match self {
            Self::Stp => 1000,
            Self::Rstp | Self::Mstp | Self::Pvst | Self::RapidPvst => 300,
        }
    }

    /// The promises at default times.
    pub(super) const fn promise(self) -> Promise {
        let seconds = Duration::from_secs;
        if self.is_rapid() {
            Promise {
                direct: seconds(1),
                // What was heard lives three hello times (rcvdInfoWhile, 802.1D-2004 17.21.23). The port becomes designated
                // and proposes, which starts edgeDelayWhile (DESIGNATED_PROPOSE); the edge delay is MigrateTime, 3 s (17.20).
                // Nobody answers: it learns after a forwardDelay of a hello time (17.20), and before the second one has
                // passed it is taken for an edge (17.25) and forwards. That is the last change, though none anybody needs.
                indirect: seconds(9),
                labels: ["a second", "3 × hello time + edge delay = 9 s"],
            }
        } else {
            Promise {
                direct: seconds(30),
                indirect: seconds(50),
                labels: ["2 × forward delay = 30 s", "+ max age = 50 s"],
            }
        }
    }
}
