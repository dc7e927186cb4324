//! Carries out one command on a running switch.

use std::collections::BTreeMap;
use std::time::Duration;

use cam::{Entry, Origin};
use stp::PortNumber;

use super::{
    Command, Counters, Error, ErrorCode, Interface, MacCount, MacEntry, MacFilter, MacOrigin,
    PROTOCOL, RateReply, Reply, Target, Version, VlanLine, tree, why,
};
use crate::config::{self, KeyError, PortConfig, PortSettings, VlanNumber, World};
use crate::counters::{DropReason, PortCounters};
use crate::meter::{BitRate, Burst};
use crate::portset::PortSet;
use crate::protect::DisableReason;
use crate::switch::Port;

/// Carries out `command` at `now`. Bounded work: a listing of addresses goes page by page.
///
/// [`Command::ShowMac`] gives a first page only and [`Command::Events`] is refused: both belong to the control thread.
///
/// # Errors
/// A port that does not exist, a value out of its range, or what the world refuses; nothing has changed then.
pub fn execute(target: &mut impl Target, now: Duration, command: Command) -> Result<Reply, Error> {
    match command {
        Command::ShowMac(filter) => show_mac_page(target, now, &filter, 0, Command::PAGE_MAX),
        Command::ShowMacPage {
            filter,
            cursor,
            limit,
        } => show_mac_page(target, now, &filter, cursor, limit),
        Command::ShowMacCount => Ok(show_mac_count(target)),
        Command::ShowSpanningTree { tree } => {
            tree::show(target, now, tree).map(Reply::SpanningTree)
        }
        Command::Why { port, tree } => {
            let number = known_port(target, &port)?.number;
            why::show(target, now, number, tree).map(Reply::Why)
        }
        Command::ShowVlan => Ok(show_vlan(target)),
        Command::ShowInterfaces { interface } => show_interfaces(target, interface.as_deref()),
        Command::ShowRunningConfig => Ok(Reply::RunningConfig {
            toml: config::to_toml(target.config()),
        }),
        Command::ShowVersion => Ok(Reply::Version(version(target, now))),
        Command::ClearMac(filter) => clear_mac(target, now, &filter),
        Command::CheckMigration { interface } => check_migration(target, now, interface.as_deref()),
        Command::SetPort { port, settings } => set_port(target, now, &port, &settings),
        Command::SetSpanningTree(settings) => {
            let stp = target.config().stp.with(&settings).map_err(bad_value)?;
            target.configure_stp(now, stp);
            Ok(Reply::Done)
        }
        Command::SetAgeing { seconds } => {
            target.configure_ageing(now, config::ageing(seconds).map_err(bad_value)?);
            Ok(Reply::Done)
        }
        Command::SetStaticMac { vlan, mac, port } => {
            let entry = target.config().new_static_mac(vlan, mac, &port);
            target.insert_static(now, entry.map_err(bad_value)?)?;
            Ok(Reply::Done)
        }
        Command::RemoveStaticMac { vlan, mac } => match target.remove_static(now, vlan.id(), mac) {
            true => Ok(Reply::Done),
            false => Err(not_found(format!("{mac} is not pinned in VLAN {vlan}"))),
        },
        Command::AddPort {
            port,
            kind,
            settings,
        } => {
            let world = World::default();
            let added = target.config().new_port(&port, kind, &settings, world);
            let added = added.map_err(bad_value)?;
            let number = added.number.get();
            target.add_port(now, added)?;
            Ok(Reply::PortAdded { number })
        }
        Command::RemovePort { port } => {
            let number = known_port(target, &port)?.number;
            target.remove_port(now, number)?;
            Ok(Reply::Done)
        }
        Command::Events { .. } => Err(Error::new(
            ErrorCode::BadRequest,
            "events are a matter of the control socket",
        )),
    }
}

fn bad_value(error: KeyError) -> Error {
    Error::new(ErrorCode::BadValue, error.to_string())
}

fn not_found(message: String) -> Error {
    Error::new(ErrorCode::NotFound, message)
}

fn known_port<'a>(target: &'a impl Target, name: &str) -> Result<&'a PortConfig, Error> {
    let config = target.config();
    config.port(name).ok_or_else(|| {
        let names: Vec<&str> = config.ports.iter().map(|port| port.name.as_str()).collect();
        let hint = config::did_you_mean(name, &names);
        not_found(format!("there is no port '{name}'{hint}"))
    })
}

fn flush_of(target: &impl Target, filter: &MacFilter) -> Result<cam::Flush<PortNumber>, Error> {
    let port = filter
        .interface
        .as_deref()
        .map(|name| known_port(target, name));
    Ok(cam::Flush {
        port: port.transpose()?.map(|port| port.number),
        vlan: filter.vlan.map(VlanNumber::id),
        address: filter.mac,
    })
}

fn show_mac_page(
    target: &impl Target,
    now: Duration,
    filter: &MacFilter,
    cursor: u64,
    limit: u32,
) -> Result<Reply, Error> {
    let wanted = flush_of(target, filter)?;
    let switch = target.switch();
    let limit = limit.clamp(1, Command::PAGE_MAX) as usize;
    let cursor = usize::try_from(cursor).unwrap_or(usize::MAX);
    let (page, cursor) = match (wanted.vlan, wanted.address) {
        // One entry at most: no need to look at the others.
        (Some(vlan), Some(address)) => (
            switch.cam().entry(now, vlan, address).into_iter().collect(),
            None,
        ),
        _ => switch.cam().entries_from(now, cursor, limit),
    };
    let entries = page
        .into_iter()
        .filter(|entry| {
            wanted.vlan.is_none_or(|vlan| vlan == entry.vlan)
                && wanted.port.is_none_or(|port| port == entry.port)
                && wanted.address.is_none_or(|mac| mac == entry.address)
        })
        .filter_map(|entry| mac_entry(target, now, entry))
        .collect();
    Ok(Reply::MacPage {
        entries,
        cursor: cursor.map(|cursor| cursor as u64),
    })
}

/// `None` for entries of ports that are gone, of which there are none.
fn mac_entry(target: &impl Target, now: Duration, entry: Entry<PortNumber>) -> Option<MacEntry> {
    let port = target.switch().port(entry.port)?;
    let (origin, expires_ms) = match entry.origin {
        Origin::Dynamic { expires, .. } => (
            MacOrigin::Dynamic,
            Some(millis(expires.saturating_sub(now))),
        ),
        Origin::Static => (MacOrigin::Static, None),
        Origin::Local => (MacOrigin::Local, None),
    };
    Some(MacEntry {
        vlan: VlanNumber::from_id(entry.vlan)?,
        mac: entry.address,
        origin,
        port: port.settings().name.to_string(),
        expires_ms,
    })
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn show_mac_count(target: &impl Target) -> Reply {
    let stats = target.switch().cam().stats();
    Reply::MacCount(MacCount {
        dynamic: stats.held.dynamic as u64,
        static_: stats.held.r#static as u64,
        local: stats.held.local as u64,
        capacity: stats.capacity as u64,
        learned: stats.learned,
        moved: stats.moved,
        expired: stats.expired,
        evicted: stats.evicted,
        flushed: stats.flushed,
        rejected: stats.rejected,
    })
}

fn show_vlan(target: &impl Target) -> Reply {
    let switch = target.switch();
    let names = |ports: PortSet| -> Vec<String> {
        let ports = ports.iter().filter_map(|number| switch.port(number));
        ports.map(|port| port.settings().name.to_string()).collect()
    };
    let vlans = switch.vlans().named().filter_map(|(vid, row)| {
        Some(VlanLine {
            vlan: VlanNumber::from_id(vid)?,
            untagged: names(row.untagged),
            tagged: names(row.members.difference(&row.untagged)),
        })
    });
    Reply::Vlans {
        vlans: vlans.collect(),
    }
}

fn show_interfaces(target: &impl Target, only: Option<&str>) -> Result<Reply, Error> {
    let only = only.map(|name| known_port(target, name)).transpose()?;
    let interfaces = target
        .config()
        .ports
        .iter()
        .filter(|port| only.is_none_or(|only| only.number == port.number))
        .filter_map(|config| {
            let port = target.switch().port(config.number)?;
            let facts = target.port_facts(config.number)?;
            let rates = port.settings().rate;
            Some(Interface {
                number: config.number.get(),
                name: config.name.to_string(),
                kind: config.kind,
                enabled: port.settings().enabled,
                link: facts.link,
                mac: facts.mac,
                frame_max: facts.frame_max,
                mode: port.settings().mode.clone(),
                frames: acceptable(port),
                state: port.state(stp::TreeId::COMMON).to_string(),
                disabled: disabled(target, config.number),
                rate_in: rate(rates.input, rates.input_burst()),
                rate_out: rate(rates.output, rates.output_burst()),
                io: facts.io,
                counters: counters(port.counters()),
            })
        });
    Ok(Reply::Interfaces {
        interfaces: interfaces.collect(),
    })
}

/// Why a port is disabled although management enabled it. BPDU guard is spanning tree's: it has the port disabled in
/// every tree.
pub(super) fn disabled(target: &impl Target, number: PortNumber) -> Option<String> {
    let switch = target.switch();
    let by_protection = switch.port(number)?.disabled();
    let by_guard = || {
        let mut trees = switch.trees().into_iter();
        let inconsistent = trees.find_map(|tree| switch.port_in_tree(tree, number)?.inconsistent);
        (inconsistent == Some(stp::Inconsistency::BpduGuard)).then_some(DisableReason::BpduGuard)
    };
    let reason = by_protection.or_else(by_guard)?;
    Some(reason.name().to_owned())
}

fn acceptable(port: &Port) -> crate::vlan::AcceptableFrames {
    let settings = port.settings();
    settings
        .acceptable
        .unwrap_or(settings.mode.acceptable_frames())
}

fn rate(rate: Option<BitRate>, burst: Option<Burst>) -> Option<RateReply> {
    Some(RateReply {
        bits: rate?.get(),
        burst: burst?.get(),
    })
}

fn counters(counted: &PortCounters) -> Counters {
    let drops: BTreeMap<String, u64> = DropReason::ALL
        .iter()
        .map(|&reason| (reason.name().to_owned(), counted.drops(reason)))
        .filter(|&(_, frames)| frames > 0)
        .collect();
    Counters {
        rx_frames: counted.received_frames,
        rx_octets: counted.received_octets,
        tx_frames: counted.transmitted_frames,
        tx_octets: counted.transmitted_octets,
        drops,
    }
}

fn version(target: &impl Target, now: Duration) -> Version {
    let config = target.config();
    Version {
        switchd: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: PROTOCOL,
        name: config.name.clone(),
        pid: std::process::id(),
        uptime_ms: millis(now.saturating_sub(target.started())),
        mac: target.switch().bridge_config().address,
        ports: config.ports.len() as u64,
    }
}

fn clear_mac(target: &mut impl Target, now: Duration, filter: &MacFilter) -> Result<Reply, Error> {
    let flush = flush_of(target, filter)?;
    Ok(Reply::Cleared {
        count: target.flush(now, flush),
    })
}

fn check_migration(
    target: &mut impl Target,
    now: Duration,
    interface: Option<&str>,
) -> Result<Reply, Error> {
    let numbers: Vec<PortNumber> = match interface {
        Some(name) => vec![known_port(target, name)?.number],
        None => target
            .config()
            .ports
            .iter()
            .map(|port| port.number)
            .collect(),
    };
    for number in numbers {
        target.check_migration(now, number);
    }
    Ok(Reply::Done)
}

fn set_port(
    target: &mut impl Target,
    now: Duration,
    name: &str,
    settings: &PortSettings,
) -> Result<Reply, Error> {
    let changed = known_port(target, name)?
        .with(settings)
        .map_err(bad_value)?;
    target.configure_port(now, changed)?;
    Ok(Reply::Done)
}
