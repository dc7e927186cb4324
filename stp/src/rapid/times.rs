//! The times that travel with a tree's information (802.1D-2004 17.18, 17.19: messageTimes, portTimes, designatedTimes,
//! rootTimes; 802.1Q 13.23).

use core::time::Duration;

use crate::bpdu::ConfigBpdu;
use crate::times::{BridgeTimes, TimesInForce};

const SECOND: Duration = Duration::from_secs(1);
/// The shortest hello time a neighbour is believed: information that lives for three hello times must live.
const HELLO_TIME_LEAST: Duration = SECOND;

/// An instance of a region has nothing but the hops; its other fields are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Times {
    pub(super) message_age: Duration,
    pub(super) max_age: Duration,
    pub(super) hello_time: Duration,
    pub(super) forward_delay: Duration,
    pub(super) remaining_hops: u8,
}

impl Times {
    /// Of a bridge that is the root.
    pub(super) const fn of_bridge(times: &BridgeTimes, hops: u8) -> Self {
        Self {
            message_age: Duration::ZERO,
            max_age: times.max_age(),
            hello_time: times.hello_time(),
            forward_delay: times.forward_delay(),
            remaining_hops: hops,
        }
    }

    /// Of a BPDU; `hops` is what this bridge would say if the sender says nothing of them.
    pub(super) fn of_bpdu(config: &ConfigBpdu, hops: u8) -> Self {
        Self {
            message_age: config.message_age.duration(),
            max_age: config.max_age.duration(),
            hello_time: config.hello_time.duration().max(HELLO_TIME_LEAST),
            forward_delay: config.forward_delay.duration(),
            remaining_hops: hops,
        }
    }

    /// Of an instance.
    pub(super) const fn of_hops(hops: u8) -> Self {
        Self {
            message_age: Duration::ZERO,
            max_age: Duration::ZERO,
            hello_time: Duration::ZERO,
            forward_delay: Duration::ZERO,
            remaining_hops: hops,
        }
    }

    /// The message age one bridge further: a second more, in whole seconds (802.1D-2004 17.21.23, 17.21.25).
    pub(super) fn age_one_hop_on(&self) -> Duration {
        let nanos = self.message_age.as_nanos() + SECOND.as_nanos() + SECOND.as_nanos() / 2;
        let seconds = nanos / SECOND.as_nanos();
        // At most 256 s come in a BPDU.
        Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX))
    }

    pub(super) const fn in_force(&self) -> TimesInForce {
        TimesInForce {
            max_age: self.max_age,
            hello_time: self.hello_time,
            forward_delay: self.forward_delay,
        }
    }
}
