//! A set of VLAN identifiers, written the way trunks are written: `10,20-29`.

use std::fmt;
use std::str::FromStr;

use etherparse::VlanId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The highest VLAN identifier a frame may belong to; 4095 is reserved (802.1Q Table 9-2).
pub const VID_MAX: u16 = 4094;

/// VLAN identifiers 1..=4094, kept as ascending, disjoint, non-adjacent ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct VlanSet(Vec<(u16, u16)>);

/// Why a text is no set of VLANs.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VlanSetError {
    /// Something that is not a number, or a number out of range.
    #[error("'{0}' is not a VLAN identifier (1..4094)")]
    Vid(String),
    /// A range that ends before it starts.
    #[error("'{0}' ends before it starts")]
    Order(String),
}

impl VlanSet {
    /// No VLAN.
    pub const EMPTY: Self = Self(Vec::new());

    /// Every VLAN, 1..=4094.
    #[must_use]
    pub fn all() -> Self {
        Self(vec![(1, VID_MAX)])
    }

    /// One VLAN; identifiers 0 and 4095 give the empty set, since no frame belongs to them.
    #[must_use]
    pub fn single(vid: VlanId) -> Self {
        Self::from_ranges([(vid.value(), vid.value())])
    }

    fn from_ranges(ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let mut ranges: Vec<(u16, u16)> = ranges
            .into_iter()
            .map(|(low, high)| (low.max(1), high.min(VID_MAX)))
            .filter(|(low, high)| low <= high)
            .collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match merged.last_mut() {
                Some((_, end)) if low <= *end + 1 => *end = (*end).max(high),
                Some(_) | None => merged.push((low, high)),
            }
        }
        Self(merged)
    }

    /// Whether `vid` is a member.
    #[must_use]
    pub fn contains(&self, vid: VlanId) -> bool {
        let vid = vid.value();
        self.0
            .iter()
            .any(|&(low, high)| (low..=high).contains(&vid))
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every VLAN is a member.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0 == [(1, VID_MAX)]
    }

    /// Members of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges(self.0.iter().chain(&other.0).copied())
    }

    /// The members without `vid`.
    #[must_use]
    pub fn without(&self, vid: VlanId) -> Self {
        let vid = vid.value();
        Self::from_ranges(self.0.iter().flat_map(|&(low, high)| {
            if (low..=high).contains(&vid) {
                [(low, vid - 1), (vid + 1, high)]
            } else {
                [(low, high), (1, 0)]
            }
        }))
    }

    /// Members in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = VlanId> + '_ {
        self.0
            .iter()
            .flat_map(|&(low, high)| low..=high)
            .filter_map(|vid| VlanId::try_new(vid).ok())
    }
}

impl FromIterator<VlanId> for VlanSet {
    fn from_iter<I: IntoIterator<Item = VlanId>>(vids: I) -> Self {
        Self::from_ranges(vids.into_iter().map(|vid| (vid.value(), vid.value())))
    }
}

impl fmt::Display for VlanSet {
    /// `10,20-29`; the empty set is `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, (low, high)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            if low == high {
                write!(f, "{comma}{low}")?;
            } else {
                write!(f, "{comma}{low}-{high}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for VlanSet {
    type Err = VlanSetError;

    /// Reads `10,20-29`, `all` or `none`.
    fn from_str(text: &str) -> Result<Self, VlanSetError> {
        match text.trim() {
            "all" => return Ok(Self::all()),
            "none" => return Ok(Self::EMPTY),
            _ => {}
        }
        let vid = |text: &str| {
            text.trim()
                .parse::<u16>()
                .ok()
                .filter(|vid| (1..=VID_MAX).contains(vid))
                .ok_or_else(|| VlanSetError::Vid(text.trim().to_owned()))
        };
        let ranges = text
            .split(',')
            .map(|part| {
                let (low, high) = part.split_once('-').unwrap_or((part, part));
                let (low, high) = (vid(low)?, vid(high)?);
                if low > high {
                    return Err(VlanSetError::Order(part.trim().to_owned()));
                }
                Ok((low, high))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self::from_ranges(ranges))
    }
}

impl From<VlanSet> for String {
    fn from(set: VlanSet) -> Self {
        set.to_string()
    }
}

impl TryFrom<String> for VlanSet {
    type Error = VlanSetError;

    fn try_from(text: String) -> Result<Self, VlanSetError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn set(text: &str) -> VlanSet {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_are_merged_and_printed_as_written_on_a_trunk() {
        assert_eq!(set("20-22, 10,23,5-9").to_string(), "5-10,20-23");
        assert_eq!(set("all"), VlanSet::all());
        assert_eq!(set("all").to_string(), "1-4094");
        assert_eq!(set("none").to_string(), "none");
    }

    #[test]
    fn bad_lists_name_the_bad_part() {
        for (text, message) in [
            ("10,x", "'x' is not a VLAN identifier (1..4094)"),
            ("0", "'0' is not a VLAN identifier (1..4094)"),
            ("4095", "'4095' is not a VLAN identifier (1..4094)"),
            ("", "'' is not a VLAN identifier (1..4094)"),
            ("20-10", "'20-10' ends before it starts"),
        ] {
            assert_eq!(text.parse::<VlanSet>().unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_tree_set(
            a in proptest::collection::btree_set(1_u16..=4094, 0..60),
            b in proptest::collection::btree_set(1_u16..=4094, 0..60),
            gone in 1_u16..=4094,
        ) {
            let of = |vids: &BTreeSet<u16>| {
                vids.iter().map(|&v| VlanId::try_new(v).unwrap()).collect::<VlanSet>()
            };
            let back = |set: &VlanSet| set.iter().map(VlanId::value).collect::<BTreeSet<_>>();
            prop_assert_eq!(back(&of(&a)), a.clone());
            prop_assert_eq!(of(&a).to_string().parse::<VlanSet>().unwrap(), of(&a));
            prop_assert_eq!(back(&of(&a).union(&of(&b))), a.union(&b).copied().collect());
            let without = of(&a).without(VlanId::try_new(gone).unwrap());
            let mut expected = a;
            expected.remove(&gone);
            prop_assert_eq!(back(&without), expected);
        }
    }
}
