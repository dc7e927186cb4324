//! Counters of a port, and the reasons for which frames are dropped: one variant, one counter.

use serde::{Deserialize, Serialize};

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// Why a frame was not relayed, or not sent.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum DropReason {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl DropReason {
            /// Every reason, in the order counters are shown.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The word in counters and reports.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

drop_reasons! {
    /// Shorter than addresses and EtherType, or cut inside its tag.
    Runt = "runt",
    /// Longer than 9,216 octets and no valid super-frame.
    Oversize = "oversize",
    /// The port's queue was full: the switch did not keep up.
    ReceiveFull = "receive-full",
    /// Its virtio-net header contradicts the frame.
    BadOffload = "bad-offload",
    /// What a stream's peer sent is no frame: a length that no frame has, or an end in the middle of one.
    BadFraming = "bad-framing",
    /// Its source address is a group address or zero (802.1Q 8.8.1 learns individual addresses only).
    SourceInvalid = "source-invalid",
    /// Tagged with the reserved VLAN identifier 4095 (802.1Q Table 9-2).
    VidReserved = "vid-reserved",
    /// Of a type the port does not accept (802.1Q 6.9).
    FrameType = "frame-type",
    /// The port is not in the frame's VLAN (802.1Q 8.6.2).
    IngressFilter = "ingress-filter",
    /// A BPDU of a per-VLAN tree that came in another VLAN than it speaks for, or where there is but one VLAN.
    BpduInconsistent = "bpdu-inconsistent",
    /// Its VLAN has no spanning tree, while every VLAN has one that is to be relayed.
    NoTree = "no-tree",
    /// Spanning tree keeps the receiving port from forwarding (802.1D-1998 8.4).
    PortState = "port-state",
    /// To a reserved address, 01-80-C2-00-00-00 to 0F, that nobody here listens to (802.1Q Table 8-1).
    Reserved = "reserved-address",
    /// A BPDU that cannot be decoded, or must be discarded (802.1D-1998 9.3.4).
    BpduInvalid = "bpdu-invalid",
    /// A BPDU while spanning tree is off, or for a VLAN that has no tree here.
    BpduIgnored = "bpdu-ignored",
    /// Broadcasts above the port's limit: storm control.
    StormBroadcast = "storm-broadcast",
    /// Multicasts above the port's limit: storm control.
    StormMulticast = "storm-multicast",
    /// Frames to unknown addresses above the port's limit: storm control.
    StormUnicast = "storm-unknown-unicast",
    /// Above the rate of what the port takes in.
    ReceiveRate = "receive-rate",
    /// Its destination is on the port it came from.
    SamePort = "same-port",
    /// Its destination is the switch itself, which speaks no protocol of a host.
    OwnAddress = "own-address",
    /// Its destination is on a port that does not carry the VLAN or does not forward.
    EgressFilter = "egress-filter",
    /// Nobody else carries its VLAN now.
    NoEgress = "no-egress",
    /// Above the rate of what the port it was to leave by sends.
    TransmitRate = "transmit-rate",
    /// The port it was to leave by was full: its peer does not keep up.
    TransmitFull = "transmit-full",
    /// The port it was to leave by has no carrier, or is gone.
    TransmitDown = "transmit-down",
    /// The port it was to leave by takes finished frames only, and its headers do not let it be finished.
    TransmitOffload = "transmit-offload",
    /// The kernel refused it on the port it was to leave by.
    TransmitError = "transmit-error",
}

/// How many reasons there are.
pub(crate) const DROP_REASONS: usize = DropReason::ALL.len();

/// What one port counted since it was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounters {
    /// Frames received, dropped ones included.
    pub received_frames: u64,
    /// Octets of them, without preamble and FCS.
    pub received_octets: u64,
    /// Frames handed to the port.
    pub transmitted_frames: u64,
    /// Octets of them.
    pub transmitted_octets: u64,
    drops: [u64; DROP_REASONS],
}

impl PortCounters {
    /// Counts a frame received.
    pub fn received(&mut self, octets: usize) {
        self.received_frames += 1;
        self.received_octets += octets as u64;
    }

    /// Counts a frame handed to the port.
    pub fn transmitted(&mut self, octets: usize) {
        self.transmitted_frames += 1;
        self.transmitted_octets += octets as u64;
    }

    /// Counts frames dropped. Reasons of reception are counted at the port they came from, `Transmit…` at
    /// the port they were to leave by.
    pub fn dropped(&mut self, reason: DropReason, frames: u64) {
        self.drops[reason as usize] += frames;
    }

    /// Frames dropped for `reason`.
    #[must_use]
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Frames dropped for any reason.
    #[must_use]
    pub fn drops_total(&self) -> u64 {
        self.drops.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_and_a_word_of_its_own() {
        let mut counters = PortCounters::default();
        for (&reason, n) in DropReason::ALL.iter().zip(1..) {
            counters.dropped(reason, n);
        }
        for (&reason, n) in DropReason::ALL.iter().zip(1..) {
            assert_eq!(counters.drops(reason), n);
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.name()));
        }
        let words: std::collections::BTreeSet<_> =
            DropReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(words.len(), DropReason::ALL.len());
    }
}
