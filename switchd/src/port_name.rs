//! A port's name: at most 15 octets, as Linux has interface names, and `Copy`, so that events carry it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Octets of the longest interface name (IFNAMSIZ less its terminator).
pub const PORT_NAME_MAX: usize = 15;

/// A valid interface name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PortName {
    octets: [u8; PORT_NAME_MAX],
    len: u8,
}

/// Why a text is no port name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortNameError {
    /// Nothing in it.
    #[error("a port name cannot be empty")]
    Empty,
    /// Too long for an interface.
    #[error("port name '{0}' is longer than 15 octets")]
    Long(String),
    /// A character the kernel or our own syntax does not take.
    #[error("port name '{name}' contains {character:?}; letters, digits and . _ - @ + are taken")]
    Character {
        /// The text.
        name: String,
        /// The first offender.
        character: char,
    },
    /// `.` and `..` are no interface names.
    #[error("'{0}' is no port name")]
    Dots(String),
}

impl PortName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.octets[..usize::from(self.len)]).expect("ASCII by construction")
    }
}

impl FromStr for PortName {
    type Err = PortNameError;

    fn from_str(text: &str) -> Result<Self, PortNameError> {
        let taken = |c: char| c.is_ascii_alphanumeric() || "._-@+".contains(c);
        if text.is_empty() {
            return Err(PortNameError::Empty);
        }
        if let Some(character) = text.chars().find(|&c| !taken(c)) {
            return Err(PortNameError::Character {
                name: text.to_owned(),
                character,
            });
        }
        if text == "." || text == ".." {
            return Err(PortNameError::Dots(text.to_owned()));
        }
        let mut octets = [0; PORT_NAME_MAX];
        let Some(place) = octets.get_mut(..text.len()) else {
            return Err(PortNameError::Long(text.to_owned()));
        };
        place.copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).expect("at most 15");
        Ok(Self { octets, len })
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl From<PortName> for String {
    fn from(name: PortName) -> Self {
        name.as_str().to_owned()
    }
}

impl TryFrom<String> for PortName {
    type Error = PortNameError;

    fn try_from(text: String) -> Result<Self, PortNameError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_the_kernel_takes() {
        let name: PortName = "veth0.10@sw-1_a".parse().unwrap();
        assert_eq!(name.to_string(), "veth0.10@sw-1_a");
        for (text, message) in [
            ("", "a port name cannot be empty"),
            (
                "abcdefghijklmnop",
                "port name 'abcdefghijklmnop' is longer than 15 octets",
            ),
            (
                "a/b",
                "port name 'a/b' contains '/'; letters, digits and . _ - @ + are taken",
            ),
            ("..", "'..' is no port name"),
        ] {
            assert_eq!(text.parse::<PortName>().unwrap_err().to_string(), message);
        }
    }
}
