//! Port State Transition (802.1D-2004 17.30, Figure 17-24).

use super::{At, Engine};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    Discarding,
    Learning,
    Forwarding,
}

impl State {
    pub(super) fn next(self, engine: &Engine, at: At) -> Option<Self> {
        let port = engine.tp(at);
        match self {
            Self::Discarding if port.learn => Some(Self::Learning),
            Self::Learning if port.forward => Some(Self::Forwarding),
            Self::Learning if !port.learn => Some(Self::Discarding),
            Self::Forwarding if !port.forward => Some(Self::Discarding),
            Self::Discarding | Self::Learning | Self::Forwarding => None,
        }
    }

    /// disableLearning, disableForwarding, enableLearning, enableForwarding (17.21.3 to 17.21.6) are told of when all has
    /// settled, what blocks before what forwards.
    pub(super) fn enter(self, engine: &mut Engine, at: At) {
        let port = engine.tp_mut(at);
        (port.learning, port.forwarding) = match self {
            Self::Discarding => (false, false),
            Self::Learning => (true, false),
            Self::Forwarding => (true, true),
        };
    }
}
