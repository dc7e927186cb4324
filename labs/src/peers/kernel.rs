//! Linux's own bridge, made and asked by iproute2.

use std::process::Command;

use serde_json::Value;

use super::tool::{self, Package};
use super::{PeerError, PortStatus, Protocol, Tree, TreeView, view};
use crate::netns::Namespace;

const IP: Package = Package {
    program: "ip",
    package: "iproute2",
};

/// A bridge device in a namespace. It goes with its namespace.
#[derive(Debug)]
pub struct KernelBridge {
    namespace: Namespace,
    name: String,
}

impl KernelBridge {
    /// Whether what makes it is installed.
    ///
    /// # Errors
    /// [`PeerError::Missing`].
    pub fn installed() -> Result<(), PeerError> {
        tool::find(IP).map(|_| ())
    }

    /// Makes the bridge `name` over `ports`, interfaces of `namespace`, and sets all up; without spanning tree if `tree`
    /// is absent.
    ///
    /// # Errors
    /// When iproute2 is missing or the kernel refuses.
    pub fn create(
        namespace: &Namespace,
        name: &str,
        ports: &[&str],
        tree: Option<&Tree>,
    ) -> Result<Self, PeerError> {
        let this = Self {
            namespace: Namespace::open(namespace.name())?,
            name: name.to_owned(),
        };
        let mut lines = vec![format!("link add {name} type bridge")];
        if let Some(tree) = tree {
            lines.extend(this.tree_lines(tree)?);
        }
        for port in ports {
            lines.push(format!("link set {port} master {name}"));
            lines.push(format!("link set {port} up"));
        }
        lines.push(format!("link set {name} up"));
        this.batch(&lines)?;
        Ok(this)
    }

    fn tree_lines(&self, tree: &Tree) -> Result<Vec<String>, PeerError> {
        if tree.protocol == Protocol::Rstp {
            return Err(PeerError::Refused {
                command: format!("rstp on {}", self.name),
                said: "the kernel bridge speaks STP only".to_owned(),
            });
        }
        let name = &self.name;
        let centiseconds = |time: core::time::Duration| time.as_millis() / 10;
        let mut lines = vec![format!(
            "link set {name} type bridge hello_time {} max_age {} forward_delay {}",
            centiseconds(tree.times.hello_time()),
            centiseconds(tree.times.max_age()),
            centiseconds(tree.times.forward_delay()),
        )];
        lines.push(format!(
            "link set {name} type bridge priority {} stp_state 1",
            tree.priority
        ));
        if let Some(address) = tree.address {
            lines.push(format!("link set {name} address {address}"));
        }
        Ok(lines)
    }

    /// Sets a port's path cost and priority (0 to 63 for the kernel, which keeps the upper six bits of the octet).
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_port(&self, port: &str, cost: u32, priority: u8) -> Result<(), PeerError> {
        self.batch(&[format!(
            "link set {port} type bridge_slave cost {cost} priority {}",
            priority >> 2
        )])
    }

    /// A port's state, in the kernel's words; it does not tell roles.
    ///
    /// # Errors
    /// When it is no port of a bridge.
    pub fn port(&self, port: &str) -> Result<PortStatus, PeerError> {
        let facts = self.port_facts(port)?;
        match facts["state"].as_str() {
            Some(state) => Ok(PortStatus {
                role: None,
                state: state.to_owned(),
            }),
            None => Err(PeerError::Refused {
                command: format!("ip -j -d link show {port}"),
                said: format!("{port} is no port of a bridge"),
            }),
        }
    }

    /// What iproute2 knows of a port's spanning tree (`info_slave_data`): `state`, `cost`, `priority`, `root_id`,
    /// `bridge_id`, `hello_timer` and more.
    ///
    /// # Errors
    /// When there is no such interface.
    pub fn port_facts(&self, port: &str) -> Result<Value, PeerError> {
        let mut command = Command::new(tool::find(IP)?);
        command.args(["-j", "-d", "link", "show", port]);
        let text = tool::run(Some(&self.namespace), &mut command, "")?;
        let mut facts: Value = serde_json::from_str(&text).map_err(|error| PeerError::Refused {
            command: tool::shown(&command),
            said: error.to_string(),
        })?;
        Ok(facts[0]["linkinfo"]["info_slave_data"].take())
    }

    /// The whole tree at one instant; a port without carrier is `disabled`.
    ///
    /// # Errors
    /// When there is no such bridge any more.
    pub fn tree(&self) -> Result<TreeView, PeerError> {
        let mut command = Command::new(tool::find(IP)?);
        command.args(["-j", "-d", "link", "show"]);
        let text = tool::run(Some(&self.namespace), &mut command, "")?;
        view::of_kernel(&text, &self.name).ok_or_else(|| PeerError::Refused {
            command: tool::shown(&command),
            said: format!("no bridge {} in: {text}", self.name),
        })
    }

    /// Commands for `ip`, a line each, done in order by one process.
    ///
    /// # Errors
    /// When one is refused.
    pub fn batch(&self, lines: &[String]) -> Result<(), PeerError> {
        let mut command = Command::new(tool::find(IP)?);
        command.args(["-batch", "-"]);
        tool::run(Some(&self.namespace), &mut command, &lines.join("\n"))?;
        Ok(())
    }
}
