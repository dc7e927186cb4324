//! Identifiers: bridges, ports, trees and what they are made of (802.1D-2004 9.2.5, 9.2.7; 802.1D-1998 8.5.3.7, 8.5.5.1).

use core::fmt;

use pnet_base::MacAddr;

/// A port's number on its bridge: 1..=4095 (802.1D-2004 9.2.7), the handle of a port everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortNumber(u16);

impl PortNumber {
    /// The lowest number, 1.
    pub const MIN: Self = Self(1);
    /// The highest number, 4095.
    pub const MAX: Self = Self(4095);

    /// `number` as a port number; `None` outside 1..=4095.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            1..=4095 => Some(Self(number)),
            0 | 4096..=u16::MAX => None,
        }
    }

    /// The number, 1..=4095.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for PortNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The manageable part of a bridge identifier: 0..=61440 in steps of 4096, lower is better, default 32768
/// (802.1D-2004 Table 17-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgePriority(u16);

impl BridgePriority {
    /// The best priority, 0.
    pub const MIN: Self = Self(0);
    /// The worst priority, 61440.
    pub const MAX: Self = Self(0xf000);
    /// The distance between two priorities, 4096.
    pub const STEP: u16 = 0x1000;

    /// `priority` if it is a multiple of 4096; `None` otherwise.
    #[must_use]
    pub const fn new(priority: u16) -> Option<Self> {
        if priority.is_multiple_of(Self::STEP) {
            Some(Self(priority))
        } else {
            None
        }
    }

    /// The priority, 0..=61440.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The priority in the high four bits of an octet, as an MSTI's record has it (802.1Q 14.6.1).
    pub(crate) const fn of_high_bits(octet: u8) -> Self {
        Self(u16::from_be_bytes([octet & 0xf0, 0]))
    }

    pub(crate) const fn high_bits(self) -> u8 {
        self.0.to_be_bytes()[0]
    }
}

impl Default for BridgePriority {
    /// 32768.
    fn default() -> Self {
        Self(0x8000)
    }
}

impl fmt::Display for BridgePriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A bridge identifier (802.1D-2004 9.2.5): four bits of priority, twelve of system identifier extension, an address.
///
/// Compared as one 64-bit number, lower is better. A bridge that counts priorities in steps of one (802.1D-1998) fills
/// the extension bits with priority: any 16-bit value is accepted from the wire and kept whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BridgeId {
    /// Priority and extension; first, because the derived order is the comparison.
    settable: u16,
    address: MacAddr,
}

impl BridgeId {
    /// All bits zero: no bridge.
    pub(crate) const NONE: Self = Self {
        settable: 0,
        address: MacAddr(0, 0, 0, 0, 0, 0),
    };

    /// The identifier of a bridge, with extension 0.
    #[must_use]
    pub const fn new(priority: BridgePriority, address: MacAddr) -> Self {
        Self {
            settable: priority.0,
            address,
        }
    }

    /// The same identifier in another tree: the low twelve bits of `extension` are its system identifier extension,
    /// the MSTID (802.1Q 13.24) or the VLAN of a per-VLAN tree.
    #[must_use]
    pub const fn with_extension(self, extension: u16) -> Self {
        Self {
            settable: self.settable & 0xf000 | extension & 0x0fff,
            address: self.address,
        }
    }

    /// The identifier these eight octets spell; every value is legal.
    #[must_use]
    pub fn from_octets(octets: [u8; 8]) -> Self {
        let [high, low, a, b, c, d, e, f] = octets;
        Self {
            settable: u16::from_be_bytes([high, low]),
            address: MacAddr(a, b, c, d, e, f),
        }
    }

    /// The identifier as it stands in a BPDU.
    #[must_use]
    pub fn octets(self) -> [u8; 8] {
        let [high, low] = self.settable.to_be_bytes();
        let MacAddr(a, b, c, d, e, f) = self.address;
        [high, low, a, b, c, d, e, f]
    }

    /// The four priority bits.
    #[must_use]
    pub const fn priority(self) -> BridgePriority {
        BridgePriority(self.settable & 0xf000)
    }

    /// The twelve bits of system identifier extension: 0..=4095.
    #[must_use]
    pub const fn extension(self) -> u16 {
        self.settable & 0x0fff
    }

    /// Priority and extension as the one 16-bit number that users are shown, e.g. 32769.
    #[must_use]
    pub const fn settable(self) -> u16 {
        self.settable
    }

    /// The bridge address.
    #[must_use]
    pub const fn address(self) -> MacAddr {
        self.address
    }
}

impl fmt::Display for BridgeId {
    /// `32768.52:54:00:00:00:05`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.settable, self.address)
    }
}

/// The manageable part of a port identifier: 0..=240 in steps of 16, lower is better, default 128
/// (802.1D-2004 Table 17-2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortPriority(u8);

impl PortPriority {
    /// The best priority, 0.
    pub const MIN: Self = Self(0);
    /// The worst priority, 240.
    pub const MAX: Self = Self(0xf0);
    /// The distance between two priorities, 16.
    pub const STEP: u8 = 0x10;

    /// `priority` if it is a multiple of 16; `None` otherwise.
    #[must_use]
    pub const fn new(priority: u8) -> Option<Self> {
        if priority.is_multiple_of(Self::STEP) {
            Some(Self(priority))
        } else {
            None
        }
    }

    /// The priority, 0..=240.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// The priority in the high four bits of an octet; the others are ignored (802.1Q 14.6.1).
    pub(crate) const fn of_high_bits(octet: u8) -> Self {
        Self(octet & 0xf0)
    }
}

impl Default for PortPriority {
    /// 128.
    fn default() -> Self {
        Self(0x80)
    }
}

impl fmt::Display for PortPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A port identifier (802.1D-2004 9.2.7): four bits of priority, twelve of number; compared whole, lower is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortId(u16);

impl PortId {
    /// The identifier of a port.
    #[must_use]
    pub const fn new(priority: PortPriority, number: PortNumber) -> Self {
        Self(u16::from_be_bytes([priority.0, 0]) | number.0)
    }

    /// The identifier these two octets spell; every value is legal.
    #[must_use]
    pub const fn from_octets(octets: [u8; 2]) -> Self {
        Self(u16::from_be_bytes(octets))
    }

    /// The identifier as it stands in a BPDU.
    #[must_use]
    pub const fn octets(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }

    /// The four priority bits.
    #[must_use]
    pub const fn priority(self) -> PortPriority {
        let [high, _] = self.0.to_be_bytes();
        PortPriority(high & 0xf0)
    }

    /// The twelve number bits: 0..=4095; another bridge may send 0, which is no [`PortNumber`].
    #[must_use]
    pub const fn number(self) -> u16 {
        self.0 & 0x0fff
    }
}

impl fmt::Display for PortId {
    /// `128.1`, as users know it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.priority(), self.number())
    }
}

/// Names a spanning tree. State is kept per (port, tree).
///
/// 0 is the tree that all have: the only one of STP and RSTP, the common and internal one (CIST) of MSTP. Any other
/// number is a multiple spanning tree instance's (MSTID, 802.1Q 13.8) or, where there is a tree for every VLAN, the
/// VLAN's; which of them, the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreeId(u16);

impl TreeId {
    /// The tree that all VLANs share, or that those share which are in no other (CIST).
    pub const COMMON: Self = Self(0);
    /// The highest number, 4094: of an MSTID as of a VLAN.
    pub const MAX: Self = Self(4094);

    /// Tree `number`: an MSTID (802.1Q 13.8) or, where there is a tree for each VLAN, a VLAN; `None` outside
    /// 1..=4094.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            1..=4094 => Some(Self(number)),
            0 | 4095..=u16::MAX => None,
        }
    }

    /// The number: 0 for the common tree.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_where_the_standard_says() {
        assert_eq!(PortNumber::new(0), None);
        assert_eq!(PortNumber::new(1), Some(PortNumber::MIN));
        assert_eq!(PortNumber::new(4095), Some(PortNumber::MAX));
        assert_eq!(PortNumber::new(4096), None);
        assert_eq!(BridgePriority::new(61440), Some(BridgePriority::MAX));
        assert_eq!(BridgePriority::new(4095), None);
        assert_eq!(PortPriority::new(240), Some(PortPriority::MAX));
        assert_eq!(PortPriority::new(129), None);
    }

    #[test]
    fn identifiers_compare_priority_first() {
        let low = MacAddr::new(0, 0, 0, 0, 0, 1);
        let high = MacAddr::new(0xff, 0, 0, 0, 0, 0);
        let better = BridgeId::new(BridgePriority::MIN, high);
        let worse = BridgeId::new(BridgePriority::default(), low);
        assert!(better < worse);
        assert!(BridgeId::new(BridgePriority::MIN, low) < better);

        let port = |priority, number| {
            PortId::new(
                PortPriority::new(priority).unwrap(),
                PortNumber::new(number).unwrap(),
            )
        };
        assert!(port(0, 4095) < port(16, 1));
        assert!(port(128, 1) < port(128, 2));
    }

    #[test]
    fn identifiers_show_their_parts() {
        let id = BridgeId::from_octets([0x80, 0x01, 0x52, 0x54, 0, 0, 0, 5]);
        assert_eq!(id.to_string(), "32769.52:54:00:00:00:05");
        assert_eq!(
            (id.priority().get(), id.extension(), id.settable()),
            (32768, 1, 32769)
        );
        assert_eq!(id.octets(), [0x80, 0x01, 0x52, 0x54, 0, 0, 0, 5]);
        let port = PortId::from_octets([0x81, 0x02]);
        assert_eq!(port.to_string(), "128.258");
    }
}
