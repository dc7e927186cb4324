//! What a switch is told: as written ([`RawConfig`], from a TOML file and from flags) and as checked ([`Config`]).
//!
//! Files, flags and live commands use the same keys and go through the same rules, and what is refused is
//! refused with its place, the bad value and the legal range.

mod check;
mod checked;
mod endpoint;
mod error;
mod file;
mod flags;
mod legal;
mod port;
mod rate;
mod raw;
mod running;
mod settings;
mod tree;
mod vlan_number;

pub use checked::{Config, PortConfig, StaticMac};
pub use endpoint::Endpoint;
pub use error::{ConfigError, KeyError, Origin, Problem};
pub use file::{parse as parse_file, read as read_file};
pub use flags::{Flags, parse_port};
pub use legal::{World, ageing, switch_name};
pub use rate::{BurstLimit, RateLimit, rate_text};
pub use raw::{Entry, Group, RawConfig};
pub use running::to_toml;
pub use settings::{
    Cost, Io, PORT_KEYS, PointToPoint, PortKind, PortSettings, StormLimit, parse_mac,
};
pub use tree::{DEFAULT_PROTOCOL, InstanceMap, StpConfig, StpSettings, TreePriorities};
pub use vlan_number::{VlanNumber, VlanNumberError};

pub use crate::vlan::{AcceptableFrames, PortMode};
pub use crate::vlan_set::VlanSet;

pub(crate) use error::did_you_mean;
