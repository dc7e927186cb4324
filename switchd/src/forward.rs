//! The Forwarding Process (802.1Q clause 8.6): one frame in, one verdict out.
//!
//! The steps stand in the order of the clause: active topology (8.6.1), ingress (8.6.2), learning (8.7), frame
//! filtering (8.6.3) and egress (8.6.4). Nothing here allocates, waits or reads a clock.

use std::convert::Infallible;
use std::time::Duration;

use cam::{Learned, MacTable, Origin};
use etherparse::VlanId;
use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};
use stp::{PortNumber, PortState, TreeId};

use crate::counters::DropReason;
use crate::frame::Header;
use crate::portset::{FloodPorts, PortSet};
use crate::tag::Tci;
use crate::trees::TreeMap;
use crate::vlan::{AcceptableFrames, PortMode, VlanRow, VlanTable};

/// What is done with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is relayed.
    Relay {
        /// Its VLAN and priority, for the ports that send it tagged.
        tag: Tci,
        /// Whether the tag it came with is taken off (and, where tagged, replaced).
        strip: bool,
        /// Where it leaves.
        egress: Egress,
    },
    /// It went to a reserved address: for this switch, never relayed.
    Deliver(ReservedAddress),
    /// It went to the shared spanning tree address, and this switch has a tree for every VLAN.
    DeliverShared {
        /// The VLAN it came in.
        vlan: VlanId,
    },
    /// It goes nowhere.
    Drop(DropReason),
}

/// By which ports a frame leaves, in which form. The ports of a flood are not listed: a set of them is 128 octets, and
/// a verdict is copied several times on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// One port, known from the CAM.
    Port {
        /// The port.
        port: PortNumber,
        /// Whether it sends the frame tagged.
        tagged: bool,
    },
    /// All other ports that carry the VLAN and forward; at least one.
    Flood(Flood),
}

/// How the process ends before egress.
#[derive(Clone, Copy)]
enum End<U> {
    Deliver(ReservedAddress),
    DeliverShared(VlanId),
    Drop(DropReason),
    Unsure(U),
}

/// Where stations are, as the process asks: the CAM, or what a forwarding thread sees of it.
pub(crate) trait Stations {
    /// Why it cannot say.
    type Unsure;

    /// See [`MacTable::learn`].
    fn learn(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: PortNumber,
    ) -> Result<Learned<PortNumber>, Self::Unsure>;

    /// Where a station is, if that is known.
    fn find(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
    ) -> Result<Option<Known>, Self::Unsure>;
}

/// Where a station is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) port: PortNumber,
    /// Whether it is the switch itself.
    pub(crate) is_local: bool,
}

impl Stations for MacTable<PortNumber> {
    /// The CAM always can.
    type Unsure = Infallible;

    #[inline]
    fn learn(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
        port: PortNumber,
    ) -> Result<Learned<PortNumber>, Infallible> {
        Ok(Self::learn(self, now, vlan, address, port))
    }

    /// Not a call: the answer is taken apart at once, and to build it costs every frame 14 instructions.
    #[inline(always)]
    fn find(
        &mut self,
        now: Duration,
        vlan: VlanId,
        address: MacAddr,
    ) -> Result<Option<Known>, Infallible> {
        let known = self.entry(now, vlan, address).map(|entry| Known {
            port: entry.port,
            is_local: entry.origin == Origin::Local,
        });
        Ok(known)
    }
}

/// A verdict, and what the frame taught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is done with the frame.
    pub verdict: Verdict,
    /// What its source address did to the CAM, if it got that far.
    pub learned: Option<Lesson>,
}

/// Why a frame is relayed to every port of its VLAN: the kinds that storm control tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flood {
    /// It is for all stations.
    Broadcast,
    /// It is for a group.
    Multicast,
    /// Nobody knows where its station is.
    UnknownUnicast,
}

/// What a source address did to the CAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// The frame's VLAN.
    pub vlan: VlanId,
    /// Its source address.
    pub address: MacAddr,
    /// The outcome.
    pub learned: Learned<PortNumber>,
}

impl Flood {
    fn of(destination: MacAddr) -> Self {
        if destination.is_broadcast() {
            Self::Broadcast
        } else if destination.is_multicast() {
            Self::Multicast
        } else {
            Self::UnknownUnicast
        }
    }
}

/// The last octet's low nibble of 01-80-C2-00-00-0X (802.1Q Table 8-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReservedAddress(u8);

impl ReservedAddress {
    /// The Bridge Group Address, 01-80-C2-00-00-00: where BPDUs go.
    pub const BRIDGE_GROUP: Self = Self(0);

    /// `Some` for the sixteen addresses a bridge never relays.
    #[must_use]
    pub fn of(address: MacAddr) -> Option<Self> {
        match address.octets() {
            [0x01, 0x80, 0xc2, 0x00, 0x00, last @ 0x00..=0x0f] => Some(Self(last)),
            _ => None,
        }
    }
}

/// What the Forwarding Process knows of a port, derived from its settings when they change.
#[derive(Clone, Copy, Debug)]
struct Ingress {
    pvid: VlanId,
    acceptable: AcceptableFrames,
    filtering: bool,
    tunnel: bool,
}

/// Ports that learn and ports that forward, on one tree.
#[derive(Clone, Copy, Debug, Default)]
struct ActiveTopology {
    learning: PortSet,
    forwarding: PortSet,
}

/// The Forwarding Process: VLAN membership, port states per tree, and how each port receives.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    ingress: Vec<Option<Ingress>>,
    /// The highest port number in use, or 1.
    last: PortNumber,
    vlans: VlanTable,
    trees: TreeMap,
    /// In the order of the map's slots.
    topologies: Vec<ActiveTopology>,
    /// Whether frames to the shared spanning tree address are for this switch.
    shared_is_ours: bool,
    /// Counts changes, so that whoever keeps a copy knows when it is old.
    revision: u64,
}

impl Forwarding {
    pub(crate) fn new() -> Self {
        Self {
            ingress: Vec::new(),
            last: PortNumber::MIN,
            vlans: VlanTable::new(std::iter::empty()),
            trees: TreeMap::common(),
            topologies: vec![ActiveTopology::default()],
            shared_is_ours: false,
            revision: 0,
        }
    }

    /// How often anything has changed that a frame's way depends on.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Something has changed that a frame's way depends on.
    pub(crate) fn touch(&mut self) {
        self.revision += 1;
    }

    /// Takes over which VLAN goes by which tree. Ports keep their states in trees that stay, and forward in new ones
    /// once they are told to.
    pub(crate) fn set_trees(&mut self, trees: TreeMap, shared_is_ours: bool) {
        self.touch();
        let kept = |tree: &Option<TreeId>| {
            let slot = self.trees.slot_of((*tree)?)?;
            self.topologies.get(slot).copied()
        };
        let topologies = trees.slots().iter().map(kept);
        self.topologies = topologies.map(Option::unwrap_or_default).collect();
        self.trees = trees;
        self.shared_is_ours = shared_is_ours;
    }

    pub(crate) fn trees(&self) -> &TreeMap {
        &self.trees
    }

    /// Takes over the ports' settings. Port states stay.
    pub(crate) fn set_ports<'a>(
        &mut self,
        ports: impl Iterator<Item = (PortNumber, &'a PortMode, AcceptableFrames, bool)> + Clone,
    ) {
        self.touch();
        self.vlans = VlanTable::new(ports.clone().map(|(port, mode, _, _)| (port, mode)));
        self.ingress.clear();
        self.last = PortNumber::MIN;
        for (port, mode, acceptable, filtering) in ports {
            self.last = self.last.max(port);
            let index = usize::from(port.get());
            if self.ingress.len() <= index {
                self.ingress.resize(index + 1, None);
            }
            self.ingress[index] = Some(Ingress {
                pvid: mode.pvid(),
                acceptable,
                filtering,
                tunnel: mode.is_tunnel(),
            });
        }
    }

    pub(crate) fn vlans(&self) -> &VlanTable {
        &self.vlans
    }

    fn topology(&self, vlan: VlanId) -> &ActiveTopology {
        &self.topologies[self.trees.slot_of_vlan(vlan)]
    }

    pub(crate) fn set_state(&mut self, tree: TreeId, port: PortNumber, state: PortState) {
        if let Some(slot) = self.trees.slot_of(tree) {
            let topology = &mut self.topologies[slot];
            topology.learning.set(port, state.learns());
            topology.forwarding.set(port, state.forwards());
            self.touch();
        }
    }

    /// Decides one frame that arrived by `port`, and learns from it. Cost: one or two CAM operations and a
    /// few set operations, whatever the number of ports and VLANs.
    pub(crate) fn decide(
        &self,
        cam: &mut MacTable<PortNumber>,
        now: Duration,
        port: PortNumber,
        frame: &[u8],
    ) -> Decision {
        match self.judge(cam, now, port, frame) {
            Ok(decision) => decision,
            Err(never) => match never {},
        }
    }

    /// The same of whoever knows where stations are, or does not.
    #[inline]
    pub(crate) fn judge<S: Stations>(
        &self,
        stations: &mut S,
        now: Duration,
        port: PortNumber,
        frame: &[u8],
    ) -> Result<Decision, S::Unsure> {
        let mut learned = None;
        let verdict = match self.relay(stations, now, port, frame, &mut learned) {
            Ok(verdict) => verdict,
            Err(End::Deliver(address)) => Verdict::Deliver(address),
            Err(End::DeliverShared(vlan)) => Verdict::DeliverShared { vlan },
            Err(End::Drop(reason)) => Verdict::Drop(reason),
            Err(End::Unsure(why)) => return Err(why),
        };
        Ok(Decision { verdict, learned })
    }

    fn relay<S: Stations>(
        &self,
        stations: &mut S,
        now: Duration,
        port: PortNumber,
        frame: &[u8],
        lesson: &mut Option<Lesson>,
    ) -> Result<Verdict, End<S::Unsure>> {
        let drop = |reason| Err(End::Drop(reason));
        let Some(header) = Header::parse(frame) else {
            return drop(DropReason::Runt);
        };
        if header.source.is_multicast() || header.source.is_zero() {
            return drop(DropReason::SourceInvalid);
        }
        if let Some(reserved) = ReservedAddress::of(header.destination) {
            return Err(End::Deliver(reserved));
        }
        let Some(&Some(ingress)) = self.ingress.get(usize::from(port.get())) else {
            return drop(DropReason::PortState);
        };
        let (tag, strip) = ingress.classify(&header).map_err(End::Drop)?;
        let row = self.vlans.row(tag.vid);
        if ingress.filtering && !row.members.contains(port) {
            return drop(DropReason::IngressFilter);
        }
        if self.shared_is_ours && header.destination == stp::llc::SHARED_SPANNING_TREE_ADDRESS {
            return Err(End::DeliverShared(tag.vid));
        }
        if self.trees.tree_of(tag.vid).is_none() {
            return drop(DropReason::NoTree);
        }
        let topology = self.topology(tag.vid);
        if !topology.learning.contains(port) {
            return drop(DropReason::PortState);
        }
        *lesson = Some(Lesson {
            vlan: tag.vid,
            address: header.source,
            learned: stations
                .learn(now, tag.vid, header.source, port)
                .map_err(End::Unsure)?,
        });
        if !topology.forwarding.contains(port) {
            return drop(DropReason::PortState);
        }
        let known = if header.destination.is_multicast() {
            None
        } else {
            stations
                .find(now, tag.vid, header.destination)
                .map_err(End::Unsure)?
        };
        let egress = match known {
            Some(known) => known_egress(known, port, row, &topology.forwarding),
            None if self.flood(tag.vid, port).next().is_none() => Err(DropReason::NoEgress),
            None => Ok(Egress::Flood(Flood::of(header.destination))),
        };
        let egress = egress.map_err(End::Drop)?;
        Ok(Verdict::Relay { tag, strip, egress })
    }

    /// The ports of [`Egress::Flood`] for a frame that came by `ingress`, each with whether it sends tagged; those that
    /// do come first.
    pub(crate) fn flood(&self, vlan: VlanId, ingress: PortNumber) -> FloodPorts<'_> {
        let row = self.vlans.row(vlan);
        let forwarding = &self.topology(vlan).forwarding;
        FloodPorts::new(&row.members, &row.untagged, forwarding, ingress, self.last)
    }
}

impl Ingress {
    /// VID classification and acceptable frame types (802.1Q 6.9). Says the frame's VLAN and priority, and
    /// whether the tag it came with is its VLAN tag.
    fn classify(&self, header: &Header) -> Result<(Tci, bool), DropReason> {
        if self.tunnel {
            // The customer's tag stays inside; its priority is copied to the outside.
            let inner = header.tag.unwrap_or(Tci::of(self.pvid));
            return Ok((inner.with_vid(self.pvid), false));
        }
        let tagged = header.tag.filter(|tag| tag.vid != VlanId::ZERO);
        let admitted = match self.acceptable {
            AcceptableFrames::All => true,
            AcceptableFrames::Tagged => tagged.is_some(),
            AcceptableFrames::Untagged => tagged.is_none(),
        };
        if tagged.is_some_and(|tag| tag.vid.value() == VlanId::MAX_U16) {
            return Err(DropReason::VidReserved);
        }
        if !admitted {
            return Err(DropReason::FrameType);
        }
        Ok(match (tagged, header.tag) {
            (Some(tag), _) => (tag, true),
            (None, Some(priority)) => (priority.with_vid(self.pvid), true),
            (None, None) => (Tci::of(self.pvid), false),
        })
    }
}

/// Where a frame for a known station leaves, if its port is a member of the VLAN and forwards.
fn known_egress(
    known: Known,
    ingress: PortNumber,
    row: &VlanRow,
    forwarding: &PortSet,
) -> Result<Egress, DropReason> {
    let port = known.port;
    if known.is_local {
        Err(DropReason::OwnAddress)
    } else if port == ingress {
        Err(DropReason::SamePort)
    } else if row.members.contains(port) && forwarding.contains(port) {
        let tagged = !row.untagged.contains(port);
        Ok(Egress::Port { port, tagged })
    } else {
        Err(DropReason::EgressFilter)
    }
}

#[cfg(test)]
mod tests;
