//! What can be asked of a running switch.

use std::sync::Arc;

use crossbeam_channel::Sender;
use pnet_base::MacAddr;
use serde::{Deserialize, Serialize};

use super::reply::Reply;
use crate::config::{PortKind, PortSettings, StpSettings, VlanNumber};

/// Which tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreeChoice {
    /// The one that the frames of this VLAN go by.
    Vlan(VlanNumber),
    /// The instance of this number; 0 is the common tree.
    Mst(u16),
}

/// One question or order to a switch. Ports are named as configured; unknown keys are an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// The filtering database, entries matching the filter. Answered page by page.
    ShowMac(MacFilter),
    /// One page of the filtering database: at most `limit` slots looked at from `cursor` on.
    ShowMacPage {
        /// Which entries.
        #[serde(flatten)]
        filter: MacFilter,
        /// Where to go on: 0, then [`Reply::MacPage`]'s `cursor`.
        cursor: u64,
        /// Bound on the work of this page, 1..=[`PAGE_MAX`](Self::PAGE_MAX).
        limit: u32,
    },
    /// How many entries the filtering database has, by kind, and how they came and went.
    ShowMacCount,
    /// The spanning trees: roots, roles, states, timers, counters; all, or one.
    ShowSpanningTree {
        /// Only this one; left out: all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<TreeChoice>,
    },
    /// Why a port has its role and its state: the comparison that decided, or what holds it.
    Why {
        /// The port.
        port: String,
        /// In this tree only; left out: in all it is in.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tree: Option<TreeChoice>,
    },
    /// Every VLAN some port is in, and which ports.
    ShowVlan,
    /// Ports: state, mode and counters; all, or one.
    ShowInterfaces {
        /// Only this port.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
    },
    /// The live configuration, as the TOML file that would reproduce it.
    ShowRunningConfig,
    /// Program, protocol, process and uptime.
    ShowVersion,
    /// Forgets the learned entries matching the filter.
    ClearMac(MacFilter),
    /// Forgets that classic bridges were heard: rapid protocols find out again whether there are any.
    CheckMigration {
        /// Only on this port; left out: on all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interface: Option<String>,
    },
    /// Changes a live port; keys left out stay as they are.
    SetPort {
        /// The port.
        port: String,
        /// What to change.
        #[serde(flatten)]
        settings: PortSettings,
    },
    /// Changes the spanning tree; keys left out stay as they are.
    SetSpanningTree(StpSettings),
    /// Changes the ageing time of learned entries.
    SetAgeing {
        /// 10..=1_000_000.
        seconds: u64,
    },
    /// Pins an address to a port: it is neither aged nor moved.
    SetStaticMac {
        /// The VLAN.
        vlan: VlanNumber,
        /// The address, not a group address.
        mac: MacAddr,
        /// The port.
        port: String,
    },
    /// Removes a pinned address.
    RemoveStaticMac {
        /// The VLAN.
        vlan: VlanNumber,
        /// The address.
        mac: MacAddr,
    },
    /// Adds a port to the running switch.
    AddPort {
        /// Its name, and that of its interface.
        port: String,
        /// What it is made of; left out: `packet` if such an interface exists, else `tap`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kind: Option<PortKind>,
        /// The rest.
        #[serde(flatten)]
        settings: PortSettings,
    },
    /// Removes a port, and its tap device if it has one.
    RemovePort {
        /// The port.
        port: String,
    },
    /// Subscribes this connection to the event stream.
    Events {
        /// Sequence number to start from; left out: only what happens from now on.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
    },
}

impl Command {
    /// The most slots one [`Command::ShowMacPage`] looks at: some tens of microseconds of the loop.
    pub const PAGE_MAX: u32 = 512;
}

/// Which entries of the filtering database; a field left out matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MacFilter {
    /// Entries of this VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<VlanNumber>,
    /// Entries that point to this port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Entries of this address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
}

/// Why a request was refused, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// The line is no request: not JSON, not an object, too long, an unknown command or key.
    BadRequest,
    /// A value out of its range, or settings that contradict each other.
    BadValue,
    /// No such port or entry.
    NotFound,
    /// A port, number or address that is already taken.
    Exists,
    /// The table or the switch is full.
    Full,
    /// The kernel refused: interface missing, privilege missing, device busy.
    System,
    /// The switch is stopping.
    Stopping,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// For programs.
    pub code: ErrorCode,
    /// For people: names the key, the bad value and the legal range.
    pub message: String,
}

impl Error {
    /// An error of this kind with this text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

/// One command on its way to the loop thread, with the way back.
#[derive(Debug)]
pub struct Request {
    /// What is asked. Never [`Command::ShowMac`] or [`Command::Events`] when it comes from a
    /// [`Server`](crate::control): the control thread turns the first into pages and answers the second itself.
    pub command: Command,
    responder: Responder,
}

impl Request {
    /// A request whose answer goes to `responder`.
    #[must_use]
    pub const fn new(command: Command, responder: Responder) -> Self {
        Self { command, responder }
    }

    /// Splits into the command and the way back.
    #[must_use]
    pub fn into_parts(self) -> (Command, Responder) {
        (self.command, self.responder)
    }
}

/// Carries one answer back to whoever asked. Dropped unused, the asker learns that the switch is stopping.
pub struct Responder {
    ticket: u64,
    answers: Sender<(u64, Result<Reply, Error>)>,
    wake: Arc<dyn Fn() + Send + Sync>,
    answered: bool,
}

impl Responder {
    /// Answers arrive on `answers` together with `ticket`; `wake` is called after each.
    #[must_use]
    pub fn new(
        ticket: u64,
        answers: Sender<(u64, Result<Reply, Error>)>,
        wake: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            ticket,
            answers,
            wake,
            answered: false,
        }
    }

    /// Sends the answer. Never blocks: the asker keeps room for as many answers as it has questions open.
    pub fn answer(mut self, result: Result<Reply, Error>) {
        self.send(result);
    }

    fn send(&mut self, result: Result<Reply, Error>) {
        self.answered = true;
        // An error means that nobody waits for the answer any more.
        let _ = self.answers.try_send((self.ticket, result));
        (self.wake)();
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.answered {
            self.send(Err(Error::new(
                ErrorCode::Stopping,
                "the switch is stopping",
            )));
        }
    }
}

impl core::fmt::Debug for Responder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Responder")
            .field("ticket", &self.ticket)
            .field("answered", &self.answered)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(json: &str, command: &Command) {
        assert_eq!(&serde_json::from_str::<Command>(json).unwrap(), command);
        assert_eq!(serde_json::to_string(command).unwrap(), json);
    }

    #[test]
    fn commands_have_the_documented_json_shape() {
        round_trip(r#"{"command":"show-version"}"#, &Command::ShowVersion);
        round_trip(
            r#"{"command":"show-mac","vlan":10}"#,
            &Command::ShowMac(MacFilter {
                vlan: VlanNumber::new(10),
                ..MacFilter::default()
            }),
        );
        round_trip(
            r#"{"command":"events","since":0}"#,
            &Command::Events { since: Some(0) },
        );
        round_trip(
            r#"{"command":"set-port","port":"p1","trunk":"10,20-29","native-tagged":true}"#,
            &Command::SetPort {
                port: "p1".to_owned(),
                settings: PortSettings {
                    trunk: Some("10,20-29".parse().unwrap()),
                    native_tagged: Some(true),
                    ..PortSettings::default()
                },
            },
        );
        round_trip(
            r#"{"command":"set-static-mac","vlan":10,"mac":"52:54:00:00:00:05","port":"p1"}"#,
            &Command::SetStaticMac {
                vlan: VlanNumber::new(10).unwrap(),
                mac: MacAddr::new(0x52, 0x54, 0, 0, 0, 5),
                port: "p1".to_owned(),
            },
        );
    }

    #[test]
    fn a_dropped_responder_says_that_the_switch_is_stopping() {
        let (answers, received) = crossbeam_channel::bounded(1);
        drop(Responder::new(7, answers, Arc::new(|| {})));
        let (ticket, result) = received.try_recv().unwrap();
        assert_eq!((ticket, result.unwrap_err().code), (7, ErrorCode::Stopping));
    }
}
