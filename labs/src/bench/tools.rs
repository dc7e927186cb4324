//! Loads made by other people's programs: iperf3 for TCP, sockperf for round trips.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::BenchError;
use super::bed::{Bed, address};
use crate::lab::program;
use crate::netns::Namespace;
use crate::peers::{Daemon, Package, PeerError};

pub(super) use crate::peers::find;

pub(super) const ETHTOOL: Package = Package {
    program: "ethtool",
    package: "ethtool",
};
pub(super) const IPERF: Package = Package {
    program: "iperf3",
    package: "iperf3",
};
pub(super) const SOCKPERF: Package = Package {
    program: "sockperf",
    package: "sockperf",
};

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);
const IPERF_PORT: u16 = 5201;
const SOCKPERF_PORT: u16 = 11_111;

/// What a TCP run carried.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Tcp {
    pub(super) gbit_per_s: f64,
    pub(super) gigabytes: f64,
}

/// Round trips, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct RoundTrips {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// TCP between hosts for `time`, one connection for each pair, all at once; the sum.
pub(super) fn iperf(
    bed: &Bed,
    pairs: &[(usize, usize)],
    time: Duration,
) -> Result<Tcp, BenchError> {
    let mut servers = Vec::new();
    for &(_, to) in pairs {
        servers.push(iperf_server(bed, to)?);
    }
    let clients = pairs.iter().map(|&(from, to)| {
        let mut command = Command::new(find(IPERF)?);
        let seconds = format!("{}", time.as_secs().max(1));
        command.args(["-c", &address(to).to_string(), "-J", "-t", &seconds]);
        command.args(["--connect-timeout", "3000"]);
        start(&bed.host(from).namespace, &mut command)
    });
    let clients: Vec<_> = clients.collect::<Result<_, BenchError>>()?;
    let mut sum = Tcp::default();
    for client in clients {
        let output = client
            .wait_with_output()
            .map_err(|source| BenchError::io("wait for iperf3", source))?;
        let tcp = read_iperf(&String::from_utf8_lossy(&output.stdout))?;
        sum.gbit_per_s += tcp.gbit_per_s;
        sum.gigabytes += tcp.gigabytes;
    }
    Ok(sum)
}

fn iperf_server(bed: &Bed, port: usize) -> Result<Daemon, BenchError> {
    let namespace = &bed.host(port).namespace;
    let mut command = Command::new(find(IPERF)?);
    command.args(["-s", "-1", "-B", &address(port).to_string()]);
    let log = bed.dir.join(format!("iperf3-{port}.log"));
    let mut server = Daemon::start(namespace, "iperf3", &mut command, &log)?;
    server.wait_until(PATIENCE, || listens(namespace, "tcp", IPERF_PORT))?;
    Ok(server)
}

fn read_iperf(text: &str) -> Result<Tcp, BenchError> {
    let json: Value = serde_json::from_str(text).unwrap_or(Value::Null);
    let received = &json["end"]["sum_received"];
    match (
        received["bits_per_second"].as_f64(),
        received["bytes"].as_f64(),
    ) {
        (Some(bits), Some(octets)) => Ok(Tcp {
            gbit_per_s: bits / 1e9,
            gigabytes: octets / 1e9,
        }),
        _ => Err(BenchError::Load {
            program: "iperf3",
            said: json["error"].as_str().unwrap_or(text.trim()).to_owned(),
        }),
    }
}

/// UDP round trips of 64 octets between the hosts of ports 1 and 2, one at a time.
pub(super) fn sockperf(bed: &Bed, time: Duration) -> Result<RoundTrips, BenchError> {
    let to = address(2).to_string();
    let port = SOCKPERF_PORT.to_string();
    let mut command = Command::new(find(SOCKPERF)?);
    command.args(["server", "-i", &to, "-p", &port]);
    let log = bed.dir.join("sockperf.log");
    let namespace = &bed.host(2).namespace;
    let mut server = Daemon::start(namespace, "sockperf", &mut command, &log)?;
    server.wait_until(PATIENCE, || listens(namespace, "udp", SOCKPERF_PORT))?;
    let mut command = Command::new(find(SOCKPERF)?);
    command.args([
        "ping-pong",
        "-i",
        &to,
        "-p",
        &port,
        "--full-rtt",
        "-m",
        "64",
    ]);
    command.args(["-t", &time.as_secs().max(1).to_string()]);
    let output = run(&bed.host(1).namespace, &mut command, Path::new("sockperf"))?;
    read_sockperf(&String::from_utf8_lossy(&output.stdout))
}

/// `sockperf: ---> percentile 50.000 =   21.123`
fn read_sockperf(text: &str) -> Result<RoundTrips, BenchError> {
    let percentile = |wanted: &str| -> Option<f64> {
        let line = text
            .lines()
            .find(|line| line.contains(&format!("percentile {wanted} ")))?;
        line.split_once('=')?.1.trim().parse().ok()
    };
    match (percentile("50.000"), percentile("99.000")) {
        (Some(p50), Some(p99)) => Ok(RoundTrips { p50, p99 }),
        _ => Err(BenchError::Load {
            program: "sockperf",
            said: text.trim().to_owned(),
        }),
    }
}

/// A loop of lowest priority on every core for as long as it lives: cores that sleep between two frames would be
/// what is measured.
#[derive(Debug)]
pub(super) struct Awake {
    _loops: Vec<Daemon>,
}

impl Awake {
    pub(super) fn keep(bed: &Bed) -> Result<Self, BenchError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut loops = Vec::new();
        for core in 0..cores {
            let mut command = Command::new("nice");
            command.args(["-n", "19"]).arg(program("labs")?);
            command.args(["spin", &core.to_string()]);
            let log = bed.dir.join(format!("spin-{core}.log"));
            loops.push(Daemon::start(&bed.switch, "nice", &mut command, &log)?);
        }
        Ok(Self { _loops: loops })
    }
}

/// Whether something listens on a port in `namespace`: state 0A of TCP, 07 of UDP, in `/proc/net`.
fn listens(namespace: &Namespace, protocol: &str, port: u16) -> bool {
    let state = if protocol == "tcp" { "0A" } else { "07" };
    let read = || std::fs::read_to_string(format!("/proc/thread-self/net/{protocol}"));
    let Ok(Ok(text)) = namespace.run(read) else {
        return false;
    };
    text.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next().unwrap_or_default();
        local.ends_with(&format!(":{port:04X}")) && fields.nth(1) == Some(state)
    })
}

fn start(namespace: &Namespace, command: &mut Command) -> Result<std::process::Child, BenchError> {
    use std::os::unix::process::CommandExt;
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    Ok(namespace.spawn(command)?)
}

/// Runs a program to its end.
pub(super) fn run(
    namespace: &Namespace,
    command: &mut Command,
    name: &Path,
) -> Result<Output, BenchError> {
    let child = start(namespace, command)?;
    let output = child
        .wait_with_output()
        .map_err(|source| BenchError::io(format!("wait for {}", name.display()), source))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [&output.stdout[..], &output.stderr[..]].concat();
    Err(PeerError::Refused {
        command: format!("{command:?}"),
        said: String::from_utf8_lossy(&said).trim().to_owned(),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_programs_print_is_read() {
        let tcp =
            read_iperf(r#"{"end": {"sum_received": {"bytes": 5e9, "bits_per_second": 2e10}}}"#);
        assert_eq!(
            tcp.unwrap(),
            Tcp {
                gbit_per_s: 20.0,
                gigabytes: 5.0
            }
        );
        let refused = read_iperf(r#"{"error": "unable to connect"}"#).unwrap_err();
        assert!(refused.to_string().contains("unable to connect"));
        let text = "sockperf: ---> percentile 99.900 =   90.5\nsockperf: ---> percentile 99.000 =   50.1\nsockperf: ---> percentile 50.000 =   21.123\n";
        let trips = read_sockperf(text).unwrap();
        assert_eq!((trips.p50, trips.p99), (21.123, 50.1));
        assert!(read_sockperf("no server").is_err());
    }
}
