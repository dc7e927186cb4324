//! A configuration as written, by file or by flags: words with their place, nothing checked.

use super::error::Origin;

/// A key, its value as text, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The value; `None` for a bare word such as `edge`.
    pub value: Option<String>,
    /// Where.
    pub at: Origin,
}

/// A group of entries: a table of the file, the options of a flag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// How messages call it: `[stp]`, `[[port]] p1`.
    pub title: String,
    /// Where it begins.
    pub at: Origin,
    /// In the order written.
    pub entries: Vec<Entry>,
}

/// A configuration as written. File and flags may both contribute; a later entry of [`switch`](Self::switch),
/// [`stp`](Self::stp) and [`cam`](Self::cam) overrides an earlier one, so that a flag beats the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawConfig {
    /// `[switch]`: name, run-dir, address, io, workers, offload.
    pub switch: Vec<Group>,
    /// `[stp]`: enabled, priority, hello, max-age, forward-delay.
    pub stp: Vec<Group>,
    /// `[cam]`: ageing, capacity.
    pub cam: Vec<Group>,
    /// `[[port]]`: name, kind and the keys of [`PortSettings`](super::PortSettings).
    pub ports: Vec<Group>,
    /// `[[static-mac]]`: vlan, mac, port.
    pub static_macs: Vec<Group>,
}

impl RawConfig {
    /// Adds what `other` says; where both speak of one key, `other` holds.
    pub fn extend(&mut self, other: Self) {
        self.switch.extend(other.switch);
        self.stp.extend(other.stp);
        self.cam.extend(other.cam);
        self.ports.extend(other.ports);
        self.static_macs.extend(other.static_macs);
    }
}
