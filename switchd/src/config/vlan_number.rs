//! A VLAN as management names it.

use core::fmt;
use core::str::FromStr;

use etherparse::VlanId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// The lowest VLAN a port can be in (802.1Q 9.6: VID 0 means "no VLAN", only a priority).
const VLAN_MIN: u16 = 1;
/// The highest VLAN a port can be in (802.1Q 9.6: VID 4095 is reserved).
const VLAN_MAX: u16 = 4094;

/// A VLAN a frame can belong to, 1..=4094; a bare number in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct VlanNumber(u16);

impl VlanNumber {
    /// VLAN 1, where every port is until told otherwise.
    pub const DEFAULT: Self = Self(1);

    /// `None` outside 1..=4094.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            VLAN_MIN..=VLAN_MAX => Some(Self(number)),
            _ => None,
        }
    }

    /// The number, 1..=4094.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The VLAN of this identifier; `None` for 0 and 4095.
    #[must_use]
    pub const fn from_id(id: VlanId) -> Option<Self> {
        Self::new(id.value())
    }

    /// The same VLAN in the words of the data path.
    #[must_use]
    pub fn id(self) -> VlanId {
        VlanId::try_new(self.0).expect("4094 fits in the 12 bits of a VID")
    }
}

impl fmt::Display for VlanNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for VlanNumber {
    type Err = VlanNumberError;

    fn from_str(text: &str) -> Result<Self, VlanNumberError> {
        text.trim()
            .parse()
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| VlanNumberError(text.trim().to_owned()))
    }
}

impl<'de> Deserialize<'de> for VlanNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        u16::try_from(number)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| D::Error::custom(VlanNumberError(number.to_string())))
    }
}

/// Not a number in 1..=4094.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a VLAN (1..4094)")]
pub struct VlanNumberError(pub String);
