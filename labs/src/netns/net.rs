//! Links, addresses and routes of a namespace, by rtnetlink.

use core::future::Future;
use core::net::IpAddr;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use futures_util::TryStreamExt;
use pnet_base::MacAddr;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use tokio::runtime::Runtime;

use super::{Error, Namespace};

/// A netlink connection to one namespace. Calls block until the kernel has answered.
#[derive(Debug)]
pub struct Net {
    namespace: String,
    runtime: Runtime,
    handle: Handle,
}

/// What the kernel says about a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkInfo {
    /// Index, unique in its namespace.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Its address; `None` for links without, or with one that is not six octets long.
    pub mac: Option<MacAddr>,
    /// Largest payload, in octets.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Up, with carrier.
    pub carrier: bool,
}

/// One end of a veth pair to be.
#[derive(Debug, Clone, Copy)]
pub struct VethEnd<'a> {
    /// Where it shall be.
    pub namespace: &'a Namespace,
    /// Its name there, at most 15 octets.
    pub name: &'a str,
    /// Its address; the kernel's choice if absent.
    pub mac: Option<MacAddr>,
    /// Its MTU in octets; 1500 if absent.
    pub mtu: Option<u32>,
}

impl<'a> VethEnd<'a> {
    /// An end with the kernel's choice of address and MTU.
    #[must_use]
    pub fn new(namespace: &'a Namespace, name: &'a str) -> Self {
        Self {
            namespace,
            name,
            mac: None,
            mtu: None,
        }
    }

    fn attributes(&self) -> Vec<LinkAttribute> {
        let mac = self
            .mac
            .map(|mac| LinkAttribute::Address(mac.octets().to_vec()));
        let mtu = self.mtu.map(LinkAttribute::Mtu);
        [mac, mtu].into_iter().flatten().collect()
    }
}

/// Makes a veth pair with both ends in place, named and up. Both ends come into being in one request, so that
/// nothing half made can be left.
///
/// # Errors
/// When a name is taken or too long, or without CAP_NET_ADMIN.
pub fn add_veth(one: VethEnd<'_>, other: VethEnd<'_>) -> Result<(), Error> {
    let mut peer =
        LinkUnspec::new_with_name(other.name).setns_by_fd(other.namespace.as_fd().as_raw_fd());
    for attribute in other.attributes() {
        peer = peer.append_extra_attribute(attribute);
    }
    let peer = InfoData::Veth(InfoVeth::Peer(peer.build()));
    let mut link = LinkVeth::new(one.name, other.name).set_info_data(peer).up();
    for attribute in one.attributes() {
        link = link.append_extra_attribute(attribute);
    }
    let net = one.namespace.net()?;
    let ends = || {
        format!(
            "{}/{} to {}/{}",
            one.namespace.name(),
            one.name,
            other.namespace.name(),
            other.name
        )
    };
    net.ask(
        || format!("make the veth pair {}", ends()),
        net.handle.link().add(link.build()).execute(),
    )?;
    // The first end to exist cannot be opened before the second does (ENOTCONN), so not in the same request.
    other.namespace.net()?.set_up(other.name, true)
}

impl Net {
    pub(super) fn open(namespace: &Namespace) -> Result<Self, Error> {
        let failed = |source| {
            Error::new(
                format!("speak netlink to the namespace {}", namespace.name()),
                source,
            )
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .map_err(failed)?;
        // A netlink socket belongs to the namespace of the thread that opened it, wherever it is used later.
        let opened = namespace.run(|| {
            let _context = runtime.enter();
            rtnetlink::new_connection()
        })?;
        let (connection, handle, _notices) = opened.map_err(failed)?;
        runtime.spawn(connection);
        Ok(Self {
            namespace: namespace.name().to_owned(),
            runtime,
            handle,
        })
    }

    /// All links, in index order.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn links(&self) -> Result<Vec<LinkInfo>, Error> {
        let request = self
            .handle
            .link()
            .get()
            .execute()
            .try_collect::<Vec<LinkMessage>>();
        let messages = self.ask(|| "list the links".to_owned(), request)?;
        let mut links: Vec<LinkInfo> = messages.into_iter().map(link_info).collect();
        links.sort_unstable_by_key(|link| link.index);
        Ok(links)
    }

    /// The link called `name`.
    ///
    /// # Errors
    /// When there is none (`NotFound`).
    pub fn link(&self, name: &str) -> Result<LinkInfo, Error> {
        let mut links = self.links()?.into_iter();
        let found = links.find(|link| link.name == name);
        found.ok_or_else(|| {
            self.error(
                format!("find the link {name}"),
                io::ErrorKind::NotFound.into(),
            )
        })
    }

    /// Sets `name` up or down.
    ///
    /// # Errors
    /// When there is no such link, or without CAP_NET_ADMIN.
    pub fn set_up(&self, name: &str, up: bool) -> Result<(), Error> {
        let change =
            |link: LinkMessageBuilder<LinkUnspec>| if up { link.up() } else { link.down() };
        self.change(name, if up { "up" } else { "down" }, change)
    }

    /// Gives the tap `name` its carrier, or takes it away. `alias` is what the interface is called besides: the kernel
    /// tells of a new alias at once, and of the carrier with it, of which by itself it may tell up to a second later.
    ///
    /// # Errors
    /// When there is no such link, its carrier is not ours to give, or without CAP_NET_ADMIN.
    pub fn set_carrier(&self, name: &str, carrier: bool, alias: &str) -> Result<(), Error> {
        let word = if carrier { "carrier" } else { "no carrier" };
        self.change(name, word, |link| {
            link.append_extra_attribute(LinkAttribute::Carrier(carrier.into()))
                .append_extra_attribute(LinkAttribute::IfAlias(alias.to_owned()))
        })
    }

    /// Sets the MTU of `name`, in octets.
    ///
    /// # Errors
    /// When there is no such link, it cannot have that MTU, or without CAP_NET_ADMIN.
    pub fn set_mtu(&self, name: &str, mtu: u32) -> Result<(), Error> {
        self.change(name, &format!("mtu {mtu}"), |link| link.mtu(mtu))
    }

    /// Sets the address of `name`.
    ///
    /// # Errors
    /// When there is no such link, it cannot have that address, or without CAP_NET_ADMIN.
    pub fn set_mac(&self, name: &str, mac: MacAddr) -> Result<(), Error> {
        self.change(name, &format!("address {mac}"), |link| {
            link.address(mac.octets().to_vec())
        })
    }

    /// Renames `name`. A link that is up is renamed all the same on Linux 6.2 and later; set it down before
    /// on older systems.
    ///
    /// # Errors
    /// When there is no such link, the new name is taken or too long, or without CAP_NET_ADMIN.
    pub fn rename(&self, name: &str, new: &str) -> Result<(), Error> {
        self.change(name, &format!("name {new}"), |link| link.name(new))
    }

    /// Moves `name` into the namespace `to`, where it is called `new` and is down.
    ///
    /// # Errors
    /// When there is no such link, the new name is taken or too long, or without CAP_NET_ADMIN.
    pub fn move_link(&self, name: &str, to: &Namespace, new: &str) -> Result<(), Error> {
        let fd = to.as_fd().as_raw_fd();
        self.change(name, &format!("into {} as {new}", to.name()), |link| {
            link.setns_by_fd(fd).name(new)
        })
    }

    /// Deletes the link `name`; of a veth pair both ends go.
    ///
    /// # Errors
    /// When there is no such link, or without CAP_NET_ADMIN.
    pub fn delete(&self, name: &str) -> Result<(), Error> {
        let index = self.link(name)?.index;
        self.ask(
            || format!("delete the link {name}"),
            self.handle.link().del(index).execute(),
        )
    }

    /// Gives `name` an address with its prefix length in bits.
    ///
    /// # Errors
    /// When there is no such link, it has the address already, or without CAP_NET_ADMIN.
    pub fn add_address(&self, name: &str, address: IpAddr, prefix: u8) -> Result<(), Error> {
        let index = self.link(name)?.index;
        let request = self.handle.address().add(index, address, prefix).execute();
        self.ask(
            || format!("give {name} the address {address}/{prefix}"),
            request,
        )
    }

    /// Adds the default route by `gateway`.
    ///
    /// # Errors
    /// When the gateway is on no link, or without CAP_NET_ADMIN.
    pub fn add_default_route(&self, gateway: IpAddr) -> Result<(), Error> {
        let route = match gateway {
            IpAddr::V4(gateway) => RouteMessageBuilder::<core::net::Ipv4Addr>::new()
                .gateway(gateway)
                .build(),
            IpAddr::V6(gateway) => RouteMessageBuilder::<core::net::Ipv6Addr>::new()
                .gateway(gateway)
                .build(),
        };
        self.ask(
            || format!("route by {gateway}"),
            self.handle.route().add(route).execute(),
        )
    }

    fn change(
        &self,
        name: &str,
        what: &str,
        change: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> Result<(), Error> {
        let index = self.link(name)?.index;
        let message = change(LinkUnspec::new_with_index(index)).build();
        self.ask(
            || format!("set the link {name} {what}"),
            self.handle.link().set(message).execute(),
        )
    }

    fn ask<T>(
        &self,
        action: impl FnOnce() -> String,
        request: impl Future<Output = Result<T, rtnetlink::Error>>,
    ) -> Result<T, Error> {
        self.runtime
            .block_on(request)
            .map_err(|error| self.error(action(), system_error(error)))
    }

    fn error(&self, action: String, source: io::Error) -> Error {
        Error::new(
            format!("{action} in the namespace {}", self.namespace),
            source,
        )
    }
}

/// The kernel's errno, if it sent one.
fn system_error(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        rtnetlink::Error::UnexpectedMessage(_)
        | rtnetlink::Error::RequestFailed
        | rtnetlink::Error::NamespaceError(_)
        | rtnetlink::Error::InvalidHardwareAddress(_)
        | rtnetlink::Error::InvalidIp(_)
        | rtnetlink::Error::InvalidAddress(..)
        | rtnetlink::Error::InvalidNla(_) => io::Error::other(error),
    }
}

fn link_info(message: LinkMessage) -> LinkInfo {
    let flags = message.header.flags;
    let mut info = LinkInfo {
        index: message.header.index,
        name: String::new(),
        mac: None,
        mtu: 0,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::LowerUp),
    };
    for attribute in message.attributes {
        if let LinkAttribute::IfName(name) = attribute {
            info.name = name;
        } else if let LinkAttribute::Mtu(mtu) = attribute {
            info.mtu = mtu;
        } else if let LinkAttribute::Address(octets) = attribute {
            info.mac = <[u8; 6]>::try_from(octets).ok().map(MacAddr::from);
        }
    }
    info
}
