//! What single values may be, and what goes together: the rules that files, flags and live commands share.

use std::path::PathBuf;

use cam::AgeingTime;
use pnet_base::MacAddr;
use stp::PortNumber;

use super::error::KeyError;
use super::settings;
use super::{
    Config, Endpoint, Io, PortConfig, PortKind, PortMode, PortSettings, StaticMac, VlanNumber,
};
use crate::meter::RateLimits;
use crate::port_name::{PortName, PortNameError};
use crate::portset::PORTS_MAX;
use crate::protect::{LoopDetection, StormControl};

/// The longest name of a switch: with a run directory before and `.sock` behind it must fit a socket address.
const SWITCH_NAME_MAX: usize = 64;

/// What the world says that a configuration may depend on.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// Whether an interface of this name exists now: makes a port without a kind `packet`.
    pub interface_exists: fn(&str) -> bool,
    /// Where sockets are unless told otherwise.
    pub run_dir: fn() -> PathBuf,
}

/// What a switch may be called.
///
/// # Errors
/// Empty, too long, or it would not do as a file name.
pub fn switch_name(name: &str) -> Result<String, KeyError> {
    let error = |what: String| Err(KeyError::new("name", what));
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    match name {
        "" => error("is empty".to_owned()),
        _ if name.len() > SWITCH_NAME_MAX => error(format!(
            "'{name}' is {} octets long (1..{SWITCH_NAME_MAX})",
            name.len()
        )),
        _ if !name.chars().all(legal) || name.starts_with(['.', '-']) => error(format!(
            "'{name}' is no name for a switch: letters, digits, '.', '_' and '-', the first no '.' or '-'"
        )),
        _ => Ok(name.to_owned()),
    }
}

pub(super) fn port_name(name: &str) -> Result<PortName, KeyError> {
    name.parse()
        .map_err(|error: PortNameError| KeyError::new("name", error.to_string()))
}

pub(super) fn port_kind(text: &str) -> Result<PortKind, String> {
    match text {
        "tap" => Ok(PortKind::Tap),
        "packet" => Ok(PortKind::Packet),
        "stream" => Ok(PortKind::Stream),
        "dgram" => Ok(PortKind::Dgram),
        "udp" => Ok(PortKind::Udp),
        "fd" => Ok(PortKind::Fd),
        _ => Err(format!(
            "kind: '{text}' is not tap, packet, stream, dgram, udp or fd"
        )),
    }
}

/// Forwarding threads, at most: more than that have nothing to do but get in each other's way.
const WORKERS_MAX: u8 = 64;

pub(super) fn workers(text: &str) -> Result<u8, String> {
    let number = text.parse().ok();
    number
        .filter(|&number| number <= WORKERS_MAX)
        .ok_or_else(|| format!("workers: '{text}' is not 0..{WORKERS_MAX}"))
}

pub(super) fn io(text: &str) -> Result<Io, String> {
    match text {
        "uring" => Ok(Io::Uring),
        "plain" => Ok(Io::Plain),
        _ => Err(format!("io: '{text}' is not uring or plain")),
    }
}

pub(super) fn bridge_address(text: &str) -> Result<MacAddr, String> {
    let mac = settings::mac("address", Some(text)).map_err(|error| error.to_string())?;
    unicast("address", mac).map_err(|error| error.to_string())
}

fn unicast(key: &'static str, mac: MacAddr) -> Result<MacAddr, KeyError> {
    match (mac.is_multicast(), mac.is_zero()) {
        (true, _) => Err(KeyError::new(key, format!("'{mac}' is a group address"))),
        (_, true) => Err(KeyError::new(key, format!("'{mac}' is no address"))),
        (false, false) => Ok(mac),
    }
}

pub(super) const AGEING_LEGAL: &str = "a time in seconds (10..1000000)";

/// An ageing time in seconds.
///
/// # Errors
/// Outside 10..=1_000_000.
pub fn ageing(seconds: u64) -> Result<AgeingTime, KeyError> {
    u32::try_from(seconds)
        .ok()
        .and_then(|seconds| AgeingTime::from_secs(seconds).ok())
        .ok_or_else(|| KeyError::new("ageing", format!("'{seconds}' is not {AGEING_LEGAL}")))
}

impl Default for World {
    /// The world as it is.
    fn default() -> Self {
        Self {
            interface_exists: |name| nix::net::if_::if_nametoindex(name).is_ok(),
            run_dir: crate::control::default_run_dir,
        }
    }
}

impl Config {
    /// A port that could be added now: checked against the ports there are.
    ///
    /// # Errors
    /// A value out of its range, a name or number that is taken, no number left.
    pub fn new_port(
        &self,
        name: &str,
        kind: Option<PortKind>,
        settings: &PortSettings,
        world: World,
    ) -> Result<PortConfig, KeyError> {
        let name = port_name(name)?;
        if self.port(name.as_str()).is_some() {
            return Err(KeyError::new(
                "name",
                format!("a port '{name}' exists already"),
            ));
        }
        let of_interface = || match (world.interface_exists)(name.as_str()) {
            true => PortKind::Packet,
            false => PortKind::Tap,
        };
        let kind = kind.or_else(|| PortKind::of_endpoint(settings));
        let kind = kind.unwrap_or_else(of_interface);
        let fresh = PortConfig {
            number: self.number_for(settings.number)?,
            name,
            kind,
            endpoint: Endpoint::of(kind, settings)?,
            mac: settings.mac.map(|mac| unicast("mac", mac)).transpose()?,
            mode: PortMode::default(),
            frames: None,
            stp: stp::PortConfig::default(),
            storm: StormControl::default(),
            loop_detection: LoopDetection::default(),
            rate: RateLimits::default(),
            down: false,
            offload: settings.offload,
        };
        let settings = PortSettings {
            number: None,
            mac: None,
            offload: None,
            ..settings.clone()
        };
        fresh.with(&settings)
    }

    fn number_for(&self, wanted: Option<u32>) -> Result<PortNumber, KeyError> {
        let full = || KeyError::new("number", "a switch has at most 1023 ports");
        if self.ports.len() == PORTS_MAX - 1 {
            return Err(full());
        }
        if let Some(wanted) = wanted {
            let number = u16::try_from(wanted)
                .ok()
                .filter(|&number| usize::from(number) < PORTS_MAX)
                .and_then(PortNumber::new)
                .ok_or_else(|| {
                    KeyError::new(
                        "number",
                        format!("'{wanted}' is not a port number (1..1023)"),
                    )
                })?;
            return match self.port_numbered(number) {
                None => Ok(number),
                Some(port) => Err(KeyError::new(
                    "number",
                    format!("port {number} is '{}' already", port.name),
                )),
            };
        }
        (1..)
            .take(PORTS_MAX - 1)
            .filter_map(PortNumber::new)
            .find(|&number| self.port_numbered(number).is_none())
            .ok_or_else(full)
    }

    /// Puts a port at its place by number.
    pub fn insert_port(&mut self, port: PortConfig) {
        let place = self.ports.partition_point(|held| held.number < port.number);
        self.ports.insert(place, port);
    }

    /// Takes a port out, and the addresses pinned to it.
    pub fn remove_port(&mut self, number: PortNumber) {
        self.ports.retain(|port| port.number != number);
        self.static_macs.retain(|entry| entry.port != number);
    }

    /// Puts a port in the place of the one with its number.
    pub fn replace_port(&mut self, port: PortConfig) {
        if let Some(held) = self
            .ports
            .iter_mut()
            .find(|held| held.number == port.number)
        {
            *held = port;
        }
    }

    /// An address that could be pinned now.
    ///
    /// # Errors
    /// A group address, no such port, pinned already.
    pub fn new_static_mac(
        &self,
        vlan: VlanNumber,
        mac: MacAddr,
        port: &str,
    ) -> Result<StaticMac, KeyError> {
        let mac = unicast("mac", mac)?;
        let Some(port) = self.port(port) else {
            return Err(KeyError::new("port", format!("there is no port '{port}'")));
        };
        let pinned = |held: &&StaticMac| (held.vlan, held.mac) == (vlan, mac);
        match self.static_macs.iter().find(pinned) {
            None => Ok(StaticMac {
                vlan,
                mac,
                port: port.number,
            }),
            Some(_) => Err(KeyError::new(
                "mac",
                format!("{mac} is pinned in VLAN {vlan} already"),
            )),
        }
    }
}
