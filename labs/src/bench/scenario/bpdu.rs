//! Spanning tree under flood: how long a neighbour waits for the answer to a BPDU while every port is flooded.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pnet_base::MacAddr;
use stp::{
    Bpdu, BpduTime, BridgeId, BridgePriority, ConfigBpdu, PortId, PortNumber, PortPriority,
    RstBpdu, RstRole, llc,
};
use switchd::TrafficSocket;

use crate::bench::BenchError;
use crate::bench::bed::{Bed, Host, Plan, station};
use crate::bench::dut::Dut;
use crate::bench::traffic::Addresses;

use super::{Figures, PORTS, Setting, joined};

/// BPDUs sent, one after the other: fewer than a bridge may send on end (802.1D-2004, 17.13.12), or its answers would
/// wait for its clock.
const PROBES: usize = 8;
const HOLD_COUNT: &str = "10";
const EVERY: Duration = Duration::from_millis(250);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// `ETH_P_802_2`: frames that say their length where others say a type.
const LLC_FRAMES: u16 = 0x0004;
/// Octets read of an answer.
const STRIDE: usize = 64;

/// The stations of all ports but the first flood all ports with broadcasts. The first plays a bridge that is to be the
/// root and proposes; a rapid bridge answers each proposal at once (802.1D-2004, 17.29.2).
pub(in crate::bench) fn bpdu(setting: &Setting<'_>, dut: Dut) -> Result<Figures, BenchError> {
    let mut args = setting.plan.switchd_args.to_vec();
    let rapid = [
        "--stp",
        "on",
        "--protocol",
        "rstp",
        "--hold-count",
        HOLD_COUNT,
    ];
    args.extend(rapid.map(str::to_owned));
    let plan = Plan {
        switchd_args: &args,
        ..setting.plan
    };
    let bed = Bed::start(plan, dut, PORTS, "-bpdu")?;
    let before: u64 = bed.received(1)?;
    let begin = Instant::now();
    let stop = AtomicBool::new(false);
    let answers = std::thread::scope(|scope| {
        let floods: Vec<_> = (2..=PORTS)
            .map(|port| {
                let flood = bed.stream(bed.number(), port, Addresses::broadcast());
                let (bed, stop) = (&bed, &stop);
                scope.spawn(move || bed.send_until(port, &flood, stop))
            })
            .collect();
        let host = bed.host(1);
        let answers = host.namespace.run(|| probe(host));
        stop.store(true, Ordering::Relaxed);
        let floods: Result<Vec<_>, _> = floods.into_iter().map(joined).collect();
        floods.map(|_| answers)
    })?;
    let mut waits = answers?.map_err(|source| BenchError::io("send BPDUs", source))?;
    let flooded = (bed.received(1)? - before) as f64 / begin.elapsed().as_secs_f64();
    waits.sort_unstable();
    let millis = |wait: Option<&Duration>| wait.map(|wait| wait.as_secs_f64() * 1000.0);
    let mut figures = Figures::default();
    figures.put("unanswered", (PROBES - waits.len()) as f64);
    figures.put_some("p50", millis(waits.get(waits.len() / 2)));
    figures.put_some("worst", millis(waits.last()));
    figures.put("flooded", flooded / 1000.0);
    Ok(figures)
}

/// Proposes and waits for agreement, again and again; how long each answer took.
fn probe(host: &Host) -> io::Result<Vec<Duration>> {
    let sender = TrafficSocket::sender(host.index)?;
    let answers = TrafficSocket::receiver(host.index, LLC_FRAMES)?;
    let [a, b, c, d, e, f] = station(1).nth(0);
    let proposal = llc::frame(
        MacAddr::new(a, b, c, d, e, f),
        &proposal(MacAddr::new(0x02, 0, 0, 0, 0, 1)),
    );
    let mut waits = Vec::new();
    for _ in 0..PROBES {
        std::thread::sleep(EVERY);
        // Hellos that came meanwhile are no answers.
        while answer(&answers)?.is_some() {}
        let begin = Instant::now();
        sender.send(&proposal, proposal.len())?;
        while begin.elapsed() < PATIENCE {
            if answer(&answers)?.is_some_and(agrees) {
                waits.push(begin.elapsed());
                break;
            }
            let mut ready = [PollFd::new(answers.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut ready, PollTimeout::from(10_u8));
        }
    }
    Ok(waits)
}

/// The BPDU of a root that has just come up: better than any.
fn proposal(root: MacAddr) -> Bpdu {
    let root = BridgeId::new(BridgePriority::MIN, root);
    let seconds = |seconds: u16| BpduTime::from_units(seconds * 256);
    Bpdu::Rst(RstBpdu {
        config: ConfigBpdu {
            root,
            root_path_cost: 0,
            bridge: root,
            port: PortId::new(PortPriority::MIN, PortNumber::MIN),
            message_age: BpduTime::ZERO,
            max_age: seconds(20),
            hello_time: seconds(2),
            forward_delay: seconds(15),
            topology_change_acknowledgment: false,
            topology_change: false,
        },
        proposal: true,
        role: RstRole::Designated,
        learning: false,
        forwarding: false,
        agreement: false,
        epoch: None,
    })
}

/// The next BPDU that is there, if one is.
fn answer(socket: &TrafficSocket) -> io::Result<Option<Bpdu>> {
    let (mut place, mut length) = ([0; STRIDE], [0]);
    match socket.receive(&mut place, STRIDE, &mut length) {
        Ok(_) => Ok(llc::unframe(&place[..STRIDE.min(length[0])]).ok()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn agrees(bpdu: Bpdu) -> bool {
    matches!(bpdu, Bpdu::Rst(rst) if rst.agreement && rst.role == RstRole::Root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_one_on_the_wire_and_no_answer() {
        let sent = proposal(MacAddr::new(2, 0, 0, 0, 0, 1));
        let frame = llc::frame(MacAddr::new(2, 0, 0, 0, 0, 2), &sent);
        assert!(frame.len() <= STRIDE);
        let read = llc::unframe(&frame).unwrap();
        assert_eq!(read, sent);
        assert!(!agrees(read));
    }
}
