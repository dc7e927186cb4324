//! A userspace Ethernet switch: a pure core in a thin shell.
