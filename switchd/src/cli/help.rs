//! What `switchctl --help` teaches, and what shells complete.

use clap::{Arg, Command};

/// The long help of `switchctl`.
pub const HELP: &str = "\
Ask and configure a running switchd.

Usage: switchctl [OPTIONS] NAME COMMAND…
       switchctl [OPTIONS] [list]
       switchctl [OPTIONS] watch MAC [--vlan V] [--for TIME] [--link A:P=B:Q]… [NAME|SOCKET…]
       switchctl completions bash|zsh|fish

Look:
  switchctl sw1 show mac address-table                who is where; add vlan 10, interface p1,
                                                      address 5254.0000.0005, count
  switchctl sw1 show spanning-tree [detail]           root, roles, states, timers; of one tree: vlan 10, mst 1
  switchctl sw1 why port p2 [vlan 10]                 the comparison that gave the port its role, or what holds it
  switchctl sw1 show vlan                             VLANs and their ports
  switchctl sw1 show interfaces [p1] [counters]       ports; frames, octets, drops and their reasons
  switchctl sw1 show running-config                   a file that reproduces the live configuration
  switchctl sw1 show version
  switchctl sw1 events [--follow] [--since N]         what happened: moves, states, links

Watch one address over many switches (all that run here, or those named):
  switchctl watch 5254.0000.0005 --for 30s            every change of its entries as it happens, in order, with the
                                                      frame that caused it; then a verdict: clean move, early leak,
                                                      double move, flap, never announced, stale entry left, loop
  switchctl watch M sw1 /run/x/sw2.sock --vlan 10 --link sw1:p1=sw2:p1
                                                      spanning tree tells which ports join the switches; --link does
                                                      where none runs

Change, live:
  switchctl sw1 set port p1 down                      up, down
  switchctl sw1 set port p1 access 10                 or: trunk 10,20-29 native 1, hybrid, dot1q-tunnel 100
  switchctl sw1 set port p1 cost 19 priority 64 edge  spanning tree of one port; cost auto, edge off,
                                                      auto-edge off, point-to-point on or off
  switchctl sw1 set port p1 bpdu-guard                or: bpdu-filter, root-guard, loop-guard, tcn-guard,
                                                      bridge-assurance, each on or off
  switchctl sw1 set port p1 storm-broadcast 1000      frames a second; also multicast, unknown-unicast;
                                                      storm-action drop or shutdown
  switchctl sw1 set port p1 loop-detection shutdown   off, log or shutdown when addresses flap
  switchctl sw1 set port p1 rate 1Gbit burst 4MiB     how much it takes in and sends; rate-in, rate-out, off
  switchctl sw1 set spanning-tree protocol rstp       off, stp, rstp, mstp, pvst, rapid-pvst
  switchctl sw1 set spanning-tree priority 4096       or: on, off, hello-time 1, max-age 6, forward-time 4,
                                                      guard-recovery 300, region lab instances 1:10,20
  switchctl sw1 set ageing-time 60
  switchctl sw1 set mac address-table static 5254.0000.0005 vlan 10 interface p1
  switchctl sw1 no mac address-table static 5254.0000.0005 vlan 10
  switchctl sw1 add port p9 tap access 10             tap, packet, stream, dgram, udp; remove port p9
  switchctl sw1 add port vm1:listen=/run/vm1.sock     a VM's; connect=, local= and remote=, too
  switchctl sw1 clear mac address-table dynamic       all, or vlan 10, interface p1, address M
  switchctl sw1 clear spanning-tree detected-protocols [interface p1]
                                                      speak the rapid protocol again where a classic bridge was

Any unambiguous beginning of a word will do: switchctl sw1 sh mac add

Options:
      --json           print JSON instead of text
      --run-dir DIR    directory of control sockets [default: $ALGORHYME_RUN_DIR, /run/algorhyme or
                       $XDG_RUNTIME_DIR/algorhyme]
  -h, --help           print this
  -V, --version        print the version

Exit codes: 0 done, 1 the switch refused or does not answer, 2 no such command. Of watch: 0 still there, another
path, or moved as it should; 3 any other verdict.
";

/// The commands as clap has them: for completion scripts only, the words are read by [`parse`](super::parse()).
#[must_use]
pub fn command() -> Command {
    let words = |name: &'static str, below: &[Command]| {
        Command::new(name).subcommands(below.iter().cloned())
    };
    let leaf = Command::new;
    let table = |below: &[Command]| words("mac", &[words("address-table", below)]);
    let filters = [
        leaf("vlan"),
        leaf("interface"),
        leaf("address"),
        leaf("count"),
    ];
    let port_words = [
        "up",
        "down",
        "access",
        "trunk",
        "hybrid",
        "dot1q-tunnel",
        "native",
        "native-tagged",
        "frames",
        "cost",
        "priority",
        "edge",
        "auto-edge",
        "point-to-point",
        "root-guard",
        "tcn-guard",
        "bpdu-guard",
        "bpdu-filter",
        "loop-guard",
        "bridge-assurance",
        "storm-broadcast",
        "storm-multicast",
        "storm-unknown-unicast",
        "storm-action",
        "loop-detection",
        "rate",
        "rate-in",
        "rate-out",
        "burst",
    ];
    let stp_words = [
        "on",
        "off",
        "protocol",
        "priority",
        "hello-time",
        "max-age",
        "forward-time",
        "hold-count",
        "max-hops",
        "guard-recovery",
        "epochs",
        "region",
        "revision",
        "instances",
        "tree-priorities",
        "vlans",
    ];
    Command::new("switchctl")
        .disable_help_subcommand(true)
        .arg(Arg::new("json").long("json").num_args(0).global(true))
        .arg(
            Arg::new("run-dir")
                .long("run-dir")
                .value_hint(clap::ValueHint::DirPath),
        )
        .arg(Arg::new("name"))
        .subcommands([
            leaf("list"),
            leaf("watch"),
            words("completions", &["bash", "zsh", "fish"].map(leaf)),
            words(
                "show",
                &[
                    table(&filters),
                    words("spanning-tree", &["detail", "vlan", "mst"].map(leaf)),
                    leaf("vlan"),
                    words("interfaces", &[leaf("counters")]),
                    leaf("running-config"),
                    leaf("version"),
                ],
            ),
            words("why", &[words("port", &["vlan", "mst"].map(leaf))]),
            words(
                "clear",
                &[
                    table(&[words("dynamic", &filters[..3])]),
                    words(
                        "spanning-tree",
                        &[words("detected-protocols", &[leaf("interface")])],
                    ),
                ],
            ),
            words(
                "set",
                &[
                    words("port", &port_words.map(leaf)),
                    words("spanning-tree", &stp_words.map(leaf)),
                    leaf("ageing-time"),
                    table(&[leaf("static")]),
                ],
            ),
            words("no", &[table(&[leaf("static")])]),
            words("add", &[leaf("port")]),
            words("remove", &[leaf("port")]),
            Command::new("events")
                .arg(Arg::new("follow").long("follow").num_args(0))
                .arg(Arg::new("since").long("since")),
        ])
}
