//! What `switchctl` prints, letter by letter.

pub(crate) const MAC_TABLE: &str = "          Mac Address Table
-------------------------------------------

Vlan    Mac Address       Type        Ports
----    -----------       --------    -----
   1    0200.0000.0101    STATIC      CPU
   1    02aa.0000.0001    DYNAMIC     p1
  30    0200.0000.0108    STATIC      CPU
  99    0200.0000.0102    STATIC      CPU
 100    0200.0000.0107    STATIC      CPU
Total Mac Addresses for this criterion: 5
";

pub(crate) const MAC_OF_PORT: &str = "          Mac Address Table
-------------------------------------------

Vlan    Mac Address       Type        Ports
----    -----------       --------    -----
   1    0200.0000.0101    STATIC      CPU
   1    02aa.0000.0001    DYNAMIC     p1
Total Mac Addresses for this criterion: 2
";

pub(crate) const MAC_COUNT: &str = "\
Dynamic Address Count             : 1
Static  Address Count             : 4
Total Mac Addresses               : 5
Total Mac Address Space Available : 32763
Learned since start               : 1
Moved to another port             : 0
Expired                           : 0
Evicted by a full table           : 0
Flushed                           : 0
Refused                           : 0
";

pub(crate) const MAC_COUNT_OF_ADDRESS: &str = "\
Dynamic Address Count             : 1
Static  Address Count             : 0
Total Mac Addresses               : 1
";

pub(crate) const VLANS: &str = "\
VLAN Name                             Status    Ports
---- -------------------------------- --------- -------------------------------
1    default                          active    p1
10   VLAN0010                         active    t2(t), p2(t)
20   VLAN0020                         active    p2(t)
21   VLAN0021                         active    p2(t)
22   VLAN0022                         active    p2(t)
30   VLAN0030                         active    t2
31   VLAN0031                         active    t2
99   VLAN0099                         active    p2(t)
100  VLAN0100                         active    t1

(t): sent tagged. A trunk that allows all VLANs carries those not listed, too.
";

pub(crate) const INTERFACES: &str = "\
Port             Nbr  Kind   Status       Mode         Vlan             State
---------------- ---- ------ ------------ ------------ ---------------- ----------
t2               1    tap    disabled     hybrid       10,30-31         disabled
p1               2    packet connected    access       1                forwarding
p2               3    packet connected    trunk        10,20-22,99      forwarding
t1               7    tap    connected    dot1q-tunnel 100              forwarding
";

pub(crate) const INTERFACE: &str = "\
p1 is up, line protocol is up (connected)
  Hardware is packet, port number 2, address is 0200.0000.0101
  packet socket, receive ring, io_uring, virtio-net header, offloads: all
  Longest frame 9216 octets, takes in untagged frames only
  Mode access, VLAN 1
  Spanning tree state forwarding
     2 frames input, 43 octets
     0 frames output, 0 octets
     2 drops
        1 frame-type
        1 no-egress
";

pub(crate) const COUNTERS: &str = "\
Port                 InOctets     InFrames    OutOctets    OutFrames        Drops
---------------- ------------ ------------ ------------ ------------ ------------
t2                          0            0            0            0            0
p1                         43            2            0            0            2
                                                 dropped: frame-type            1
                                                  dropped: no-egress            1
p2                          0            0            0            0            0
t1                          0            0            0            0            0
";

pub(crate) const NO_TREE: &str = "Spanning tree is off: every port that has a link forwards.\n";

pub(crate) const TREE: &str = "\
VLAN0001
  Spanning tree enabled protocol rstp
  Root ID    Priority    4096
             Address     0200.0000.0099
             This bridge is the root
             Hello Time   2 sec  Max Age 20 sec  Forward Delay 15 sec

  Bridge ID  Priority    4096  (priority 4096 sys-id-ext 0)
             Address     0200.0000.0099
             Hello Time   2 sec  Max Age 20 sec  Forward Delay 15 sec
             Aging Time  300 sec

Interface        Role Sts Cost      Prio.Nbr Type
---------------- ---- --- --------- -------- --------------------------------
p1               Desg FWD 2         128.2    P2p Edge
p2               Desg FWD 19        64.3     P2p Edge
t1               Desg FWD 2         128.7    P2p Edge
";

pub(crate) const PORTS_CONFIGURED: &str = "
[[port]]
name = \"t2\"
kind = \"tap\"
number = 1
mac = \"02:00:00:00:01:08\"
hybrid = true
pvid = 30
tagged = \"10\"
untagged = \"30-31\"
frames = \"untagged\"
down = true

[[port]]
name = \"p1\"
kind = \"packet\"
number = 2
mac = \"02:00:00:00:01:01\"
access = 1
edge = true

[[port]]
name = \"p2\"
kind = \"packet\"
number = 3
mac = \"02:00:00:00:01:02\"
trunk = \"10,20-22,99\"
native = 99
native-tagged = true
cost = 19
priority = 64
edge = true

[[port]]
name = \"t1\"
kind = \"tap\"
number = 7
mac = \"02:00:00:00:01:07\"
dot1q-tunnel = 100
edge = true
";

/// Commands that change the switch, and what the running configuration has then, or has no more (`!`); of a
/// command about p1 in the lines of that port.
pub(crate) const CHANGES: [(&str, &[&str]); 16] = [
    ("set port p1 down", &["down = true"]),
    ("set port p1 up", &["!down = true"]),
    ("set port p1 access 10", &["access = 10", "!access = 1"]),
    (
        "set port p1 trunk 10,20-29 native 5 native-tagged",
        &[
            "trunk = \"5,10,20-29\"",
            "native = 5",
            "native-tagged = true",
        ],
    ),
    (
        "set port p1 hybrid pvid 6 tagged 7 untagged 6,8",
        &[
            "!native = 5",
            "pvid = 6",
            "tagged = \"7\"",
            "untagged = \"6,8\"",
        ],
    ),
    (
        "set port p1 dot1q-tunnel 100",
        &["dot1q-tunnel = 100", "!pvid = 6"],
    ),
    (
        "set port p1 frames tagged cost 77 priority 48 edge off",
        &[
            "frames = \"tagged\"",
            "cost = 77",
            "priority = 48",
            "!edge = true",
        ],
    ),
    ("set port p1 cost auto", &["!cost = 77"]),
    (
        "set spanning-tree on priority 8192",
        &["protocol = \"rstp\"", "priority = 8192"],
    ),
    (
        "set spanning-tree hello-time 1 max-age 6 forward-time 4",
        &["hello = 1", "max-age = 6", "forward-delay = 4"],
    ),
    ("set spanning-tree off", &["protocol = \"off\""]),
    ("set ageing-time 60", &["ageing = 60"]),
    (
        "set mac address-table static 5254.0000.0005 vlan 10 interface p2",
        &[
            "[[static-mac]]",
            "mac = \"52:54:00:00:00:05\"",
            "port = \"p2\"",
        ],
    ),
    (
        "no mac address-table static 5254.0000.0005 vlan 10",
        &["![[static-mac]]"],
    ),
    (
        "add port t9 tap access 12",
        &["name = \"t9\"", "access = 12"],
    ),
    ("remove port t9", &["!name = \"t9\""]),
];

/// What is refused, with which exit code, and what is said.
pub(crate) const REFUSED: [(&str, i32, &str); 13] = [
    (
        "show foo",
        2,
        "switchctl sw1 show foo\n                   ^\n% Invalid input detected at '^' marker: 'foo' is none of \
             mac, spanning-tree, vlan, interfaces, running-config, version\n(switchctl --help has the commands)\n",
    ),
    (
        "sh v",
        2,
        "switchctl sw1 sh v\n                 ^\n% Ambiguous command: 'v' could be vlan or version\n\
             (switchctl --help has the commands)\n",
    ),
    (
        "set port p1 access 5000",
        2,
        "switchctl sw1 set port p1 access 5000\n                                 ^\n\
             % access: '5000' is not a VLAN (1..4094)\n(switchctl --help has the commands)\n",
    ),
    (
        "set port px up",
        1,
        "% there is no port 'px'; did you mean 'p1'?\n",
    ),
    (
        "set port p1 priority 7",
        1,
        "% priority: '7' is not a port priority (0..240 in steps of 16)\n",
    ),
    (
        "set port p1 native 5",
        1,
        "% native: belongs to mode trunk: say trunk=LIST as well\n",
    ),
    (
        "set port p1 access 5 trunk 6",
        1,
        "% trunk: excludes access: a port has one mode\n",
    ),
    (
        "set spanning-tree hello-time 10",
        1,
        "% max-age: 20 s is too short for a hello of 10 s, which needs 22 s: \
             2 x (forward-delay - 1) >= max-age >= 2 x (hello + 1)\n",
    ),
    (
        "set ageing-time 9",
        1,
        "% ageing: '9' is not a time in seconds (10..1000000)\n",
    ),
    (
        "set mac address-table static 0100.0000.0005 vlan 1 interface p1",
        1,
        "% mac: '01:00:00:00:00:05' is a group address\n",
    ),
    (
        "no mac address-table static 5254.0000.0005 vlan 1",
        1,
        "% 52:54:00:00:00:05 is not pinned in VLAN 1\n",
    ),
    ("add port p1", 1, "% name: a port 'p1' exists already\n"),
    (
        "add port none packet",
        1,
        "% port none: there is no interface of that name; create it first, or make the port a tap \
         (there are p1, p2, t1, t2)\n",
    ),
];
