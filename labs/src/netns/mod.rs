//! Network namespaces and what is in them, made through system calls and netlink, never by calling `ip`.
//!
//! [`Namespace`] is a named namespace as `ip netns` knows it: a bind mount in [`DIRECTORY`]. A namespace belongs to
//! a thread, so whatever must happen inside one is run in a thread of its own ([`Namespace::run`]), and a child
//! started from there inherits it ([`Namespace::spawn`]). [`Net`] speaks rtnetlink to a namespace from any thread.
//!
//! ```no_run
//! use labs::netns::{self, Namespace, VethEnd};
//!
//! let red = Namespace::create("red")?;
//! let blue = Namespace::create("blue")?;
//! netns::add_veth(VethEnd::new(&red, "eth0"), VethEnd::new(&blue, "eth0"))?;
//! red.net()?.add_address("eth0", "10.0.0.1".parse()?, 24)?;
//! blue.net()?.add_address("eth0", "10.0.0.2".parse()?, 24)?;
//! red.spawn(std::process::Command::new("ip").arg("route"))?.wait()?;
//! Namespace::remove("red")?;
//! Namespace::remove("blue")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod net;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::SigSet;

pub use net::{LinkInfo, Net, VethEnd, add_veth};

/// Where named namespaces live; `ip netns` uses the same place.
pub const DIRECTORY: &str = "/run/netns";

/// What could not be done, and what the system said.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action}: {source}")]
pub struct Error {
    /// What was tried: "create the namespace algo-x-sw1".
    pub action: String,
    /// What the system said.
    pub source: io::Error,
}

impl Error {
    pub(crate) fn new(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self {
            action: action.into(),
            source: source.into(),
        }
    }
}

/// A named network namespace. The value keeps the namespace alive; dropping it does not remove the name.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes the namespace `name`, its loopback down, IPv6 off on all links to come, so that nothing in it speaks
    /// before it is told to: no router solicitation, no duplicate address detection, no listener report.
    ///
    /// # Errors
    /// When the name exists, or without CAP_SYS_ADMIN.
    pub fn create(name: &str) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::new(format!("create the namespace {name}"), source);
        let _guard = prepare_directory().map_err(failed)?;
        let path = Path::new(DIRECTORY).join(name);
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o444)
            .open(&path)
            .map_err(failed)?;
        let made = own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            bind(Path::new("/proc/thread-self/ns/net"), &path)?;
            quieten("all")?;
            quieten("default")
        });
        match made.and_then(|made| made).and_then(|()| File::open(&path)) {
            Ok(file) => Ok(Self {
                name: name.to_owned(),
                file,
            }),
            Err(error) => {
                // The name was ours from the start; the mount may or may not have happened.
                let _ = umount2(&path, MntFlags::MNT_DETACH);
                let _ = std::fs::remove_file(&path);
                Err(failed(error))
            }
        }
    }

    /// The existing namespace `name`.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(name: &str) -> Result<Self, Error> {
        let file = File::open(Path::new(DIRECTORY).join(name));
        let file =
            file.map_err(|source| Error::new(format!("open the namespace {name}"), source))?;
        Ok(Self {
            name: name.to_owned(),
            file,
        })
    }

    /// Removes the name `name`; `false`: there was none. The namespace itself, with every virtual link in it,
    /// ends when no process, socket or open file holds it any more.
    ///
    /// # Errors
    /// Without CAP_SYS_ADMIN.
    pub fn remove(name: &str) -> Result<bool, Error> {
        let failed = |source: io::Error| Error::new(format!("remove the namespace {name}"), source);
        let path = Path::new(DIRECTORY).join(name);
        if let Err(errno) = umount2(&path, MntFlags::MNT_DETACH) {
            // EINVAL: not a mount point, as after a failed creation. ENOENT: not there.
            if errno != nix::Error::EINVAL && errno != nix::Error::ENOENT {
                return Err(failed(errno.into()));
            }
        }
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// The names of all namespaces of this machine, sorted.
    #[must_use]
    pub fn names() -> Vec<String> {
        let entries = std::fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its path, as `ip netns` and `nsenter --net=` take it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// Runs `work` in a thread of its own inside the namespace and waits for it.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, Error> {
        let entered = own_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET)?;
            Ok(work())
        });
        let failed = |source| Error::new(format!("enter the namespace {}", self.name), source);
        entered.and_then(|result| result).map_err(failed)
    }

    /// Starts `command` inside the namespace: a child inherits the namespace of the thread it is started from.
    ///
    /// # Errors
    /// When the namespace cannot be entered or the program not started.
    pub fn spawn(&self, command: &mut Command) -> Result<Child, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = self.run(|| {
            // A child inherits the signals its parent's thread does not hear; it shall hear all.
            SigSet::empty().thread_set_mask()?;
            command.spawn()
        })?;
        child.map_err(|source| {
            Error::new(
                format!("start {program} in the namespace {}", self.name),
                source,
            )
        })
    }

    /// A netlink connection to the namespace, usable from any thread.
    ///
    /// # Errors
    /// When the namespace cannot be entered or no socket be had.
    pub fn net(&self) -> Result<Net, Error> {
        Net::open(self)
    }

    /// Lets the link `name` speak IPv6, with addresses that are given to it and no sound of its own.
    ///
    /// # Errors
    /// When there is no such link or the system has no IPv6.
    pub fn enable_ipv6(&self, name: &str) -> Result<(), Error> {
        let enable = || {
            sysctl(name, "addr_gen_mode", "1")?;
            sysctl(name, "accept_dad", "0")?;
            sysctl(name, "router_solicitations", "0")?;
            sysctl(name, "disable_ipv6", "0")
        };
        let failed = |source| Error::new(format!("enable IPv6 on {name} in {}", self.name), source);
        self.run(enable)?.map_err(failed)
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Runs `work` in a new thread, whose namespace dies with it.
fn own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("netns".to_owned())
            .spawn_scoped(scope, work)?;
        match thread.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Makes [`DIRECTORY`] a shared mount as `ip netns` does, so that a name removed here is gone in every mount
/// namespace. The lock keeps two processes from doing it at once.
fn prepare_directory() -> io::Result<Flock<File>> {
    std::fs::create_dir_all(DIRECTORY)?;
    let lock =
        Flock::lock(File::open(DIRECTORY)?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let share = || {
        mount(
            None::<&str>,
            DIRECTORY,
            None::<&str>,
            MsFlags::MS_SHARED | MsFlags::MS_REC,
            None::<&str>,
        )
    };
    match share() {
        // Not a mount point yet.
        Err(nix::Error::EINVAL) => {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(
                Some(DIRECTORY),
                DIRECTORY,
                None::<&str>,
                flags,
                None::<&str>,
            )?;
            share()?;
        }
        done => done?,
    }
    Ok(lock)
}

fn bind(from: &Path, to: &Path) -> io::Result<()> {
    Ok(mount(
        Some(from),
        to,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?)
}

/// Turns IPv6 off for `links` of the current thread's namespace; a system without IPv6 is quiet already.
fn quieten(links: &str) -> io::Result<()> {
    match sysctl(links, "disable_ipv6", "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Sets an IPv6 setting of a link in the current thread's namespace.
fn sysctl(link: &str, key: &str, value: &str) -> io::Result<()> {
    std::fs::write(format!("/proc/sys/net/ipv6/conf/{link}/{key}"), value)
}
