//! What the table holds, and what it says of each change.

use core::time::Duration;

use etherparse::VlanId;
use pnet_base::MacAddr;

/// One entry: a station's address in a VLAN, and the port it is reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<P> {
    /// The VLAN the address is known in.
    pub vlan: VlanId,
    /// The station's address.
    pub address: MacAddr,
    /// The port the station is reached by; of a local entry, the port the address belongs to.
    pub port: P,
    /// Where the entry comes from, which decides how it ends.
    pub origin: Origin,
}

/// Where an entry comes from (802.1D-1998 clauses 7.9.1 and 7.9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Learned from a frame; ages.
    Dynamic {
        /// When a frame last showed the station on this port.
        seen: Duration,
        /// When the entry expires unless refreshed, by the ageing time in force now.
        expires: Duration,
    },
    /// Set by management; never ages, never moves.
    Static,
    /// An address of the bridge itself; frames to it are for the bridge and never relayed.
    Local,
}

/// What a frame's source address did to the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned<P> {
    /// The address was not known in this VLAN (or its entry had expired, or was flushed).
    New {
        /// The entry that had to leave: the address's own expired entry, or whoever made room in a full table.
        displaced: Option<Departed<P>>,
    },
    /// Known on this port already: a dynamic entry starts its ageing time afresh, a static one stays as it is.
    Refreshed,
    /// Known on another port until now; the station has moved.
    Moved {
        /// The port that reached it before.
        from: P,
    },
    /// Nothing was learned.
    Rejected(Rejection),
}

/// Why a source address was not learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection {
    /// A group address (broadcast included) names no station (802.1D-1998 clause 7.8 b).
    Group,
    /// The address 00-00-00-00-00-00 names no station.
    Zero,
    /// A static entry binds the address to another port.
    Static,
    /// The address is the bridge's own: a forgery, or our own frame come back.
    Local,
    /// Every entry is static or local (or [`PORTS_MAX`](crate::PORTS_MAX) ports have entries): nobody can make room.
    Full,
}

/// An entry that is no longer held, told exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departed<P> {
    /// The VLAN the address was known in.
    pub vlan: VlanId,
    /// The address.
    pub address: MacAddr,
    /// The port it was reached by.
    pub port: P,
    /// Why the entry left.
    pub cause: Departure,
}

/// Why an entry left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Departure {
    /// No frame showed the station for the ageing time.
    Expired,
    /// The table was full, and its port held more dynamic entries than any other.
    Evicted,
    /// Management set another entry for the same address and VLAN.
    Replaced,
}

/// Why management's entry was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// A group address needs a set of ports; this table gives an address one port.
    #[error("a group address cannot have an entry")]
    Group,
    /// The address 00-00-00-00-00-00 names no station.
    #[error("the address 00:00:00:00:00:00 cannot have an entry")]
    Zero,
    /// The address is the bridge's own.
    #[error("the address belongs to the switch itself")]
    Local,
    /// Every entry is static or local (or [`PORTS_MAX`](crate::PORTS_MAX) ports have entries): nobody can make room.
    #[error("the table is full of static and local entries")]
    Full,
}

/// Which dynamic entries to flush: those that match every field given; all of them if none is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flush<P> {
    /// Only entries of this port.
    pub port: Option<P>,
    /// Only entries in this VLAN.
    pub vlan: Option<VlanId>,
    /// Only entries of this address.
    pub address: Option<MacAddr>,
}

impl<P> Flush<P> {
    /// All dynamic entries.
    pub const ALL: Self = Self {
        port: None,
        vlan: None,
        address: None,
    };

    /// The dynamic entries of one port.
    #[must_use]
    pub const fn port(port: P) -> Self {
        Self {
            port: Some(port),
            vlan: None,
            address: None,
        }
    }

    /// The dynamic entries in one VLAN.
    #[must_use]
    pub const fn vlan(vlan: VlanId) -> Self {
        Self {
            port: None,
            vlan: Some(vlan),
            address: None,
        }
    }

    /// The dynamic entries of one port in one VLAN: what a tree that serves some VLANs asks for, VLAN by VLAN.
    #[must_use]
    pub const fn port_vlan(port: P, vlan: VlanId) -> Self {
        Self {
            port: Some(port),
            vlan: Some(vlan),
            address: None,
        }
    }

    /// The dynamic entries of one address, in every VLAN.
    #[must_use]
    pub const fn address(address: MacAddr) -> Self {
        Self {
            port: None,
            vlan: None,
            address: Some(address),
        }
    }
}

impl<P> Default for Flush<P> {
    /// [`Flush::ALL`].
    fn default() -> Self {
        Self::ALL
    }
}
