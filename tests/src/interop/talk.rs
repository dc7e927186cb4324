//! One of our switches between a root and nobody: what its two ports send, octet by octet.
//!
//! The test holds the far ends of its ports. To the first it speaks as a bridge that knows a better root, so that port
//! becomes the root port and the second a designated one.

use std::time::{Duration, Instant};

use labs::netns::Namespace;
use pnet_base::MacAddr;
use stp::{
    Bpdu, BpduTime, BridgeId, BridgePriority, ConfigBpdu, PortId, PortNumber, PortPriority,
    RstBpdu, RstRole, llc,
};

use crate::frames::Plug;
use crate::net::Net;
use crate::switch_process::SwitchProcess;

/// Root, and the bridge that tells of it.
pub const ROOT: MacAddr = MacAddr(2, 0, 0, 0xfe, 0, 1);
const TELLER: MacAddr = MacAddr(2, 0, 0, 0xfe, 0, 2);
/// The switch.
pub const OWN: MacAddr = MacAddr(2, 0, 0, 0xfe, 0, 3);
/// The root's priority; the switch has 32768.
pub const ROOT_PRIORITY: u16 = 4096;
/// The cost from the teller to the root, and that of the switch's first port.
pub const COSTS: [u32; 2] = [1000, 200];
/// The root's times, other than the switch's own: max age, hello time, forward delay.
pub const TIMES: [u64; 3] = [7, 1, 5];
/// How old the information is when it is told.
pub const MESSAGE_AGE: u64 = 1;
/// How often the teller speaks.
const PERIOD: Duration = Duration::from_millis(500);

/// What was sent by which port.
#[derive(Debug)]
pub struct Sent {
    /// Root port and designated port.
    pub ports: [Vec<Vec<u8>>; 2],
}

/// Lets a switch that speaks `protocol`, and is told of the root in that version, talk for `time`. `port` is what is said of
/// each of its ports.
///
/// # Panics
/// Without privilege, or when it does not start.
#[must_use]
pub fn talk(protocol: &str, port: &str, time: Duration) -> Sent {
    let mut net = Net::new();
    let namespace = net.namespace("talk");
    let names = ["p1", "p2"];
    let plugs = names.map(|name| Plug::new(&namespace, name));
    let _process = start(protocol, port, &namespace);
    let mut ports = [Vec::new(), Vec::new()];
    let (mut due, end) = (Instant::now(), Instant::now() + time);
    while Instant::now() < end {
        if Instant::now() >= due {
            due += PERIOD;
            plugs[0].send(&llc::frame(TELLER, &told(protocol)));
        }
        for (plug, sent) in plugs.iter().zip(&mut ports) {
            sent.extend(plug.receive_groups(Duration::from_millis(20)));
        }
    }
    Sent { ports }
}

fn start(protocol: &str, port: &str, namespace: &Namespace) -> SwitchProcess {
    let own = OWN.to_string();
    let ports = [format!("p1:cost={}{port}", COSTS[1]), format!("p2{port}")];
    let mut arguments = vec![
        "--address",
        &own,
        "--protocol",
        protocol,
        "--hello",
        "1",
        "--max-age",
        "6",
        "--forward-delay",
        "4",
    ];
    arguments.push("--packet");
    arguments.extend(ports.iter().map(String::as_str));
    SwitchProcess::start(namespace, "talk", &arguments)
}

/// What the teller says.
fn told(protocol: &str) -> Bpdu {
    let seconds = |time: u64| BpduTime::at_least(Duration::from_secs(time));
    let priority = |value| BridgePriority::new(value).expect("legal");
    let number = PortNumber::new(7).expect("legal");
    let config = ConfigBpdu {
        root: BridgeId::new(priority(ROOT_PRIORITY), ROOT),
        root_path_cost: COSTS[0],
        bridge: BridgeId::new(priority(8192), TELLER),
        port: PortId::new(PortPriority::default(), number),
        message_age: seconds(MESSAGE_AGE),
        max_age: seconds(TIMES[0]),
        hello_time: seconds(TIMES[1]),
        forward_delay: seconds(TIMES[2]),
        topology_change_acknowledgment: false,
        topology_change: false,
    };
    if matches!(protocol, "rstp" | "mstp") {
        Bpdu::Rst(RstBpdu {
            config,
            proposal: true,
            role: RstRole::Designated,
            learning: false,
            forwarding: false,
            agreement: false,
            epoch: None,
        })
    } else {
        Bpdu::Config(config)
    }
}
