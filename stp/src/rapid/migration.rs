//! Port Protocol Migration (802.1D-2004 17.24, Figure 17-15). rstpVersion is true: a bridge told to speak the classic
//! protocol speaks it throughout.

use super::{Engine, MIGRATE_TIME};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    CheckingRstp,
    SelectingStp,
    Sensing,
}

impl State {
    pub(super) fn next(self, engine: &Engine, index: usize) -> Option<Self> {
        let port = &engine.ports[index];
        let waited = port.mdelay_while.is_zero();
        match self {
            Self::CheckingRstp if waited => Some(Self::Sensing),
            Self::CheckingRstp if !port.enabled && port.mdelay_while.due().is_some() => {
                Some(Self::CheckingRstp)
            }
            Self::SelectingStp if waited || !port.enabled || port.mcheck => Some(Self::Sensing),
            Self::Sensing if !port.enabled || port.mcheck => Some(Self::CheckingRstp),
            Self::Sensing if !port.send_rstp && port.rcvd_rstp => Some(Self::CheckingRstp),
            Self::Sensing if port.send_rstp && port.rcvd_stp => Some(Self::SelectingStp),
            Self::CheckingRstp | Self::SelectingStp | Self::Sensing => None,
        }
    }

    pub(super) fn enter(self, engine: &mut Engine, index: usize) {
        let now = engine.now;
        let port = &mut engine.ports[index];
        match self {
            Self::CheckingRstp => {
                port.mcheck = false;
                port.send_rstp = true;
                if port.enabled {
                    port.mdelay_while.start(now, MIGRATE_TIME);
                } else {
                    port.mdelay_while.hold(MIGRATE_TIME);
                }
            }
            Self::SelectingStp => {
                port.send_rstp = false;
                port.mdelay_while.start(now, MIGRATE_TIME);
            }
            Self::Sensing => {
                port.rcvd_rstp = false;
                port.rcvd_stp = false;
            }
        }
    }
}
