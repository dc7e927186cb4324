//! Where the control socket lives, how it is made and removed.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket,
};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{AccessFlags, Uid, access};

/// Names the run directory; overrides every default.
pub const RUN_DIR_VARIABLE: &str = "ALGORHYME_RUN_DIR";

/// Connections the kernel holds until the control thread takes them.
const BACKLOG: i32 = 64;

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another process answers on it.
    #[error("a switch named '{name}' is running already: {} answers", path.display())]
    Live {
        /// The switch.
        name: String,
        /// Its socket.
        path: PathBuf,
    },
    /// Something else has its name.
    #[error("cannot make {}: there is something that is no socket", path.display())]
    NoSocket {
        /// Where the socket was to be.
        path: PathBuf,
    },
    /// Another user could put a socket of his own in the place of the switch's.
    #[error(
        "{} is no place for control sockets: user {owner} owns it, with mode {mode:03o}; \
         it must be yours or root's, and writable by its owner alone", path.display()
    )]
    Open {
        /// The run directory.
        path: PathBuf,
        /// Who owns it.
        owner: u32,
        /// Its permissions.
        mode: u32,
    },
    /// The kernel refused.
    #[error("cannot make {}: {error}", path.display())]
    Io {
        /// What was to be made.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

/// Where sockets are unless told otherwise: `$ALGORHYME_RUN_DIR`, else `/run/algorhyme` for root, else
/// `$XDG_RUNTIME_DIR/algorhyme`, else `/tmp/algorhyme-UID`. Root of a user namespace (`unshare -r`) is no root here:
/// `/run` is not his.
#[must_use]
pub fn default_run_dir() -> PathBuf {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty());
    if let Some(dir) = named(RUN_DIR_VARIABLE) {
        return PathBuf::from(dir);
    }
    if Uid::effective().is_root() && access("/run", AccessFlags::W_OK).is_ok() {
        return PathBuf::from("/run/algorhyme");
    }
    match named("XDG_RUNTIME_DIR") {
        Some(dir) => Path::new(&dir).join("algorhyme"),
        None => PathBuf::from(format!("/tmp/algorhyme-{}", Uid::effective())),
    }
}

/// The socket of the switch `name`.
#[must_use]
pub fn socket_path(run_dir: &Path, name: &str) -> PathBuf {
    run_dir.join(format!("{name}.sock"))
}

/// A listening control socket; its file goes when this does.
#[derive(Debug)]
pub(super) struct ControlSocket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

impl ControlSocket {
    /// Makes the run directory (0700) if there is none, and the socket (0600) in it. A socket nobody answers is
    /// replaced.
    pub(super) fn create(run_dir: &Path, name: &str) -> Result<Self, SocketError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| SocketError::Io { path, error }
        };
        let path = socket_path(run_dir, name);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(run_dir)
            .map_err(at(run_dir))?;
        // Held until the socket listens: of two switches of one name that start at once, one is refused.
        let dir = File::open(run_dir).map_err(at(run_dir))?;
        check_owner(run_dir, &dir.metadata().map_err(at(run_dir))?)?;
        let _lock = Flock::lock(dir, FlockArg::LockExclusive)
            .map_err(|(_, errno)| at(run_dir)(errno.into()))?;
        match who_answers(&path) {
            Ok(()) | Err(Errno::EAGAIN) => {
                return Err(SocketError::Live {
                    name: name.to_owned(),
                    path,
                });
            }
            Err(Errno::ENOENT) => {}
            Err(Errno::ECONNREFUSED) if is_socket(&path) => {
                fs::remove_file(&path).map_err(at(&path))?;
            }
            // What the kernel says of a plain file too.
            Err(Errno::ECONNREFUSED) => return Err(SocketError::NoSocket { path }),
            Err(errno) => {
                let error = errno.into();
                return Err(SocketError::Io { path, error });
            }
        }
        let listener = listen_at(&path).map_err(at(&path))?;
        let inode = fs::metadata(&path).map_err(at(&path))?.ino();
        Ok(Self {
            listener,
            path,
            inode,
        })
    }
}

/// Whether nobody else can remove what is in the directory.
fn check_owner(run_dir: &Path, found: &Metadata) -> Result<(), SocketError> {
    let owned = found.uid() == Uid::effective().as_raw() || found.uid() == 0;
    let (others, sticky) = (0o022, 0o1000);
    if owned && (found.mode() & others == 0 || found.mode() & sticky != 0) {
        return Ok(());
    }
    Err(SocketError::Open {
        path: run_dir.to_owned(),
        owner: found.uid(),
        mode: found.mode() & 0o7777,
    })
}

/// Connects without waiting: a live switch that is stopped or swamped says EAGAIN.
fn who_answers(path: &Path) -> nix::Result<()> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

fn listen_at(path: &Path) -> io::Result<UnixListener> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // Before bind: Linux gives the file the mode of the socket, so it is never open to others.
    fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    listen(&fd, Backlog::new(BACKLOG)?)?;
    Ok(UnixListener::from(fd))
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Only our own file: somebody may have removed it and another switch taken the name.
        if fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_socket_is_private_and_goes_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("run");
        let socket = ControlSocket::create(&run_dir, "sw1").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&run_dir), 0o700);
        assert_eq!(mode(&run_dir.join("sw1.sock")), 0o600);
        drop(socket);
        assert!(!run_dir.join("sw1.sock").exists());
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = socket_path(dir.path(), "sw1");
        drop(UnixListener::bind(&path).unwrap());
        let socket = ControlSocket::create(dir.path(), "sw1").unwrap();
        let error = ControlSocket::create(dir.path(), "sw1").unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "a switch named 'sw1' is running already: {} answers",
                path.display()
            )
        );
        drop(socket);
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = socket_path(dir.path(), "sw1");
        fs::write(&path, "precious").unwrap();
        let error = ControlSocket::create(dir.path(), "sw1").unwrap_err();
        assert!(error.to_string().ends_with("is no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (mode, allowed) in [(0o700, true), (0o755, true), (0o1777, true)]
            .into_iter()
            .chain([(0o777, false), (0o770, false)])
        {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
            let made = ControlSocket::create(dir.path(), "sw1");
            assert_eq!(made.is_ok(), allowed, "{mode:o}: {made:?}");
        }
    }
}
