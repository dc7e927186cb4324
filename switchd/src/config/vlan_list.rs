//! VLAN numbers as people write them: `10`, `10,20-29`, `all`.

use core::fmt;
use core::str::FromStr;

use etherparse::VlanId;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    type Err = VlanListError;

    fn from_str(text: &str) -> Result<Self, VlanListError> {
        text.trim()
            .parse()
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| VlanListError::Number(text.trim().to_owned()))
    }
}

impl<'de> Deserialize<'de> for VlanNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u64::deserialize(deserializer)?;
        u16::try_from(number)
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| D::Error::custom(VlanListError::Number(number.to_string())))
    }
}

/// A set of VLANs: sorted ranges that neither touch nor overlap. Written `10,20-29`, `all` or `none`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct VlanList(Vec<(u16, u16)>);

/// Why a VLAN or a list of them is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VlanListError {
    /// Not a number in 1..=4094.
    #[error("'{0}' is not a VLAN (1..4094)")]
    Number(String),
    /// A range whose end is below its start.
    #[error("'{0}' runs backwards: write the lower VLAN first")]
    Backwards(String),
}

impl VlanList {
    /// No VLAN.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Every VLAN, 1..=4094.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(VLAN_MIN, VLAN_MAX)])
    }

    /// The VLANs of inclusive ranges, in any order, touching or not.
    fn from_ranges(mut ranges: Vec<(u16, u16)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(held) if first <= held.1.saturating_add(1) => held.1 = held.1.max(last),
                Some(_) | None => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Whether no VLAN is in the list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `vlan` is in the list.
    #[must_use]
    pub fn contains(&self, vlan: VlanNumber) -> bool {
        self.0
            .iter()
            .any(|&(first, last)| (first..=last).contains(&vlan.0))
    }

    /// The VLANs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = VlanNumber> + '_ {
        self.0
            .iter()
            .flat_map(|&(first, last)| (first..=last).map(VlanNumber))
    }

    /// This list with the VLANs of `other` as well.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        Self::from_ranges(self.0.iter().chain(&other.0).copied().collect())
    }

    /// This list without the VLANs of `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.iter().filter(|&vlan| !other.contains(vlan)).collect()
    }
}

impl FromIterator<VlanNumber> for VlanList {
    fn from_iter<I: IntoIterator<Item = VlanNumber>>(vlans: I) -> Self {
        Self::from_ranges(vlans.into_iter().map(|vlan| (vlan.0, vlan.0)).collect())
    }
}

impl From<VlanNumber> for VlanList {
    fn from(vlan: VlanNumber) -> Self {
        Self(vec![(vlan.0, vlan.0)])
    }
}

impl FromStr for VlanList {
    type Err = VlanListError;

    fn from_str(text: &str) -> Result<Self, VlanListError> {
        match text.trim() {
            "all" => return Ok(Self::all()),
            "none" => return Ok(Self::none()),
            _ => {}
        }
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (VlanNumber, VlanNumber) = (first.parse()?, last.parse()?);
            if last < first {
                return Err(VlanListError::Backwards(part.trim().to_owned()));
            }
            ranges.push((first.0, last.0));
        }
        Ok(Self::from_ranges(ranges))
    }
}

impl fmt::Display for VlanList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [] => f.write_str("none"),
            [(VLAN_MIN, VLAN_MAX)] => f.write_str("all"),
            ranges => {
                for (index, &(first, last)) in ranges.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    match last - first {
                        0 => write!(f, "{comma}{first}")?,
                        _ => write!(f, "{comma}{first}-{last}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl Serialize for VlanList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VlanList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_normalised_and_round_trip() {
        for (written, normal) in [
            ("10", "10"),
            ("20-29,10", "10,20-29"),
            ("1-5,4-9,10", "1-10"),
            ("1-4094", "all"),
            ("all", "all"),
            ("none", "none"),
            (" 7 , 9 - 11", "7,9-11"),
        ] {
            let list: VlanList = written.parse().unwrap();
            assert_eq!(list.to_string(), normal);
            assert_eq!(normal.parse(), Ok(list));
        }
    }

    #[test]
    fn bad_lists_name_the_bad_part() {
        for (written, message) in [
            ("0", "'0' is not a VLAN (1..4094)"),
            ("10,4095", "'4095' is not a VLAN (1..4094)"),
            ("10,", "'' is not a VLAN (1..4094)"),
            (
                "20-10",
                "'20-10' runs backwards: write the lower VLAN first",
            ),
            ("ten", "'ten' is not a VLAN (1..4094)"),
        ] {
            let error = written.parse::<VlanList>().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn with_and_without_are_set_union_and_difference() {
        let list: VlanList = "10-20".parse().unwrap();
        let other: VlanList = "15,21".parse().unwrap();
        assert_eq!(list.with(&other).to_string(), "10-21");
        assert_eq!(list.without(&other).to_string(), "10-14,16-20");
    }
}
