//! One network namespace as rtnetlink shows it: what an interface is, how to set it, what changes.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;

use netlink_packet_core::{
    NLA_HEADER_SIZE, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, NetlinkBuffer, NetlinkMessage,
    NlasIterator,
};
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, LinkAttribute, LinkFlags, LinkHeader, LinkLayerType,
    LinkMessage,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use pnet_base::MacAddr;

const RTNLGRP_LINK: u32 = 1;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_AF_SPEC: u16 = 26;
const AF_INET6: u16 = 10;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const LINK_HEADER_LEN: usize = 16;

/// Octets of the longest answer: a link message is some 2 KiB.
const ANSWER_LEN: usize = 64 * 1024;

/// Octets of changes the kernel keeps for us before it says that it lost some.
const LISTEN_BUFFER: usize = 1 << 20;

/// Changes read per call of [`Namespace::changes`], at most.
const CHANGES_MAX: usize = 64;

/// Changes thrown away after the kernel lost some, at most: more than [`LISTEN_BUFFER`] can hold, which the kernel
/// doubles and charges with at least 768 octets a message.
const STALE_MAX: usize = 2 * LISTEN_BUFFER / 768;

/// A network namespace, by the inode that identifies it as long as anybody has it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NamespaceId(u64);

impl NamespaceId {
    /// That of an open `/proc/…/ns/net`.
    pub(crate) fn of(namespace: &File) -> io::Result<Self> {
        Ok(Self(namespace.metadata()?.ino()))
    }

    /// That of an inode that [`Self::get`] gave.
    pub(crate) fn from_inode(inode: u64) -> Self {
        Self(inode)
    }

    /// The inode; the kernel gives 32 bits.
    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

/// An interface at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) address: Option<MacAddr>,
    /// It carries Ethernet frames.
    pub(crate) is_ethernet: bool,
    /// Administratively up.
    pub(crate) is_up: bool,
    /// Whatever is behind it is there.
    pub(crate) has_carrier: bool,
    /// How it makes itself a link-local address; `None` if the kernel has no IPv6.
    pub(crate) address_generation: Option<u8>,
}

impl Link {
    /// Whether frames pass.
    pub(crate) fn works(&self) -> bool {
        self.is_up && self.has_carrier
    }
}

/// What rtnetlink told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// An interface appeared, or something of it changed.
    Now(Link),
    /// An interface went, to nowhere or to another namespace.
    Gone {
        /// Its index.
        index: u32,
    },
    /// More happened than the kernel could keep: ask for everything again.
    Lost,
}

/// What to set on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Administrative state.
    Up(bool),
    /// How it makes itself a link-local IPv6 address.
    AddressGeneration(u8),
    /// Frames that wait to be sent: at a tap, those that its file side has not read yet.
    QueueLength(u32),
}

/// An interface that never makes itself an IPv6 address stays silent (`IN6_ADDR_GEN_MODE_NONE`).
pub(crate) const ADDRESS_GENERATION_NONE: u8 = 1;

/// Sockets into one namespace: one that listens, one that asks.
pub(crate) struct Namespace {
    listener: Socket,
    requests: Socket,
    answer: Vec<u8>,
    sequence: u32,
    is_watched: bool,
}

impl Namespace {
    /// The namespace of the calling thread. Of changes one hears after [`Self::listen`].
    ///
    /// # Errors
    /// `EMFILE`, or a kernel without rtnetlink.
    pub(crate) fn here() -> io::Result<Self> {
        let mut listener = Socket::new(NETLINK_ROUTE)?;
        listener.bind_auto()?;
        listener.set_rx_buf_sz(libc::c_int::try_from(LISTEN_BUFFER).expect("a megabyte"))?;
        listener.set_non_blocking(true)?;
        let mut requests = Socket::new(NETLINK_ROUTE)?;
        requests.bind_auto()?;
        requests.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            listener,
            requests,
            answer: Vec::with_capacity(ANSWER_LEN),
            sequence: 0,
            is_watched: false,
        })
    }

    /// The open namespace `namespace`. Enters it from a thread of its own, which then ends.
    ///
    /// # Errors
    /// `EPERM` without `CAP_SYS_ADMIN`, `EMFILE`.
    pub(crate) fn of(namespace: &File) -> io::Result<Self> {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)?;
                    Self::here()
                })
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the helper thread panicked")))
        })
    }

    /// Whether somebody waits for [`Self::changes`].
    pub(crate) fn is_watched(&self) -> bool {
        self.is_watched
    }

    /// From now on the kernel tells of changes. Not from the beginning: those that the ports make while they are opened
    /// would be four each, every one of them longer than a frame, and read before the first frame.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        self.listener.add_membership(RTNLGRP_LINK)
    }

    /// From now on somebody waits for [`Self::changes`].
    pub(crate) fn set_watched(&mut self) {
        self.is_watched = true;
    }

    /// Readable when there are [`Self::changes`].
    pub(crate) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// A socket of this namespace, for requests that need any.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.requests.as_fd()
    }

    /// Gives at most [`CHANGES_MAX`] messages of changes to `tell`. Never waits.
    pub(crate) fn changes(&mut self, mut tell: impl FnMut(Change)) {
        for _ in 0..CHANGES_MAX {
            self.answer.clear();
            match self.listener.recv(&mut self.answer, libc::MSG_DONTWAIT) {
                Ok(_) => messages(&self.answer, |kind, payload| {
                    if let Some(change) = change(kind, payload) {
                        tell(change);
                    }
                }),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    self.skip_stale();
                    tell(Change::Lost);
                }
                Err(_) => return,
            }
        }
    }

    /// Throws away what is queued: the kernel says that it lost changes before it hands over those from before
    /// the loss, and whoever looks at everything now must not hear of the past afterwards.
    fn skip_stale(&mut self) {
        for _ in 0..STALE_MAX {
            self.answer.clear();
            match self.listener.recv(&mut self.answer, libc::MSG_DONTWAIT) {
                Err(error) if error.raw_os_error() != Some(libc::ENOBUFS) => return,
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// The interface called `name`, if there is one.
    ///
    /// # Errors
    /// The kernel refused for another reason than its absence.
    pub(crate) fn by_name(&mut self, name: &str) -> io::Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.get(message)
    }

    /// The interface of this index, if there is one.
    ///
    /// # Errors
    /// The kernel refused for another reason than its absence.
    pub(crate) fn by_index(&mut self, index: u32) -> io::Result<Option<Link>> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.get(message)
    }

    fn get(&mut self, message: LinkMessage) -> io::Result<Option<Link>> {
        let answer = self.ask(RouteNetlinkMessage::GetLink(message), NLM_F_REQUEST);
        match answer {
            Ok(link) => Ok(link),
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes interface `index`.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`, `ENODEV`.
    pub(crate) fn set(&mut self, index: u32, setting: Setting) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.set_link(message, setting)
    }

    /// Changes the interface called `name`.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_ADMIN`, `ENODEV`.
    pub(crate) fn set_by_name(&mut self, name: &str, setting: Setting) -> io::Result<()> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.set_link(message, setting)
    }

    fn set_link(&mut self, mut message: LinkMessage, setting: Setting) -> io::Result<()> {
        match setting {
            Setting::Up(up) => {
                message.header.change_mask = LinkFlags::Up;
                message.header.flags = if up {
                    LinkFlags::Up
                } else {
                    LinkFlags::empty()
                };
            }
            Setting::AddressGeneration(mode) => {
                let mode = AfSpecInet6::AddrGenMode(In6AddrGenMode::from(mode));
                let inet6 = vec![AfSpecUnspec::Inet6(vec![mode])];
                let attribute = LinkAttribute::AfSpecUnspec(inet6);
                message.attributes.push(attribute);
            }
            Setting::QueueLength(frames) => {
                message.attributes.push(LinkAttribute::TxQueueLen(frames));
            }
        }
        self.ask(
            RouteNetlinkMessage::SetLink(message),
            NLM_F_REQUEST | NLM_F_ACK,
        )?;
        Ok(())
    }

    /// Sends one request and reads its answer; the kernel answers before the send returns.
    fn ask(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<Option<Link>> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(request);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut octets = vec![0; message.buffer_len()];
        message.serialize(&mut octets);
        self.requests.send(&octets, 0)?;
        self.answer.clear();
        self.requests.recv(&mut self.answer, 0)?;
        let mut answer = Ok(None);
        messages(&self.answer, |kind, payload| {
            answer = match kind {
                NLMSG_ERROR => refusal(payload).map_or(Ok(None), Err),
                RTM_NEWLINK => Ok(link(payload)),
                _ => Ok(None),
            };
        });
        answer
    }
}

impl std::fmt::Debug for Namespace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Namespace").finish_non_exhaustive()
    }
}

/// Splits a datagram into messages: kind and payload of each. Stops at the first that is cut.
fn messages(mut octets: &[u8], mut each: impl FnMut(u16, &[u8])) {
    while let Ok(message) = NetlinkBuffer::new_checked(octets) {
        each(message.message_type(), message.payload());
        let Ok(len) = usize::try_from(message.length()) else {
            return;
        };
        let Some(rest) = octets.get(len.next_multiple_of(4)..) else {
            return;
        };
        octets = rest;
    }
}

fn refusal(payload: &[u8]) -> Option<io::Error> {
    let code = i32::from_ne_bytes(*payload.first_chunk()?);
    (code != 0).then(|| io::Error::from_raw_os_error(code.saturating_neg()))
}

fn change(kind: u16, payload: &[u8]) -> Option<Change> {
    let header = LinkHeader::parse(payload).ok()?;
    // Bridges tell of their ports with the same messages in a family of their own.
    if header.interface_family != AddressFamily::Unspec {
        return None;
    }
    match kind {
        RTM_NEWLINK => link(payload).map(Change::Now),
        RTM_DELLINK => Some(Change::Gone {
            index: header.index,
        }),
        _ => None,
    }
}

/// Reads what we need and skips the rest, whatever a newer kernel puts in.
fn link(payload: &[u8]) -> Option<Link> {
    let header = LinkHeader::parse(payload).ok()?;
    let mut link = Link {
        index: header.index,
        name: String::new(),
        address: None,
        is_ethernet: header.link_layer_type == LinkLayerType::Ether,
        is_up: header.flags.contains(LinkFlags::Up),
        has_carrier: header.flags.contains(LinkFlags::LowerUp),
        address_generation: None,
    };
    for (kind, value) in attributes(payload.get(LINK_HEADER_LEN..)?) {
        match kind {
            IFLA_IFNAME => {
                let name = value.split(|&octet| octet == 0).next()?;
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            IFLA_ADDRESS => {
                link.address = <[u8; 6]>::try_from(value).ok().map(MacAddr::from);
            }
            IFLA_AF_SPEC => link.address_generation = address_generation(value),
            _ => {}
        }
    }
    Some(link)
}

fn address_generation(families: &[u8]) -> Option<u8> {
    let (_, inet6) = attributes(families).find(|&(kind, _)| kind == AF_INET6)?;
    let (_, mode) = attributes(inet6).find(|&(kind, _)| kind == IFLA_INET6_ADDR_GEN_MODE)?;
    mode.first().copied()
}

fn attributes(octets: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    NlasIterator::new(octets).map_while(|attribute| {
        let attribute = attribute.ok()?;
        let (kind, len) = (attribute.kind(), usize::from(attribute.length()));
        // The iterator has checked the length against the octets there are.
        Some((kind, attribute.into_inner().get(NLA_HEADER_SIZE..len)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_loopback_interface_is_there_and_carries_no_ethernet() {
        let mut here = Namespace::here().unwrap();
        let lo = here.by_name("lo").unwrap().unwrap();
        assert_eq!((lo.name.as_str(), lo.is_ethernet), ("lo", false));
        assert_eq!(here.by_index(lo.index).unwrap(), Some(lo));
    }

    #[test]
    fn an_interface_that_is_not_there_is_none() {
        let mut here = Namespace::here().unwrap();
        assert_eq!(here.by_name("no-such-link").unwrap(), None);
        assert_eq!(here.by_index(0x7fff_fff0).unwrap(), None);
    }

    #[test]
    fn what_bridges_tell_of_their_ports_is_no_change_of_a_link() {
        let mut payload = [0; LINK_HEADER_LEN];
        payload[4] = 9;
        assert_eq!(
            change(RTM_DELLINK, &payload),
            Some(Change::Gone { index: 9 })
        );
        payload[0] = u8::try_from(libc::AF_BRIDGE).unwrap();
        assert_eq!(change(RTM_DELLINK, &payload), None);
    }

    proptest! {
        #[test]
        fn any_datagram_is_read_to_its_end(
            octets in proptest::collection::vec(any::<u8>(), 0..200), kind in 14_u16..20,
        ) {
            messages(&octets, |kind, payload| {
                let _ = (change(kind, payload), refusal(payload));
            });
            let _ = change(kind, &octets);
        }
    }
}
