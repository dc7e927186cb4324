//! Open vSwitch, its own database server and daemon, with the userspace datapath (`datapath_type=netdev`).

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pnet_base::MacAddr;

use super::daemon::Daemon;
use super::tool::{self, Package};
use super::{PeerError, PortStatus, Protocol, Tree, TreeView, view};
use crate::netns::Namespace;

const PACKAGE: &str = "openvswitch-switch";
const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";
/// How long a daemon may take until it answers; a few hundred milliseconds are usual.
const PATIENCE: Duration = Duration::from_secs(20);

/// What kind of port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OvsPort {
    /// A tap that Open vSwitch makes; its kernel end may be moved elsewhere.
    Tap,
    /// An interface of the namespace, such as a veth end.
    System,
}

/// A private Open vSwitch.
#[derive(Debug)]
pub struct Ovs {
    dir: PathBuf,
    // Fields are dropped in order: the switch before its database.
    switch: Daemon,
    _database: Daemon,
    /// Whether the bridges speak RSTP: the columns of port status differ.
    is_rapid: AtomicBool,
}

impl Ovs {
    /// Whether all of it is installed.
    ///
    /// # Errors
    /// [`PeerError::Missing`].
    pub fn installed() -> Result<(), PeerError> {
        for program in ["ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl"] {
            find(program)?;
        }
        find("ovsdb-tool")?;
        Ok(())
    }

    /// Starts a database and a switch without bridges in `namespace`; database, sockets and logs are kept in `dir`,
    /// which is made if absent and should have a path of at most 80 octets, for the sockets' sake.
    ///
    /// # Errors
    /// When Open vSwitch is missing or does not come up.
    pub fn start(namespace: &Namespace, dir: &Path) -> Result<Self, PeerError> {
        Self::installed()?;
        fs::create_dir_all(dir)
            .map_err(|source| PeerError::io(format!("make {}", dir.display()), source))?;
        let database_file = dir.join("conf.db");
        let mut create = Command::new(find("ovsdb-tool")?);
        create.arg("create").arg(&database_file).arg(SCHEMA);
        tool::run(None, &mut create, "")?;
        let socket = dir.join("db.sock");
        let mut command = daemon(dir, "ovsdb-server")?;
        command
            .arg(&database_file)
            .arg(format!("--remote=punix:{}", socket.display()))
            .arg(format!("--unixctl={}", dir.join("db.ctl").display()));
        let log = dir.join("db.log");
        let mut database = Daemon::start(namespace, "ovsdb-server", &mut command, &log)?;
        database.wait_until(PATIENCE, || listens(&socket))?;
        let mut command = daemon(dir, "ovs-vswitchd")?;
        command
            .arg(remote(dir))
            .arg(format!("--unixctl={}", dir.join("switch.ctl").display()));
        vsctl(dir, &["--no-wait", "init"])?;
        let log = dir.join("switch.log");
        let mut switch = Daemon::start(namespace, "ovs-vswitchd", &mut command, &log)?;
        switch.wait_until(PATIENCE, || listens(&dir.join("switch.ctl")))?;
        Ok(Self {
            dir: dir.to_owned(),
            switch,
            _database: database,
            is_rapid: AtomicBool::new(true),
        })
    }

    /// Adds a bridge of the userspace datapath, without spanning tree.
    ///
    /// # Errors
    /// When it is refused.
    pub fn add_bridge(&self, bridge: &str) -> Result<(), PeerError> {
        self.vsctl(&[
            "add-br",
            bridge,
            "--",
            "set",
            "bridge",
            bridge,
            "datapath_type=netdev",
        ])?;
        Ok(())
    }

    /// Adds ports in one transaction and waits until they are there. Spanning tree numbers them in this order from 1;
    /// left alone, in that of a hash. Once they are there a number can only change to one that is free.
    ///
    /// # Errors
    /// When it is refused.
    pub fn add_ports(&self, bridge: &str, ports: &[&str], kind: OvsPort) -> Result<(), PeerError> {
        let kind = match kind {
            OvsPort::Tap => "type=tap",
            OvsPort::System => "type=system",
        };
        let mut words = Vec::new();
        for (number, port) in (1..).zip(ports) {
            let key = |protocol| format!("other_config:{protocol}-port-num={number}");
            let add = ["--", "add-port", bridge, port].map(str::to_owned);
            let kind = ["--", "set", "interface", port, kind].map(str::to_owned);
            let set = ["--", "set", "port", port, &key("stp"), &key("rstp")].map(str::to_owned);
            words.extend(add.into_iter().chain(kind).chain(set));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.vsctl(&words)?;
        Ok(())
    }

    /// Switches spanning tree on.
    ///
    /// # Errors
    /// When it is refused.
    pub fn set_tree(&self, bridge: &str, tree: &Tree) -> Result<(), PeerError> {
        let (prefix, address, on, off) = match tree.protocol {
            Protocol::Stp => (
                "stp",
                "stp-system-id",
                "stp_enable=true",
                "rstp_enable=false",
            ),
            Protocol::Rstp => (
                "rstp",
                "rstp-address",
                "rstp_enable=true",
                "stp_enable=false",
            ),
        };
        let mut words: Vec<String> = ["set", "bridge", bridge, off, on].map(str::to_owned).into();
        let mut other = |key: &str, value: String| {
            words.push(format!("other_config:{key}={value}"));
        };
        other(&format!("{prefix}-priority"), tree.priority.to_string());
        let seconds = |time: Duration| time.as_secs().to_string();
        other(&format!("{prefix}-max-age"), seconds(tree.times.max_age()));
        other(
            &format!("{prefix}-forward-delay"),
            seconds(tree.times.forward_delay()),
        );
        if tree.protocol == Protocol::Stp {
            // Its RSTP has no such setting: hello time is 2 s.
            other("stp-hello-time", seconds(tree.times.hello_time()));
        }
        if let Some(mac) = tree.address {
            // The colons are part of the value, which therefore stands in quotes.
            other(address, format!("\"{mac}\""));
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.vsctl(&words)?;
        let is_rapid = tree.protocol == Protocol::Rstp;
        self.is_rapid.store(is_rapid, Ordering::Relaxed);
        Ok(())
    }

    /// Sets a port's path cost and priority for the protocol that [`set_tree`](Self::set_tree) chose last.
    ///
    /// # Errors
    /// When it is refused.
    pub fn set_port(&self, port: &str, cost: u32, priority: u8) -> Result<(), PeerError> {
        let prefix = match self.protocol() {
            Protocol::Stp => "stp",
            Protocol::Rstp => "rstp",
        };
        let cost = format!("other_config:{prefix}-path-cost={cost}");
        let priority = format!("other_config:{prefix}-port-priority={priority}");
        self.vsctl(&["set", "port", port, &cost, &priority])?;
        Ok(())
    }

    /// A port's role and state for the protocol that [`set_tree`](Self::set_tree) chose last.
    ///
    /// # Errors
    /// When there is no such port, or it takes no part in spanning tree.
    pub fn port(&self, port: &str) -> Result<PortStatus, PeerError> {
        let (column, role, state) = match self.protocol() {
            Protocol::Stp => ("status", "stp_role", "stp_state"),
            Protocol::Rstp => ("rstp_status", "rstp_port_role", "rstp_port_state"),
        };
        let text = self.vsctl(&["get", "port", port, column])?;
        match (value_of(&text, role), value_of(&text, state)) {
            (role, Some(state)) => Ok(PortStatus { role, state }),
            (_, None) => Err(PeerError::Refused {
                command: format!("ovs-vsctl get port {port} {column}"),
                said: format!("no spanning tree: {}", text.trim()),
            }),
        }
    }

    /// The tree of `bridge` at one instant, for the protocol that [`set_tree`](Self::set_tree) chose last. A port that
    /// takes no part, for want of carrier, may be missing.
    ///
    /// # Errors
    /// When there is no such bridge, or it has no spanning tree.
    pub fn tree(&self, bridge: &str) -> Result<TreeView, PeerError> {
        let show = match self.protocol() {
            Protocol::Stp => "stp/show",
            Protocol::Rstp => "rstp/show",
        };
        let text = self.appctl(&[show, bridge])?;
        view::of_ovs(&text).ok_or_else(|| PeerError::Refused {
            command: format!("ovs-appctl {show} {bridge}"),
            said: format!("no spanning tree: {text}"),
        })
    }

    /// The addresses `bridge` has learned, each with the number (`ofport`) of the port it points to.
    ///
    /// # Errors
    /// When there is no such bridge.
    pub fn addresses(&self, bridge: &str) -> Result<Vec<(MacAddr, u32)>, PeerError> {
        let text = self.appctl(&["fdb/show", bridge])?;
        // Columns: port, VLAN, MAC, age. The bridge's own addresses stand at port LOCAL.
        let entry = |line: &str| {
            let mut words = line.split_whitespace();
            let port = words.next()?.parse().ok()?;
            Some((words.nth(1)?.parse().ok()?, port))
        };
        Ok(text.lines().filter_map(entry).collect())
    }

    /// Makes the datapath decide anew about every frame. Of a port that has begun to forward by RSTP it may keep what it
    /// decided before, dropping frames of hosts for as long as they go on sending (Open vSwitch 3.1).
    ///
    /// # Errors
    /// When the switch does not answer.
    pub fn purge_flows(&self) -> Result<(), PeerError> {
        self.appctl(&["revalidator/purge"]).map(|_| ())
    }

    /// The number (`ofport`) of a port, as [`addresses`](Self::addresses) has it.
    ///
    /// # Errors
    /// When there is no such port.
    pub fn number_of(&self, port: &str) -> Result<u32, PeerError> {
        let text = self.vsctl(&["get", "interface", port, "ofport"])?;
        text.trim().parse().map_err(|_| PeerError::Refused {
            command: format!("ovs-vsctl get interface {port} ofport"),
            said: text,
        })
    }

    fn protocol(&self) -> Protocol {
        if self.is_rapid.load(Ordering::Relaxed) {
            Protocol::Rstp
        } else {
            Protocol::Stp
        }
    }

    /// `ovs-vsctl` with these words; what it printed.
    ///
    /// # Errors
    /// When it is refused.
    pub fn vsctl(&self, words: &[&str]) -> Result<String, PeerError> {
        vsctl(&self.dir, words)
    }

    /// `ovs-appctl` to the switch with these words: `rstp/show`, `stp/show`, `fdb/show br0`, …; what it printed.
    ///
    /// # Errors
    /// When it is refused.
    pub fn appctl(&self, words: &[&str]) -> Result<String, PeerError> {
        let mut command = daemon(&self.dir, "ovs-appctl")?;
        command.arg("--target").arg(self.dir.join("switch.ctl"));
        tool::run(None, command.args(words), "")
    }

    /// The process that forwards.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.switch.pid()
    }

    /// How it was started.
    #[must_use]
    pub fn command(&self) -> &str {
        self.switch.command()
    }
}

fn find(program: &'static str) -> Result<PathBuf, PeerError> {
    tool::find(Package {
        program,
        package: PACKAGE,
    })
}

/// A program of Open vSwitch that keeps everything in `dir`.
fn daemon(dir: &Path, program: &'static str) -> Result<Command, PeerError> {
    let mut command = Command::new(find(program)?);
    for variable in ["OVS_RUNDIR", "OVS_LOGDIR", "OVS_DBDIR"] {
        command.env(variable, dir);
    }
    Ok(command)
}

/// Whether somebody takes connections at `socket`: it is there a moment earlier.
fn listens(socket: &Path) -> bool {
    UnixStream::connect(socket).is_ok()
}

fn remote(dir: &Path) -> String {
    format!("unix:{}", dir.join("db.sock").display())
}

fn vsctl(dir: &Path, words: &[&str]) -> Result<String, PeerError> {
    let mut command = daemon(dir, "ovs-vsctl")?;
    command
        .arg(format!("--db={}", remote(dir)))
        .arg("--timeout=20");
    tool::run(None, command.args(words), "")
}

/// The value of a key in a map as `ovs-vsctl` prints it: `{stp_role=designated, stp_state=forwarding}`.
fn value_of(map: &str, key: &str) -> Option<String> {
    let inside = map.trim().strip_prefix('{')?.strip_suffix('}')?;
    inside.split(", ").find_map(|pair| {
        let value = pair.strip_prefix(key)?.strip_prefix('=')?;
        Some(value.trim_matches('"').to_ascii_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_by_whole_keys() {
        let map = "{rstp_port_id=\"8.001\", rstp_port_role=Root, rstp_port_state=Forwarding}\n";
        assert_eq!(value_of(map, "rstp_port_role").as_deref(), Some("root"));
        assert_eq!(value_of(map, "rstp_port_id").as_deref(), Some("8.001"));
        assert_eq!(value_of(map, "rstp_port"), None);
        assert_eq!(value_of("{}", "rstp_port_role"), None);
    }
}
