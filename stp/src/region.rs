//! Multiple spanning tree regions: which VLAN goes by which instance, and how bridges tell that they agree about it
//! (802.1Q 13.8).

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use crate::id::TreeId;

/// The Configuration Digest Signature Key (802.1Q Table 13-1).
const DIGEST_KEY: [u8; 16] = [
    0x13, 0xac, 0x06, 0xa6, 0x2e, 0x47, 0xfd, 0x51, 0xf9, 0x5d, 0x2b, 0xa2, 0x43, 0xcd, 0x03, 0x46,
];
const NAME_LENGTH: usize = 32;
/// Octets of a configuration identifier in a BPDU.
const ID_LENGTH: usize = 1 + NAME_LENGTH + 2 + 16;
/// The digest of a map with all VLANs in the CIST: what every new bridge has.
const DIGEST_OF_NO_INSTANCE: [u8; 16] = [
    0xac, 0x36, 0x17, 0x7f, 0x50, 0x28, 0x3c, 0xd4, 0xb8, 0x38, 0x21, 0xd8, 0xab, 0x26, 0xde, 0x62,
];
/// VLAN identifiers, 0 and 4095 among them, which belong to no instance.
const VIDS: u16 = 4096;

/// A region's name (802.1Q 13.8 b): up to 32 octets, as they stand in a BPDU.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RegionName([u8; NAME_LENGTH]);

impl RegionName {
    /// `name`, filled up with zeros; `None` if it is longer than 32 octets.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let mut octets = [0; NAME_LENGTH];
        octets
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(Self(octets))
    }

    fn text(&self) -> &[u8] {
        let end = self.0.iter().rposition(|&octet| octet != 0);
        &self.0[..end.map_or(0, |last| last + 1)]
    }
}

impl fmt::Display for RegionName {
    /// Without the zeros it is filled up with; octets that are no printable ASCII, which a stranger may send, as `\x07`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text().escape_ascii())
    }
}

impl fmt::Debug for RegionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// What two bridges compare to know whether they are in one region (802.1Q 13.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConfigurationId {
    /// How the rest is to be read: 0.
    pub format: u8,
    /// The region's name.
    pub name: RegionName,
    /// The configuration's revision.
    pub revision: u16,
    /// The digest of the VLAN map.
    pub digest: [u8; 16],
}

impl ConfigurationId {
    pub(crate) fn from_octets(octets: &[u8; ID_LENGTH]) -> Self {
        let mut id = Self {
            format: octets[0],
            name: RegionName::default(),
            revision: u16::from_be_bytes([octets[33], octets[34]]),
            digest: [0; 16],
        };
        id.name.0.copy_from_slice(&octets[1..33]);
        id.digest.copy_from_slice(&octets[35..]);
        id
    }

    pub(crate) fn octets(&self) -> [u8; ID_LENGTH] {
        let mut octets = [0; ID_LENGTH];
        octets[0] = self.format;
        octets[1..33].copy_from_slice(&self.name.0);
        octets[33..35].copy_from_slice(&self.revision.to_be_bytes());
        octets[35..].copy_from_slice(&self.digest);
        octets
    }
}

/// Which instance every VLAN goes by: the MST Configuration Table (802.1Q 13.8 d).
///
/// Holds the VLANs that are not in the CIST.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct VlanMap(BTreeMap<u16, TreeId>);

impl VlanMap {
    /// All VLANs in the CIST.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Moves a VLAN to an instance. Numbers outside 1..=4094 are no VLAN and stay where they are.
    pub fn set(&mut self, vid: u16, instance: TreeId) {
        if instance == TreeId::COMMON {
            self.0.remove(&vid);
        } else if matches!(vid, 1..=4094) {
            self.0.insert(vid, instance);
        }
    }

    /// The instance of a VLAN; the CIST for what is none.
    #[must_use]
    pub fn get(&self, vid: u16) -> TreeId {
        self.0.get(&vid).copied().unwrap_or_default()
    }

    /// The VLANs that are not in the CIST, ascending, with their instances.
    pub fn iter(&self) -> impl Iterator<Item = (u16, TreeId)> + '_ {
        self.0.iter().map(|(&vid, &instance)| (vid, instance))
    }

    /// The instances some VLAN goes by, ascending, without the CIST.
    #[must_use]
    pub fn instances(&self) -> BTreeSet<TreeId> {
        self.0.values().copied().collect()
    }

    /// The configuration digest: HMAC-MD5 over the table (802.1Q 13.8 d).
    #[must_use]
    pub fn digest(&self) -> [u8; 16] {
        if self.0.is_empty() {
            return DIGEST_OF_NO_INSTANCE;
        }
        self.signature()
    }

    fn signature(&self) -> [u8; 16] {
        let mut mac = Hmac::<Md5>::new_from_slice(&DIGEST_KEY).expect("any length is a key");
        // 4096 numbers of two octets; 0 and 4095, which are no VLANs, are in instance 0.
        for vid in 0..VIDS {
            mac.update(&self.get(vid).get().to_be_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for VlanMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// A region as one of its bridges is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Region {
    /// Its name. Default: empty.
    pub name: RegionName,
    /// Its revision. Default: 0.
    pub revision: u16,
    /// Its VLANs. Default: all in the CIST.
    pub vlans: VlanMap,
}

impl Region {
    /// What the bridge says of it in BPDUs.
    #[must_use]
    pub fn id(&self) -> ConfigurationId {
        ConfigurationId {
            format: 0,
            name: self.name,
            revision: self.revision,
            digest: self.vlans.digest(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digest: [u8; 16]) -> String {
        digest.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    /// Values that other implementations compute, too.
    #[test]
    fn digests_known_from_elsewhere() {
        let mut map = VlanMap::new();
        assert_eq!(hex(map.digest()), "ac36177f50283cd4b83821d8ab26de62");
        assert_eq!(map.digest(), map.signature());
        map.set(10, TreeId::new(1).unwrap());
        map.set(20, TreeId::new(2).unwrap());
        assert_eq!(hex(map.digest()), "9357ebb7a8d74dd5fef4f2bab50531aa");
    }

    #[test]
    fn what_is_no_vlan_is_in_no_instance() {
        let mut map = VlanMap::new();
        for vid in [0, 4095, 4096, u16::MAX] {
            map.set(vid, TreeId::MAX);
            assert_eq!(map.get(vid), TreeId::COMMON);
        }
        assert_eq!(map, VlanMap::new());
        assert_eq!(map.iter().count(), 0);
    }

    #[test]
    fn names_are_shown_without_padding_and_without_control_characters() {
        assert_eq!(RegionName::new("east").unwrap().to_string(), "east");
        assert_eq!(RegionName::new(&"x".repeat(33)), None);
        assert!(RegionName::new(&"x".repeat(32)).is_some());
        let odd = RegionName::new("a\u{7}b").unwrap();
        assert_eq!(odd.to_string(), r"a\x07b");
        assert_eq!(RegionName::default().to_string(), "");
    }

    #[test]
    fn an_identifier_survives_its_octets() {
        let region = Region {
            name: RegionName::new("east").unwrap(),
            revision: 0x1234,
            vlans: VlanMap::new(),
        };
        let octets = region.id().octets();
        assert_eq!(octets[0], 0);
        assert_eq!(&octets[1..6], b"east\0");
        assert_eq!(octets[33..35], [0x12, 0x34]);
        assert_eq!(ConfigurationId::from_octets(&octets), region.id());
    }
}
