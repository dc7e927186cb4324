//! The filtering database of a bridge (IEEE 802.1D-1998 clause 7.9), as a value: which port reaches which address in
//! which VLAN.
//!
//! A switch calls [`MacTable::learn`] for the source of each frame it may learn from and [`MacTable::lookup`] for the
//! destination of each frame it may relay. Entries are dynamic (learned; they age), static (management's; they stay)
//! or local (the bridge's own addresses; nobody else may have them). An address is another station in another VLAN:
//! learning is independent (802.1Q).
//!
//! ```
//! use cam::{Flush, Learned, MacTable, MacTableConfig};
//! use core::time::Duration;
//! use etherparse::VlanId;
//! use pnet_base::MacAddr;
//!
//! let mut table = MacTable::new(MacTableConfig::default());
//! let (now, vlan, vm) = (Duration::ZERO, VlanId::try_new(10)?, MacAddr::new(0x52, 0x54, 0, 0, 0, 5));
//! assert_eq!(table.learn(now, vlan, vm, "p1"), Learned::New { displaced: None });
//!
//! // The virtual machine has moved to another host, and its announcement comes in by another port.
//! assert_eq!(table.learn(now, vlan, vm, "p2"), Learned::Moved { from: "p1" });
//! assert_eq!(table.lookup(now, vlan, vm), Some("p2"));
//!
//! assert_eq!(table.flush(Flush::port("p2")), 1);
//! assert_eq!(table.lookup(now, vlan, vm), None);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Time
//!
//! The table reads no clock: `now` goes in, [`MacTable::deadline`] comes out. An entry stores when it was last seen, so
//! the ageing time, or the short one in force while the topology changes, acts on all entries the moment it is set.
//! An expired or flushed entry is absent at once: lookups and listings refuse it before anybody sweeps, learning its
//! address again is [`Learned::New`], and no later change of ageing brings it back.
//!
//! # Every departure is told once
//!
//! Who repeats the table elsewhere (an event log, hardware) needs to know of each entry that leaves, and does: expired
//! ones come out of [`MacTable::expire`] or of the `learn` that took their place, evicted and replaced ones out of the
//! call that did it, flushed and removed ones are that call's own count or value.
//!
//! # When the table is full
//!
//! A newcomer takes the place of a flushed or expired entry. If there is none, the port with the most dynamic entries
//! pays with the one it refreshed longest ago: who floods addresses evicts himself, and the stations of other ports
//! stay known. The newcomer's own port pays if no other has more; of equally full others, the lowest. Static and
//! local entries never pay; a table full of them learns nothing and says so.
//!
//! # Bounds
//!
//! All memory is reserved when the table is made and touched when first used: 56 octets for an entry, as much for
//! each (port, VLAN) that has dynamic entries, 8 for a place in the indexes. Nothing is allocated afterwards but the
//! pages of a listing (and what a clone still lacks). With *n* the entries held:
//!
//! | call | steps |
//! | --- | --- |
//! | `learn`, `lookup`, `entry`, `remove`, `insert_*` | 1 expected, whatever *n*; log(ports) where a count changes |
//! | `flush` of (port, VLAN) or (VLAN, address) | 1, whatever *n* |
//! | `flush` of a port | the VLANs it has entries in, at most 4,096 |
//! | `flush` of a VLAN, or of everything | the ports that have entries, at most [`PORTS_MAX`] |
//! | `flush` of an address in every VLAN | 4,096 |
//! | `vlans_of` | the VLANs the port has entries in |
//! | `expire` | its budget, at most [`EXPIRE_BUDGET_MAX`] |
//! | `entries_from` | its limit, at most [`LIST_LIMIT_MAX`] |
//! | `set_ageing`, `set_short_ageing`, `deadline`, `stats`, `count`, `len` | 1, or log(ports) |
//! | `remove_port` | as `flush`, and the static and local entries of the port |
//!
//! No call walks the table and no index is ever rebuilt. A flush kills groups of entries, one for each (port, VLAN),
//! and leaves their places to be reclaimed: by newcomers, and by `expire` as its budget allows.
//!
//! Entries are found by SipHash-1-3 under a secret key ([`MacTableConfig::hash_key`]). There are as many buckets as
//! entries or more, so a full table's chains are one or two steps long on average and about ten at the worst, and nobody can
//! choose addresses that share a bucket without the key. The key shows in nothing but time: listings are in order of
//! places, and places are given out by the order of calls alone.
//!
//! # Concurrency
//!
//! A table is a plain value with no lock inside. What changes it takes `&mut self`, what asks takes `&self`, and it is
//! `Send` and `Sync` when the port handle is: one thread owns it, or a lock the caller chooses.
//!
//! Threads that only ask have a [`Mirror`] ([`MacTable::mirror`]): a cache beside the table that its owner keeps right while
//! others read it without a lock. It may miss an entry, and never shows one that the table does not hold. A table without
//! one does one test more where it changes; a clone has none.
//!
//! # Departures from the standard
//!
//! | where | the standard | here |
//! | --- | --- | --- |
//! | short ageing (802.1D-1998 8.3.5) | Forward Delay takes the place of the ageing time | the shorter of the two |
//! | static entries (7.9.1) | for group addresses too, a set of ports, for each receiving port | one port, for individual addresses |
//! | a full table (7.9.2) | left open | the fullest port pays |
//! | the address 00-00-00-00-00-00 (7.8) | not named | rejected: no station has it |
#![forbid(unsafe_code)]

mod ageing;
mod config;
mod entry;
mod groups;
mod hash;
mod list;
mod mirror;
mod ports;
mod slots;
mod stats;
mod table;

pub use ageing::{AgeingTime, AgeingTimeError};
pub use config::{Capacity, CapacityError, MacTableConfig};
pub use entry::{Departed, Departure, Entry, Flush, InsertError, Learned, Origin, Rejection};
pub use mirror::{Mirror, Reflection, Sight};
pub use stats::{Count, Stats};
pub use table::{EXPIRE_BUDGET_MAX, LIST_LIMIT_MAX, MacTable, PORTS_MAX};
