//! Port modes and the VLAN table: which ports are members of a VLAN, and in which form frames leave.

use etherparse::VlanId;
use serde::{Deserialize, Serialize};
use stp::PortNumber;

use crate::portset::PortSet;
use crate::vlan_set::{VID_MAX, VlanSet};

/// How a port takes part in VLANs. The first three are what IEEE 802.1Q calls member sets, in the words of
/// the trade; the fourth is a provider's customer port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "mode")]
pub enum PortMode {
    /// One VLAN, untagged; tagged frames are not accepted.
    Access {
        /// The VLAN.
        #[serde(with = "vid")]
        vlan: VlanId,
    },
    /// Many VLANs, tagged, and one native VLAN for untagged frames.
    Trunk {
        /// The VLANs carried; the native one only if it is among them.
        allowed: VlanSet,
        /// The VLAN of untagged and priority-tagged frames.
        #[serde(with = "vid")]
        native: VlanId,
        /// Frames of the native VLAN leave tagged, and untagged frames are not accepted.
        native_tagged: bool,
    },
    /// Any mixture: a VLAN for untagged arrivals, VLANs that leave tagged, VLANs that leave untagged.
    Hybrid {
        /// The VLAN of untagged and priority-tagged frames.
        #[serde(with = "vid")]
        pvid: VlanId,
        /// VLANs that leave tagged.
        tagged: VlanSet,
        /// VLANs that leave untagged; wins where a VLAN is in both.
        untagged: VlanSet,
    },
    /// A customer's port: whatever arrives, tagged or not, is carried in one VLAN with its own tag kept
    /// inside, and leaves another tunnel port as it came.
    Dot1qTunnel {
        /// The VLAN that carries the customer.
        #[serde(with = "vid")]
        vlan: VlanId,
    },
}

/// `VlanId` as a plain number, refused outside 1..=4094.
mod vid {
    use etherparse::VlanId;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(vid: &VlanId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u16(vid.value())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<VlanId, D::Error> {
        let vid = u16::deserialize(from)?;
        super::member_vid(vid)
            .ok_or_else(|| serde::de::Error::custom(format!("VLAN {vid} is not in 1..4094")))
    }
}

/// A VLAN identifier a frame may belong to: 1..=4094.
#[must_use]
pub fn member_vid(vid: u16) -> Option<VlanId> {
    (1..=VID_MAX)
        .contains(&vid)
        .then(|| VlanId::try_new(vid).ok())
        .flatten()
}

/// VLAN 1, the default PVID (802.1Q Table 9-2).
#[must_use]
pub fn default_vid() -> VlanId {
    VlanId::try_new(1).expect("twelve bits")
}

impl Default for PortMode {
    /// Access in VLAN 1.
    fn default() -> Self {
        Self::Access {
            vlan: default_vid(),
        }
    }
}

impl PortMode {
    /// The VLAN of frames that arrive without one.
    #[must_use]
    pub fn pvid(&self) -> VlanId {
        match self {
            Self::Access { vlan } | Self::Dot1qTunnel { vlan } => *vlan,
            Self::Trunk { native, .. } => *native,
            Self::Hybrid { pvid, .. } => *pvid,
        }
    }

    /// VLANs whose frames leave untagged.
    #[must_use]
    pub fn untagged(&self) -> VlanSet {
        match self {
            Self::Access { vlan } | Self::Dot1qTunnel { vlan } => VlanSet::single(*vlan),
            Self::Trunk {
                native_tagged: true,
                ..
            } => VlanSet::EMPTY,
            Self::Trunk {
                allowed, native, ..
            } if allowed.contains(*native) => VlanSet::single(*native),
            Self::Trunk { .. } => VlanSet::EMPTY,
            Self::Hybrid { untagged, .. } => untagged.clone(),
        }
    }

    /// VLANs the port is a member of, in either form.
    #[must_use]
    pub fn members(&self) -> VlanSet {
        match self {
            Self::Access { vlan } | Self::Dot1qTunnel { vlan } => VlanSet::single(*vlan),
            Self::Trunk { allowed, .. } => allowed.clone(),
            Self::Hybrid {
                tagged, untagged, ..
            } => tagged.union(untagged),
        }
    }

    /// What the mode itself accepts, if the port's configuration says nothing.
    #[must_use]
    pub fn acceptable_frames(&self) -> AcceptableFrames {
        match self {
            Self::Access { .. } => AcceptableFrames::Untagged,
            Self::Trunk {
                native_tagged: true,
                ..
            } => AcceptableFrames::Tagged,
            Self::Trunk { .. } | Self::Hybrid { .. } | Self::Dot1qTunnel { .. } => {
                AcceptableFrames::All
            }
        }
    }

    /// Whether a received tag is the customer's own business and stays in the frame.
    #[must_use]
    pub fn is_tunnel(&self) -> bool {
        matches!(self, Self::Dot1qTunnel { .. })
    }
}

/// Acceptable Frame Types (802.1Q 6.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcceptableFrames {
    /// Admit all frames.
    All,
    /// Admit only VLAN-tagged frames; a priority tag (VID 0) is not one.
    Tagged,
    /// Admit only untagged and priority-tagged frames.
    Untagged,
}

/// Which ports are members of each VLAN, and which of those send it untagged. Rebuilt when a port changes;
/// read per frame. A row is 256 octets, and VLANs that no port names share row 0, so that ten thousand
/// simulated switches fit in memory.
#[derive(Clone, Debug)]
pub struct VlanTable {
    row_of: Vec<u16>,
    rows: Vec<VlanRow>,
}

/// One VLAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VlanRow {
    /// Ports that carry it.
    pub members: PortSet,
    /// Those of them that send it untagged.
    pub untagged: PortSet,
}

impl VlanTable {
    /// The table of these ports. Cost: ports × VLANs they name.
    #[must_use]
    pub fn new<'a>(ports: impl Iterator<Item = (PortNumber, &'a PortMode)>) -> Self {
        let mut table = Self {
            row_of: vec![0; usize::from(VID_MAX) + 1],
            rows: vec![VlanRow::default()],
        };
        let ports: Vec<_> = ports
            .map(|(port, mode)| (port, mode.members(), mode.untagged()))
            .collect();
        for (port, members, _) in &ports {
            if members.is_all() {
                table.rows[0].members.insert(*port);
            }
        }
        for (port, members, untagged) in &ports {
            if !members.is_all() {
                for vid in members.iter() {
                    table.row_mut(vid).members.insert(*port);
                }
            }
            for vid in untagged.iter() {
                table.row_mut(vid).untagged.insert(*port);
            }
        }
        table
    }

    fn row_mut(&mut self, vid: VlanId) -> &mut VlanRow {
        let slot = &mut self.row_of[usize::from(vid.value())];
        if *slot == 0 {
            *slot = u16::try_from(self.rows.len()).expect("at most a row per VLAN");
            self.rows.push(self.rows[0]);
        }
        &mut self.rows[usize::from(*slot)]
    }

    /// Who carries `vid`. Cost: two loads.
    #[must_use]
    pub fn row(&self, vid: VlanId) -> &VlanRow {
        let slot = self.row_of.get(usize::from(vid.value())).copied();
        &self.rows[usize::from(slot.unwrap_or(0))]
    }

    /// VLANs that some port names; those carried only because a trunk carries all are left out.
    pub fn named(&self) -> impl Iterator<Item = (VlanId, &VlanRow)> {
        (0_u16..)
            .zip(&self.row_of)
            .filter(|&(_, &slot)| slot != 0)
            .filter_map(|(vid, &slot)| Some((member_vid(vid)?, &self.rows[usize::from(slot)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vid(value: u16) -> VlanId {
        VlanId::try_new(value).unwrap()
    }

    fn port(number: u16) -> PortNumber {
        PortNumber::new(number).unwrap()
    }

    #[test]
    fn a_vlan_nobody_names_is_carried_by_the_trunks_that_carry_all() {
        let trunk = PortMode::Trunk {
            allowed: VlanSet::all(),
            native: vid(1),
            native_tagged: false,
        };
        let access = PortMode::Access { vlan: vid(10) };
        let table = VlanTable::new([(port(1), &trunk), (port(2), &access)].into_iter());
        assert_eq!(table.row(vid(77)).members, PortSet::single(port(1)));
        assert_eq!(
            table.row(vid(10)).members,
            [port(1), port(2)].into_iter().collect()
        );
        assert_eq!(table.row(vid(10)).untagged, PortSet::single(port(2)));
        assert_eq!(table.row(vid(1)).untagged, PortSet::single(port(1)));
        let named: Vec<u16> = table.named().map(|(vid, _)| vid.value()).collect();
        assert_eq!(named, [1, 10]);
    }

    #[test]
    fn a_native_vlan_outside_the_allowed_list_is_no_member() {
        let trunk = PortMode::Trunk {
            allowed: "10,20".parse().unwrap(),
            native: vid(1),
            native_tagged: false,
        };
        assert!(trunk.untagged().is_empty());
        assert_eq!(trunk.members().to_string(), "10,20");
    }

    #[test]
    fn a_mode_survives_json() {
        for mode in [
            PortMode::default(),
            PortMode::Dot1qTunnel { vlan: vid(100) },
            PortMode::Hybrid {
                pvid: vid(5),
                tagged: "10-12".parse().unwrap(),
                untagged: "5,6".parse().unwrap(),
            },
        ] {
            let json = serde_json::to_string(&mode).unwrap();
            assert_eq!(serde_json::from_str::<PortMode>(&json).unwrap(), mode);
        }
        let bad = serde_json::from_str::<PortMode>(r#"{"mode":"access","vlan":4095}"#);
        assert!(bad.unwrap_err().to_string().contains("1..4094"));
    }
}
