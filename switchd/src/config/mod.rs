//! What a switch is told: as written ([`PortSettings`], a TOML file, flags) and as checked.

mod checked;
mod settings;
mod vlan_list;

pub use checked::{Config, PortConfig, PortMode, StpConfig};
pub use settings::{Cost, Frames, PortKind, PortSettings, StpSettings};
pub use vlan_list::{VlanList, VlanListError, VlanNumber};
