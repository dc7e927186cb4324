//! Reading typed values out of the tree: every refusal names the key, the place and what is legal.

use core::net::IpAddr;
use core::ops::RangeInclusive;
use core::time::Duration;

use pnet_base::MacAddr;
use switchd::config::{VlanNumber, VlanSet};

use super::Address;
use super::error::{Fault, Position};
use super::yaml::{Key, Kind, Value};

/// A mapping whose keys are all known.
pub(super) struct Fields<'v> {
    pub(super) at: Position,
    /// What the mapping describes, for messages: "node `sw1`".
    what: String,
    entries: Vec<&'v (Key, Value)>,
}

impl<'v> Fields<'v> {
    /// `value` as a mapping with keys out of `known`; an absent value (`sw1:`) is an empty mapping.
    pub(super) fn new(
        value: &'v Value,
        what: impl Into<String>,
        known: &[&str],
    ) -> Result<Self, Fault> {
        let what = what.into();
        let entries = map(value, &what)?;
        for (key, _) in entries {
            check_key(key, &what, known)?;
        }
        Ok(Self {
            at: value.at,
            what,
            entries: entries.iter().collect(),
        })
    }

    /// Lets `lower` supply the keys that are absent here, but only those out of `known`.
    pub(super) fn inherit(&mut self, lower: &'v [(Key, Value)], known: &[&str]) {
        for entry in lower {
            let absent = !self.entries.iter().any(|(key, _)| key.text == entry.0.text);
            if absent && known.contains(&entry.0.text.as_str()) {
                self.entries.push(entry);
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        self.entry(name).map(|(_, value)| value)
    }

    pub(super) fn entry(&self, name: &str) -> Option<(&'v Key, &'v Value)> {
        let (key, value) = self.entries.iter().find(|(key, _)| key.text == name)?;
        Some((key, value))
    }

    pub(super) fn need(&self, name: &str) -> Result<&'v Value, Fault> {
        self.get(name)
            .ok_or_else(|| Fault::new(self.at, format!("{} needs the key `{name}`", self.what)))
    }

    pub(super) fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'v Value, &str) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        self.get(name).map(|value| read(value, name)).transpose()
    }
}

/// The entries of a mapping; none for an absent value.
pub(super) fn map<'v>(value: &'v Value, what: &str) -> Result<&'v [(Key, Value)], Fault> {
    match &value.kind {
        Kind::Map(entries) => Ok(entries),
        Kind::Null => Ok(&[]),
        Kind::Scalar(text) => Err(Fault::new(
            value.at,
            format!("{what}: expected keys and values, found `{text}`"),
        )),
        Kind::List(_) => Err(Fault::new(
            value.at,
            format!("{what}: expected keys and values, found a list"),
        )),
    }
}

/// The items of a list; a single word counts as a list of one.
pub(super) fn list<'v>(value: &'v Value, what: &str) -> Result<Vec<&'v Value>, Fault> {
    match &value.kind {
        Kind::List(items) => Ok(items.iter().collect()),
        Kind::Scalar(_) => Ok(vec![value]),
        Kind::Null => Ok(Vec::new()),
        Kind::Map(_) => Err(Fault::new(
            value.at,
            format!("{what}: expected a list, found keys and values"),
        )),
    }
}

pub(super) fn check_key(key: &Key, what: &str, known: &[&str]) -> Result<(), Fault> {
    if known.contains(&key.text.as_str()) {
        return Ok(());
    }
    let fault = Fault::new(key.at, format!("{what}: unknown key `{}`", key.text));
    Err(fault.near(&key.text, known.iter().copied()))
}

pub(super) fn text<'v>(value: &'v Value, key: &str) -> Result<&'v str, Fault> {
    match &value.kind {
        Kind::Scalar(text) => Ok(text),
        Kind::Null => Err(Fault::new(value.at, format!("`{key}` has no value"))),
        Kind::List(_) => Err(Fault::new(
            value.at,
            format!("`{key}`: expected one value, found a list"),
        )),
        Kind::Map(_) => Err(Fault::new(
            value.at,
            format!("`{key}`: expected one value, found keys and values"),
        )),
    }
}

pub(super) fn string(value: &Value, key: &str) -> Result<String, Fault> {
    text(value, key).map(str::to_owned)
}

/// `on`, `true`, `yes` or `off`, `false`, `no`.
pub(super) fn switch(value: &Value, key: &str) -> Result<bool, Fault> {
    match text(value, key)? {
        "on" | "true" | "yes" => Ok(true),
        "off" | "false" | "no" => Ok(false),
        other => Err(Fault::new(
            value.at,
            format!("`{key}`: expected on or off, found `{other}`"),
        )
        .near(other, ["off", "on", "true", "false"])),
    }
}

/// One of `words`, as what it stands for.
pub(super) fn word<T: Copy>(value: &Value, key: &str, words: &[(&str, T)]) -> Result<T, Fault> {
    let written = text(value, key)?;
    if let Some(&(_, meaning)) = words.iter().find(|&&(word, _)| word == written) {
        return Ok(meaning);
    }
    let names: Vec<&str> = words.iter().map(|&(word, _)| word).collect();
    let message = format!("`{key}`: expected {}, found `{written}`", one_of(&names));
    Err(Fault::new(value.at, message).near(written, names))
}

/// "a", "a or b", "a, b or c".
pub(super) fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// A whole number in `range`.
pub(super) fn number<T>(value: &Value, key: &str, range: RangeInclusive<T>) -> Result<T, Fault>
where
    T: core::str::FromStr + PartialOrd + core::fmt::Display,
{
    let written = text(value, key)?;
    match written.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) | Err(_) => Err(Fault::new(
            value.at,
            format!(
                "`{key}`: expected a whole number {} to {}, found `{written}`",
                range.start(),
                range.end()
            ),
        )),
    }
}

/// A number in `range` that is a multiple of `step`.
pub(super) fn stepped(
    value: &Value,
    key: &str,
    range: RangeInclusive<u16>,
    step: u16,
) -> Result<u16, Fault> {
    let (start, end) = (*range.start(), *range.end());
    match number(value, key, range) {
        Ok(number) if number % step == 0 => Ok(number),
        Ok(_) | Err(_) => Err(Fault::new(
            value.at,
            format!(
                "`{key}`: expected a multiple of {step} from {start} to {end}, found `{}`",
                text(value, key)?
            ),
        )),
    }
}

/// A length of time with its unit: `10ms`, `2s`, `1.5s`, `3m`, `1h`; a bare number is seconds.
pub(super) fn duration(value: &Value, key: &str) -> Result<Duration, Fault> {
    let written = text(value, key)?;
    let fault = || {
        Fault::new(
            value.at,
            format!("`{key}`: expected a time such as 500ms, 10s or 2m, found `{written}`"),
        )
    };
    let digits = written
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let unit = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(fault()),
    };
    let seconds: f64 = number.parse().map_err(|_| fault())?;
    Duration::try_from_secs_f64(seconds * unit).map_err(|_| fault())
}

/// A length of time in whole seconds within `range`, with or without `s`.
pub(super) fn seconds(value: &Value, key: &str, range: RangeInclusive<u32>) -> Result<u32, Fault> {
    let time = duration(value, key)
        .ok()
        .filter(|time| time.subsec_nanos() == 0);
    time.and_then(|time| u32::try_from(time.as_secs()).ok())
        .filter(|seconds| range.contains(seconds))
        .ok_or_else(|| {
            let written = text(value, key).unwrap_or("a list").to_owned();
            let (start, end) = (range.start(), range.end());
            Fault::new(
                value.at,
                format!("`{key}`: expected whole seconds {start} to {end}, found `{written}`"),
            )
        })
}

/// A size in octets: `64MiB`, `512KiB`, `1GiB`, also with `/s` behind for a rate.
pub(super) fn octets(value: &Value, key: &str, suffix: &str) -> Result<u64, Fault> {
    let written = text(value, key)?;
    let fault = || {
        Fault::new(
            value.at,
            format!("`{key}`: expected a size such as 64MiB{suffix}, found `{written}`"),
        )
    };
    let size = written.strip_suffix(suffix).ok_or_else(fault)?;
    let digits = size
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(size.len());
    let (number, unit) = size.split_at(digits);
    let unit: u64 = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(fault()),
    };
    let number: u64 = number.parse().map_err(|_| fault())?;
    number.checked_mul(unit).ok_or_else(fault)
}

/// A station's own MAC address, in any of the usual notations.
pub(super) fn mac(value: &Value, key: &str) -> Result<MacAddr, Fault> {
    let written = text(value, key)?;
    let digits: String = written.chars().filter(char::is_ascii_hexdigit).collect();
    let marks = written.len() - digits.len();
    let plausible = digits.len() == 12 && matches!(marks, 0 | 2 | 5);
    let parsed = u64::from_str_radix(&digits, 16).ok().filter(|_| plausible);
    let Some(bits) = parsed else {
        return Err(Fault::new(
            value.at,
            format!("`{key}`: expected a MAC address such as 52:54:00:00:00:05, found `{written}`"),
        ));
    };
    let [_, _, a, b, c, d, e, f] = bits.to_be_bytes();
    if a & 1 == 1 || bits == 0 {
        return Err(Fault::new(
            value.at,
            format!(
                "`{key}`: {written} is not the address of one station (group bit set, or zero)"
            ),
        ));
    }
    Ok(MacAddr::new(a, b, c, d, e, f))
}

/// An address with its prefix length: `10.0.10.5/24`.
pub(super) fn address(value: &Value, key: &str) -> Result<Address, Fault> {
    let written = text(value, key)?;
    let expected = "an address with its prefix such as 10.0.10.5/24";
    let fault = |why: &str| {
        Fault::new(
            value.at,
            format!("`{key}`: expected {expected}, found `{written}`{why}"),
        )
    };
    let Some((ip, prefix)) = written.split_once('/') else {
        return Err(fault(" (no prefix)"));
    };
    let ip: IpAddr = ip.parse().map_err(|_| fault(""))?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let prefix = prefix
        .parse()
        .ok()
        .filter(|prefix| (1..=most).contains(prefix));
    let prefix = prefix.ok_or_else(|| fault(&format!(" (the prefix is 1 to {most})")))?;
    if ip.is_multicast() || ip.is_unspecified() {
        return Err(fault(" (not the address of one station)"));
    }
    Ok(Address { ip, prefix })
}

/// An IP address without prefix.
pub(super) fn ip(value: &Value, key: &str) -> Result<IpAddr, Fault> {
    let written = text(value, key)?;
    let message =
        || format!("`{key}`: expected an IP address such as 10.0.10.1, found `{written}`");
    written.parse().map_err(|_| Fault::new(value.at, message()))
}

/// A VLAN, 1 to 4094 (802.1Q Table 9-2: 0 and 4095 are reserved).
pub(super) fn vlan(value: &Value, key: &str) -> Result<VlanNumber, Fault> {
    let written = text(value, key)?;
    let message = || format!("`{key}`: expected a VLAN 1 to 4094, found `{written}`");
    written.parse().map_err(|_| Fault::new(value.at, message()))
}

/// VLANs and ranges: `10`, `[10, 20-29]`, `10,20-29`; `all` is every VLAN.
pub(super) fn vlans(value: &Value, key: &str) -> Result<VlanSet, Fault> {
    let mut vlans = VlanSet::EMPTY;
    for item in list(value, &format!("`{key}`"))? {
        let more: Result<VlanSet, _> = text(item, key)?.parse();
        let more = more.map_err(|error| Fault::new(item.at, format!("`{key}`: {error}")))?;
        vlans = vlans.union(&more);
    }
    Ok(vlans)
}
