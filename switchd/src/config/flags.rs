//! The flags of `switchd`: the keys of a configuration file, for quick use.

use std::path::PathBuf;

use clap::{Parser, ValueHint};

use super::error::Origin;
use super::raw::{Entry, Group, RawConfig};

const AFTER_HELP: &str = "\
PORT is NAME[:OPTION…]:
  access=VLAN              one VLAN, untagged (default: access=1)
  trunk[=LIST]             tagged; LIST such as 10,20-29 (default all)
    native=VLAN            VLAN of untagged frames on a trunk (default 1)
    native-tagged          send the native VLAN tagged too
  hybrid                   any mixture:
    pvid=VLAN tagged=LIST untagged=LIST
  dot1q-tunnel=VLAN        carry whatever comes, tagged or not, in one VLAN
  frames=all|tagged|untagged   which frames to take in
  cost=N priority=N edge   spanning tree: path cost, port priority, port to a host
  point-to-point=auto|on|off auto-edge=off   what the rapid protocols take the link for
  bpdu-guard root-guard loop-guard bridge-assurance tcn-guard bpdu-filter
                           what spanning tree is to distrust (docs/TREES.md)
  storm-broadcast=N storm-multicast=N storm-unknown-unicast=N storm-action=drop|shutdown
                           flooded frames a second the port takes at most
  loop-detection=off|log|shutdown   addresses that flap give a loop away [default: log]
  rate=RATE rate-in=RATE rate-out=RATE burst=SIZE
                           how much the port takes in and sends, as in 100Mbit or 1Gbit [burst: 20 ms of it]
  number=N mac=MAC down    port number, address, administratively down
  offload=on|off           whether unfinished frames cross the port
  listen=PATH connect=PATH     stream: where it listens for its peer, or its peer does
  local=ADDRESS remote=ADDRESS dgram: paths; udp: IP:PORT
  fd=N                     descriptor N of the process: a tap, or a socket with its peer

Examples:
  switchd p1 p2 p3                         three taps, every port in VLAN 1
  switchd --tap p1 p2:access=10 --packet veth0:trunk=10,20:native=1
  switchd p1 --stream vm1:listen=/run/vm1.sock --udp vm2:local=127.0.0.1:5000:remote=127.0.0.1:5001
  qemu … -netdev stream,id=n0,server=off,addr.type=unix,addr.path=/run/vm1.sock -device virtio-net,netdev=n0
  switchd --name sw2 --priority 4096 --hello 1 --max-age 6 --forward-delay 4 veth1 veth2
  switchd --config sw1.toml --check        says what is wrong with a file, starts nothing

A configuration file has the same keys:
  [switch]                 [stp]                  [[port]]
  name = \"sw1\"             protocol = \"rstp\"      name = \"p2\"
  [cam]                    priority = 32768       kind = \"tap\"
  ageing = 300             hello = 2              access = 10

`switchctl sw1 show spanning-tree` asks the running switch; `switchctl --help` has more.
Ports need CAP_NET_ADMIN (tap) and CAP_NET_RAW (packet): run as root, or in `unshare -rn`.
Exit codes: 0 after SIGTERM or SIGINT, 1 when the world refuses, 2 for usage and configuration.";

/// One Ethernet switch, one process.
#[derive(Debug, Clone, Default, Parser)]
#[command(name = "switchd", version, after_help = AFTER_HELP)]
pub struct Flags {
    /// Configuration file (TOML); flags beat it
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Check the configuration, say what is wrong with it, and stop
    #[arg(long)]
    pub check: bool,
    /// Name of the switch, and of its control socket [default: sw1]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Directory of control sockets [default: $ALGORHYME_RUN_DIR, /run/algorhyme or $XDG_RUNTIME_DIR/algorhyme]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub run_dir: Option<String>,
    /// Address of the bridge [default: made from name and machine]
    #[arg(long, value_name = "MAC")]
    pub address: Option<String>,
    /// How frames are moved: uring (many per system call, by io_uring; at packet ports received in memory shared with the
    /// kernel, a ring of 4 MiB each; plain where the kernel has none) or plain (at taps one by one, at packet ports by
    /// recvmmsg and sendmmsg) [default: uring]
    #[arg(long, value_name = "uring|plain")]
    pub io: Option<String>,
    /// Forwarding threads, 0..64: ports are dealt out to them by number, and what else the switch does keeps a thread of its
    /// own; 0: one thread does everything [default: 0]
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
    /// Whether frames with unfinished checksums and super-frames of up to 64 KiB cross the ports whole; off: a
    /// tap's host finishes its frames, and the switch those that come from elsewhere [default: on]
    #[arg(long, value_name = "on|off")]
    pub offload: Option<String>,
    /// Ports made as tap devices, removed at exit
    #[arg(long, value_name = "PORT", num_args = 1..)]
    pub tap: Vec<String>,
    /// Ports on interfaces that exist: veth, NIC
    #[arg(long, value_name = "PORT", num_args = 1..)]
    pub packet: Vec<String>,
    /// Ports that are unix stream sockets, each frame behind its length (4 octets, big-endian), as QEMU's
    /// `-netdev stream` has it; say listen=PATH or connect=PATH
    #[arg(long, value_name = "PORT", num_args = 1..)]
    pub stream: Vec<String>,
    /// Ports that are unix datagram sockets, a datagram a frame, as QEMU's `-netdev dgram` has it; say
    /// local=PATH:remote=PATH
    #[arg(long, value_name = "PORT", num_args = 1..)]
    pub dgram: Vec<String>,
    /// Ports that are UDP sockets, a datagram a frame, as QEMU and GNS3 have it; say
    /// local=IP:PORT:remote=IP:PORT
    #[arg(long, value_name = "PORT", num_args = 1..)]
    pub udp: Vec<String>,
    /// Ports on taps or sockets that somebody else has opened and handed over; say fd=N
    #[arg(long, value_name = "PORT", num_args = 1..)]
    pub fd: Vec<String>,
    /// Spanning tree, on or off [default: on]
    #[arg(long, value_name = "on|off")]
    pub stp: Option<String>,
    /// Which: off, stp, rstp, mstp, pvst, rapid-pvst [default: rstp]
    #[arg(long, value_name = "PROTOCOL")]
    pub protocol: Option<String>,
    /// MSTP: name of the region
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// MSTP: revision of the region, 0..65535 [default: 0]
    #[arg(long, value_name = "N")]
    pub revision: Option<String>,
    /// MSTP: VLANs of the instances, such as "1:10,20-29 2:30"; others go by the common tree
    #[arg(long, value_name = "ID:VLANS …")]
    pub instances: Option<String>,
    /// Bridge priorities of single instances or VLANs, such as "10:4096 20:8192"
    #[arg(long, value_name = "TREE:N …")]
    pub priorities: Option<String>,
    /// PVST: VLANs that have a tree besides those that ports name
    #[arg(long, value_name = "LIST")]
    pub vlans: Option<String>,
    /// Try a port again so long after a guard has disabled it, 1..86400 seconds [default: never]
    #[arg(long, value_name = "S")]
    pub guard_recovery: Option<String>,
    /// Rapid protocols: whether roots vouch for their word in numbered epochs, against counting to infinity [default: off]
    #[arg(long, value_name = "on|off")]
    pub epochs: Option<String>,
    /// MSTP: how many bridges deep the region may be, 6..40 [default: 20]
    #[arg(long, value_name = "N")]
    pub max_hops: Option<String>,
    /// RSTP, MSTP: BPDUs a port sends in a second at most, 1..10 [default: 6]
    #[arg(long, value_name = "N")]
    pub hold_count: Option<String>,
    /// Bridge priority, 0..61440 in steps of 4096 [default: 32768]
    #[arg(long, value_name = "N")]
    pub priority: Option<String>,
    /// Hello time, 1..10 seconds [default: 2]
    #[arg(long, value_name = "S")]
    pub hello: Option<String>,
    /// Max age, 6..40 seconds [default: 20]
    #[arg(long, value_name = "S")]
    pub max_age: Option<String>,
    /// Forward delay, 4..30 seconds [default: 15]
    #[arg(long, value_name = "S")]
    pub forward_delay: Option<String>,
    /// Ageing time of learned addresses, 10..1000000 seconds [default: 300]
    #[arg(long, value_name = "S")]
    pub ageing: Option<String>,
    /// How many addresses the switch can hold, 1..1000000 [default: 32768]
    #[arg(long, value_name = "N")]
    pub cam_capacity: Option<String>,
    /// Pin an address: MAC/VLAN/PORT
    #[arg(long, value_name = "MAC/VLAN/PORT", num_args = 1..)]
    pub static_mac: Vec<String>,
    /// Print a completion script for a shell and stop
    #[arg(long, value_name = "SHELL")]
    pub completions: Option<clap_complete::Shell>,
    /// More ports: what their options say, else packet if such an interface exists, else tap
    #[arg(value_name = "PORT")]
    pub ports: Vec<String>,
}

impl Flags {
    /// What the flags say, the file not read.
    #[must_use]
    pub fn raw(&self) -> RawConfig {
        let kinds = [
            ("--tap", Some("tap"), &self.tap),
            ("--packet", Some("packet"), &self.packet),
            ("--stream", Some("stream"), &self.stream),
            ("--dgram", Some("dgram"), &self.dgram),
            ("--udp", Some("udp"), &self.udp),
            ("--fd", Some("fd"), &self.fd),
            ("", None, &self.ports),
        ];
        let ports = kinds.into_iter().flat_map(|(flag, kind, ports)| {
            ports.iter().map(move |port| port_group(flag, kind, port))
        });
        RawConfig {
            switch: group([
                ("--name", "name", &self.name),
                ("--run-dir", "run-dir", &self.run_dir),
                ("--address", "address", &self.address),
                ("--io", "io", &self.io),
                ("--workers", "workers", &self.workers),
                ("--offload", "offload", &self.offload),
            ]),
            stp: group([
                ("--stp", "enabled", &self.stp),
                ("--protocol", "protocol", &self.protocol),
                ("--region", "region", &self.region),
                ("--revision", "revision", &self.revision),
                ("--instances", "instances", &self.instances),
                ("--priorities", "priorities", &self.priorities),
                ("--vlans", "vlans", &self.vlans),
                ("--guard-recovery", "guard-recovery", &self.guard_recovery),
                ("--epochs", "epochs", &self.epochs),
                ("--max-hops", "max-hops", &self.max_hops),
                ("--hold-count", "hold-count", &self.hold_count),
                ("--priority", "priority", &self.priority),
                ("--hello", "hello", &self.hello),
                ("--max-age", "max-age", &self.max_age),
                ("--forward-delay", "forward-delay", &self.forward_delay),
            ]),
            cam: group([
                ("--ageing", "ageing", &self.ageing),
                ("--cam-capacity", "capacity", &self.cam_capacity),
            ]),
            ports: ports.collect(),
            static_macs: self
                .static_mac
                .iter()
                .map(|text| static_group(text))
                .collect(),
        }
    }
}

fn group<const N: usize>(flags: [(&str, &str, &Option<String>); N]) -> Vec<Group> {
    let entries: Vec<Entry> = flags
        .into_iter()
        .filter_map(|(flag, key, value)| {
            Some(Entry {
                key: key.to_owned(),
                value: Some(value.clone()?),
                at: Origin::Flag(flag.to_owned()),
            })
        })
        .collect();
    match entries.is_empty() {
        true => Vec::new(),
        false => vec![Group {
            title: String::new(),
            at: entries[0].at.clone(),
            entries,
        }],
    }
}

/// `MAC/VLAN/PORT`, as far as it goes: what is missing is found by the check.
fn static_group(text: &str) -> Group {
    let at = Origin::Flag(format!("--static-mac {text}"));
    let entries = ["mac", "vlan", "port"]
        .into_iter()
        .zip(text.splitn(3, '/'))
        .map(|(key, value)| Entry {
            key: key.to_owned(),
            value: Some(value.to_owned()),
            at: at.clone(),
        })
        .collect();
    Group {
        title: String::new(),
        at,
        entries,
    }
}

fn port_group(flag: &str, kind: Option<&str>, text: &str) -> Group {
    let separator = if flag.is_empty() { "" } else { " " };
    let at = Origin::Flag(format!("{flag}{separator}{text}"));
    let mut entries = parse_port(text, &at);
    if let Some(kind) = kind {
        entries.push(Entry {
            key: "kind".to_owned(),
            value: Some(kind.to_owned()),
            at: at.clone(),
        });
    }
    Group {
        title: String::new(),
        at,
        entries,
    }
}

/// Takes `NAME[:OPTION[=VALUE]…]` apart. An address after `mac=`, `local=` and `remote=` keeps its colons.
#[must_use]
pub fn parse_port(text: &str, at: &Origin) -> Vec<Entry> {
    let entry = |key: &str, value: Option<String>| Entry {
        key: key.to_owned(),
        value,
        at: at.clone(),
    };
    let mut parts = text.split(':').peekable();
    let name = parts.next().unwrap_or_default();
    let mut entries = vec![entry("name", Some(name.to_owned()))];
    while let Some(part) = parts.next() {
        let (key, value) = match part.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (part, None),
        };
        let mut value = value.map(str::to_owned);
        if let ("mac", Some(mac)) = (key, &mut value) {
            let is_octet =
                |part: &&str| part.len() == 2 && part.bytes().all(|c| c.is_ascii_hexdigit());
            while let Some(octet) = parts.next_if(is_octet) {
                mac.push(':');
                mac.push_str(octet);
            }
        }
        if let ("local" | "remote", Some(address)) = (key, &mut value) {
            // An IPv6 address up to its bracket, and the number of the port.
            let is_rest = |address: &str, part: &str| {
                let is_open = address.starts_with('[') && !address.ends_with(']');
                let is_number = !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
                is_open || is_number
            };
            while let Some(more) = parts.next_if(|part| is_rest(address, part)) {
                address.push(':');
                address.push_str(more);
            }
        }
        entries.push(entry(key, value));
    }
    entries
}
