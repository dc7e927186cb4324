//! Rates and bursts as written: `100Mbit`, `1Gbit`, `off`; `256KiB`, `auto`.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::error::KeyError;
use super::settings::PortSettings;
use crate::meter::{BitRate, Burst, RateLimits};

/// A port's rate as written, range not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RateLimit {
    /// None.
    Off,
    /// This many bits a second.
    Bits(u64),
}

/// The size of a port's buckets as written, range not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BurstLimit {
    /// From the rate.
    Auto,
    /// This many octets.
    Octets(u64),
}

/// What a rate may be, for messages.
pub(crate) const RATE_RANGE: &str =
    "off or a rate such as 64kbit, 100Mbit or 1Gbit (1kbit..400Gbit)";
/// What a burst may be, for messages.
pub(crate) const BURST_RANGE: &str = "auto or octets such as 256KiB or 4MiB (66000..1073741824)";

/// Units of rates as tc has them; the first of equals is the one that is written.
const RATE_UNITS: [(&str, u64); 7] = [
    ("Gbit", 1_000_000_000),
    ("gbit", 1_000_000_000),
    ("Mbit", 1_000_000),
    ("mbit", 1_000_000),
    ("kbit", 1_000),
    ("bit", 1),
    ("", 1),
];
const BURST_UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("", 1),
];

/// A number and a unit, multiplied.
fn measured(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, times) = units.iter().find(|(name, _)| *name == unit.trim())?;
    number.parse::<u64>().ok()?.checked_mul(*times)
}

impl RateLimit {
    /// Reads `off`, or a number with tc's units; a bare number is bits a second.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            text => measured(text, &RATE_UNITS).map(Self::Bits),
        }
    }
}

impl BurstLimit {
    /// Reads `auto`, or octets with a unit or without.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            text => measured(text, &BURST_UNITS).map(Self::Octets),
        }
    }
}

/// A rate in the largest unit that leaves no fraction.
#[must_use]
pub fn rate_text(bits: u64) -> String {
    let unit = RATE_UNITS
        .iter()
        .find(|(_, times)| bits.is_multiple_of(*times));
    let (name, times) = unit.unwrap_or(&("bit", 1));
    format!("{}{name}", bits / times)
}

pub(super) fn rate(key: &'static str, text: &str) -> Result<RateLimit, KeyError> {
    let wrong = || KeyError::new(key, format!("'{text}' is not {RATE_RANGE}"));
    RateLimit::parse(text).ok_or_else(wrong)
}

pub(super) fn burst(key: &'static str, text: &str) -> Result<BurstLimit, KeyError> {
    let wrong = || KeyError::new(key, format!("'{text}' is not {BURST_RANGE}"));
    BurstLimit::parse(text).ok_or_else(wrong)
}

/// `held` with what `settings` says: `rate` of both directions, then each by itself.
pub(super) fn limits(held: RateLimits, settings: &PortSettings) -> Result<RateLimits, KeyError> {
    let checked = |key, written, held| match written {
        None => Ok(held),
        Some(RateLimit::Off) => Ok(None),
        Some(RateLimit::Bits(bits)) => {
            let wrong = || KeyError::new(key, format!("'{}' is not {RATE_RANGE}", rate_text(bits)));
            BitRate::new(bits).map(Some).ok_or_else(wrong)
        }
    };
    let burst = match settings.burst {
        None => held.burst,
        Some(BurstLimit::Auto) => None,
        Some(BurstLimit::Octets(octets)) => {
            let size = u32::try_from(octets).ok().and_then(Burst::new);
            let wrong = || KeyError::new("burst", format!("'{octets}' is not {BURST_RANGE}"));
            Some(size.ok_or_else(wrong)?)
        }
    };
    let both = |held| checked("rate", settings.rate, held);
    Ok(RateLimits {
        input: checked("rate-in", settings.rate_in, both(held.input)?)?,
        output: checked("rate-out", settings.rate_out, both(held.output)?)?,
        burst,
    })
}

impl Serialize for RateLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Off => serializer.serialize_str("off"),
            Self::Bits(bits) => serializer.serialize_u64(*bits),
        }
    }
}

impl<'de> Deserialize<'de> for RateLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.as_str().and_then(Self::parse);
        let rate = text.or_else(|| value.as_u64().map(Self::Bits));
        rate.ok_or_else(|| D::Error::custom(format!("{value} is not {RATE_RANGE}")))
    }
}

impl Serialize for BurstLimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Octets(octets) => serializer.serialize_u64(*octets),
        }
    }
}

impl<'de> Deserialize<'de> for BurstLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = value.as_str().and_then(Self::parse);
        let burst = text.or_else(|| value.as_u64().map(Self::Octets));
        burst.ok_or_else(|| D::Error::custom(format!("{value} is not {BURST_RANGE}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written_in_tcs_units() {
        for (text, bits) in [
            ("1Gbit", Some(1_000_000_000)),
            ("100mbit", Some(100_000_000)),
            ("64kbit", Some(64_000)),
            ("1500bit", Some(1_500)),
            ("8000", Some(8_000)),
            ("1gb", None),
            ("Mbit", None),
            ("-1Mbit", None),
            ("99999999999999999999", None),
            ("18446744073709551615Gbit", None),
        ] {
            assert_eq!(RateLimit::parse(text), bits.map(RateLimit::Bits), "{text}");
        }
        assert_eq!(RateLimit::parse("off"), Some(RateLimit::Off));
        for text in ["1Gbit", "2500Mbit", "64kbit", "1500bit"] {
            let Some(RateLimit::Bits(bits)) = RateLimit::parse(text) else {
                panic!("{text}");
            };
            assert_eq!(rate_text(bits), text);
        }
        assert_eq!(
            BurstLimit::parse("256KiB"),
            Some(BurstLimit::Octets(262_144))
        );
        assert_eq!(BurstLimit::parse("auto"), Some(BurstLimit::Auto));
        assert_eq!(BurstLimit::parse("256kB"), None);
    }

    #[test]
    fn both_directions_then_each_by_itself() {
        let mbit = |rate: u64| BitRate::new(rate * 1_000_000);
        let mut settings = PortSettings::default();
        settings.take("rate", Some("100Mbit")).unwrap();
        settings.take("rate-out", Some("50Mbit")).unwrap();
        settings.take("burst", Some("128KiB")).unwrap();
        let set = limits(RateLimits::default(), &settings).unwrap();
        let expected = RateLimits {
            input: mbit(100),
            output: mbit(50),
            burst: Burst::new(131_072),
        };
        assert_eq!(set, expected);
        let mut off = PortSettings::default();
        off.take("rate-in", Some("off")).unwrap();
        off.take("burst", Some("auto")).unwrap();
        let left = RateLimits {
            input: None,
            burst: None,
            ..expected
        };
        assert_eq!(limits(set, &off).unwrap(), left);
    }

    #[test]
    fn what_is_out_of_range_is_named_with_the_range() {
        for (key, value, message) in [
            ("rate", "1bit", "rate: '1bit' is not off or a rate such as"),
            (
                "rate-in",
                "500Gbit",
                "rate-in: '500Gbit' is not off or a rate such as",
            ),
            (
                "burst",
                "1500",
                "burst: '1500' is not auto or octets such as",
            ),
            (
                "burst",
                "2GiB",
                "burst: '2147483648' is not auto or octets such as",
            ),
        ] {
            let mut settings = PortSettings::default();
            settings.take(key, Some(value)).unwrap();
            let error = limits(RateLimits::default(), &settings).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
        let error = PortSettings::default()
            .take("rate", Some("fast"))
            .unwrap_err();
        assert!(
            error.starts_with("rate: 'fast' is not off or a rate"),
            "{error}"
        );
    }
}
