//! What a device takes to be there: processor time and memory, and how long until it works.

use std::time::{Duration, Instant};

use nix::net::if_::if_nametoindex;
use switchd::TrafficSocket;

use crate::bench::bed::{Bed, station};
use crate::bench::dut::{Device, Dut, Medium};
use crate::bench::traffic::{Addresses, ETHER_TYPE, FRAME_MIN, Header};
use crate::bench::{BenchError, usage};
use crate::netns::{self, Namespace, VethEnd};

use super::{Figures, PORTS, Setting, joined, learning};

/// How long a device may take until it relays.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a frame is tried.
const POLL: Duration = Duration::from_micros(300);

/// Idle processor time, memory, and the time from exec to the first frame relayed.
pub(in crate::bench) fn footprint(setting: &Setting<'_>, dut: Dut) -> Result<Figures, BenchError> {
    let mut figures = Figures::default();
    let first = first_frame(setting, dut)?;
    figures.put("first-frame", first.as_secs_f64() * 1000.0);
    let bed = Bed::start(setting.plan, dut, PORTS, "-idle")?;
    let Some(pid) = bed.devices.first().and_then(Device::pid) else {
        return Ok(figures);
    };
    figures.put_some("rss", usage::resident_mib(pid));
    let begin = bed.device_time();
    std::thread::sleep(setting.times.idle);
    let used = begin
        .zip(bed.device_time())
        .map(|(begin, end)| (end - begin).as_secs_f64());
    let seconds = setting.times.idle.as_secs_f64();
    figures.put_some("idle", used.map(|used| 100.0 * used / seconds));
    learning::teach_footprint(&bed)?;
    figures.put_some("rss-100k", usage::resident_mib(pid));
    Ok(figures)
}

/// From starting the device with eight ports to the first frame that goes in at the first port and comes out at the
/// last. Taps are tried as soon as they exist; veth pairs are there before.
fn first_frame(setting: &Setting<'_>, dut: Dut) -> Result<Duration, BenchError> {
    let scratch = setting.plan.scratch;
    let node = |node: &str| format!("{}-first-{node}", dut.name());
    let switch = scratch.namespace(&node("sw"))?;
    let hosts = scratch.namespace(&node("hosts"))?;
    let names: Vec<String> = (1..=PORTS).map(|port| format!("p{port}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let at = match dut.medium() {
        Medium::Tap => &switch,
        Medium::Veth => {
            for name in &names {
                netns::add_veth(VethEnd::new(&switch, name), VethEnd::new(&hosts, name))?;
            }
            &hosts
        }
    };
    let dir = scratch.dir().join(format!("{}-first", dut.name()));
    let begin = Instant::now();
    let (device, first) = std::thread::scope(|scope| {
        let probe = scope.spawn(|| probe(at, names[0], names[PORTS - 1], begin));
        let args = setting.plan.switchd_args;
        let device = Device::launch(dut, &switch, &names, &dir, args);
        (device, joined(probe))
    });
    let first = device.map(drop).and(first);
    for namespace in [switch, hosts] {
        Namespace::remove(namespace.name())?;
    }
    let _ = std::fs::remove_dir_all(&dir);
    first?.ok_or(BenchError::Silent {
        dut: dut.name(),
        port: 1,
    })
}

/// Waits for both interfaces, sets them up, and sends from one until something comes at the other.
fn probe(
    namespace: &Namespace,
    from: &str,
    to: &str,
    begin: Instant,
) -> Result<Option<Duration>, BenchError> {
    let net = namespace.net()?;
    let indexes = namespace.run(|| {
        while begin.elapsed() < PATIENCE {
            if let (Ok(from), Ok(to)) = (if_nametoindex(from), if_nametoindex(to)) {
                return Some((from, to));
            }
            std::thread::sleep(POLL);
        }
        None
    })?;
    let Some((source, destination)) = indexes else {
        return Ok(None);
    };
    net.set_up(from, true)?;
    net.set_up(to, true)?;
    namespace
        .run(|| try_frames(source, destination, begin))?
        .map_err(|source| BenchError::io("send the first frame", source))
}

fn try_frames(from: u32, to: u32, begin: Instant) -> std::io::Result<Option<Duration>> {
    let (source, sink) = (
        TrafficSocket::sender(from)?,
        TrafficSocket::receiver(to, ETHER_TYPE)?,
    );
    let mut frame = [0; FRAME_MIN];
    let header = Header {
        stream: 1,
        sequence: 0,
        time: 0,
    };
    header.write(&mut frame, Addresses::broadcast().nth(0), station(1).nth(0));
    let (mut place, mut length) = ([0; FRAME_MIN], [0]);
    while begin.elapsed() < PATIENCE {
        // Refused while the device is not ready: that is what is waited for.
        let _ = source.send(&frame, FRAME_MIN);
        std::thread::sleep(POLL);
        if sink.receive(&mut place, FRAME_MIN, &mut length).is_ok() {
            return Ok(Some(begin.elapsed()));
        }
    }
    Ok(None)
}
