//! A port with new settings: each mode with its own keys.

use stp::{PathCost, PortPriority};

use super::error::KeyError;
use super::rate;
use super::settings::{COST_RANGE, PORT_PRIORITY_RANGE, STORM_RANGE};
use super::{
    Cost, Endpoint, PointToPoint, PortConfig, PortMode, PortSettings, StormLimit, VlanNumber,
};
use crate::protect::{StormControl, StormRate};
use crate::vlan::default_vid;
use crate::vlan_set::VlanSet;

impl PortConfig {
    /// This port with what `settings` says. Keys left out stay as they are; a new mode begins with its defaults.
    ///
    /// # Errors
    /// A value out of its range, keys that exclude each other or do not belong to the mode, a number or address
    /// other than the port has.
    pub fn with(&self, settings: &PortSettings) -> Result<Self, KeyError> {
        let mut port = self.clone();
        if settings
            .number
            .is_some_and(|number| number != u32::from(self.number.get()))
        {
            return Err(KeyError::new("number", "is fixed once the port exists"));
        }
        if settings.mac.is_some() && settings.mac != self.mac {
            return Err(KeyError::new("mac", "is fixed once the port exists"));
        }
        if settings.offload.is_some() && settings.offload != self.offload {
            return Err(KeyError::new("offload", "is fixed once the port exists"));
        }
        let written = self.endpoint.as_ref().map(Endpoint::written);
        for (key, value) in settings.endpoint() {
            let held = written.iter().flatten().find(|(held, _)| *held == key);
            if value.is_some() && value.as_ref() != held.map(|(_, value)| value) {
                return Err(KeyError::new(key, "is fixed once the port exists"));
            }
        }
        port.mode = self.mode.with(settings)?;
        if let Some(frames) = settings.frames {
            port.frames = Some(frames);
        }
        port.stp = tree_port(self.stp, settings)?;
        port.storm = storm(self.storm, settings)?;
        port.loop_detection = settings.loop_detection.unwrap_or(self.loop_detection);
        port.rate = rate::limits(self.rate, settings)?;
        port.down = settings.down.unwrap_or(self.down);
        Ok(port)
    }
}

fn tree_port(held: stp::PortConfig, settings: &PortSettings) -> Result<stp::PortConfig, KeyError> {
    let mut port = held;
    match settings.cost {
        None => {}
        Some(Cost::Auto) => port.path_cost = None,
        Some(Cost::Fixed(cost)) => {
            let checked = PathCost::new(cost);
            let wrong = || KeyError::new("cost", format!("'{cost}' is not {COST_RANGE}"));
            port.path_cost = Some(checked.ok_or_else(wrong)?);
        }
    }
    if let Some(priority) = settings.priority {
        let checked = u8::try_from(priority).ok().and_then(PortPriority::new);
        let text = || format!("'{priority}' is not {PORT_PRIORITY_RANGE}");
        port.priority = checked.ok_or_else(|| KeyError::new("priority", text()))?;
    }
    let truths = [
        (&mut port.admin_edge, settings.edge),
        (&mut port.auto_edge, settings.auto_edge),
        (&mut port.restricted_role, settings.root_guard),
        (&mut port.restricted_tcn, settings.tcn_guard),
        (&mut port.bpdu_guard, settings.bpdu_guard),
        (&mut port.bpdu_filter, settings.bpdu_filter),
        (&mut port.loop_guard, settings.loop_guard),
        (&mut port.bridge_assurance, settings.bridge_assurance),
    ];
    for (held, written) in truths {
        *held = written.unwrap_or(*held);
    }
    match settings.point_to_point {
        None => {}
        Some(PointToPoint::Auto) => port.point_to_point = stp::PointToPoint::Auto,
        Some(PointToPoint::On) => port.point_to_point = stp::PointToPoint::On,
        Some(PointToPoint::Off) => port.point_to_point = stp::PointToPoint::Off,
    }
    Ok(port)
}

fn storm(held: StormControl, settings: &PortSettings) -> Result<StormControl, KeyError> {
    let limit = |key, written, held| match written {
        None => Ok(held),
        Some(StormLimit::Off) => Ok(None),
        Some(StormLimit::Rate(rate)) => {
            let wrong = || KeyError::new(key, format!("'{rate}' is not {STORM_RANGE}"));
            StormRate::new(rate).map(Some).ok_or_else(wrong)
        }
    };
    Ok(StormControl {
        broadcast: limit("storm-broadcast", settings.storm_broadcast, held.broadcast)?,
        multicast: limit("storm-multicast", settings.storm_multicast, held.multicast)?,
        unknown_unicast: limit(
            "storm-unknown-unicast",
            settings.storm_unknown_unicast,
            held.unknown_unicast,
        )?,
        action: settings.storm_action.unwrap_or(held.action),
    })
}

impl PortMode {
    fn with(&self, settings: &PortSettings) -> Result<Self, KeyError> {
        let named = [
            ("access", settings.access.is_some()),
            ("trunk", settings.trunk.is_some()),
            ("hybrid", settings.hybrid == Some(true)),
            ("dot1q-tunnel", settings.dot1q_tunnel.is_some()),
        ];
        let mut modes = named
            .iter()
            .filter(|(_, given)| *given)
            .map(|(key, _)| *key);
        if let (Some(first), Some(second)) = (modes.next(), modes.next()) {
            return Err(KeyError::new(
                second,
                format!("excludes {first}: a port has one mode"),
            ));
        }
        let mode = match settings {
            PortSettings {
                access: Some(vlan), ..
            } => Self::Access { vlan: vlan.id() },
            PortSettings {
                dot1q_tunnel: Some(vlan),
                ..
            } => Self::Dot1qTunnel { vlan: vlan.id() },
            PortSettings {
                trunk: Some(allowed),
                ..
            } => self.trunk(Some(allowed.clone())),
            PortSettings {
                hybrid: Some(true), ..
            } => self.hybrid(),
            PortSettings {
                hybrid: Some(false),
                ..
            } if matches!(self, Self::Hybrid { .. }) => {
                return Err(KeyError::new("hybrid", "name the new mode instead"));
            }
            PortSettings { .. } => self.clone(),
        };
        mode.detailed(settings)
    }

    /// A trunk with what this mode says of one, and the defaults for the rest.
    fn trunk(&self, allowed: Option<VlanSet>) -> Self {
        let (held, native, native_tagged) = match self {
            Self::Trunk {
                allowed,
                native,
                native_tagged,
            } => (allowed.clone(), *native, *native_tagged),
            Self::Access { .. } | Self::Hybrid { .. } | Self::Dot1qTunnel { .. } => {
                (VlanSet::all(), default_vid(), false)
            }
        };
        Self::Trunk {
            allowed: allowed.unwrap_or(held),
            native,
            native_tagged,
        }
    }

    fn hybrid(&self) -> Self {
        match self {
            Self::Hybrid { .. } => self.clone(),
            Self::Access { .. } | Self::Trunk { .. } | Self::Dot1qTunnel { .. } => Self::Hybrid {
                pvid: default_vid(),
                tagged: VlanSet::EMPTY,
                untagged: VlanSet::single(default_vid()),
            },
        }
    }

    /// This mode with the keys that only some modes have.
    fn detailed(mut self, settings: &PortSettings) -> Result<Self, KeyError> {
        let of_trunk = [
            ("native", settings.native.is_some()),
            ("native-tagged", settings.native_tagged.is_some()),
        ];
        let of_hybrid = [
            ("pvid", settings.pvid.is_some()),
            ("tagged", settings.tagged.is_some()),
            ("untagged", settings.untagged.is_some()),
        ];
        let given = |keys: &[(&'static str, bool)]| {
            keys.iter().find(|(_, given)| *given).map(|(key, _)| *key)
        };
        match &mut self {
            Self::Trunk {
                allowed,
                native,
                native_tagged,
            } => {
                *native = settings.native.map_or(*native, VlanNumber::id);
                *native_tagged = settings.native_tagged.unwrap_or(*native_tagged);
                // A native VLAN that is not carried would be no VLAN for untagged frames at all.
                *allowed = allowed.union(&VlanSet::single(*native));
            }
            Self::Access { .. } | Self::Hybrid { .. } | Self::Dot1qTunnel { .. } => {
                if let Some(key) = given(&of_trunk) {
                    return Err(KeyError::new(
                        key,
                        "belongs to mode trunk: say trunk=LIST as well",
                    ));
                }
            }
        }
        match &mut self {
            Self::Hybrid {
                pvid,
                tagged,
                untagged,
            } => {
                *pvid = settings.pvid.map_or(*pvid, VlanNumber::id);
                if let Some(vlans) = &settings.untagged {
                    *untagged = vlans.clone();
                } else if settings.pvid.is_some() {
                    *untagged = VlanSet::single(*pvid);
                }
                if let Some(vlans) = &settings.tagged {
                    *tagged = vlans.clone();
                }
                if let Some(both) = tagged.iter().find(|&vlan| untagged.contains(vlan)) {
                    return Err(KeyError::new(
                        "tagged",
                        format!("VLAN {both} is in both tagged and untagged"),
                    ));
                }
            }
            Self::Access { .. } | Self::Trunk { .. } | Self::Dot1qTunnel { .. } => {
                if let Some(key) = given(&of_hybrid) {
                    return Err(KeyError::new(
                        key,
                        "belongs to mode hybrid: say hybrid as well",
                    ));
                }
            }
        }
        Ok(self)
    }
}
