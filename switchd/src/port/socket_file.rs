//! The name of a unix socket in the file system: free of what a dead process left, and gone with its owner.

use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// A name that is removed when this is dropped.
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

impl SocketFile {
    /// Binds at `path` by `bind`. A socket of that name that `ask` finds nobody behind is replaced.
    ///
    /// # Errors
    /// Somebody is there, or something that is no socket.
    pub(super) fn bind<T>(
        path: &Path,
        bind: impl Fn(&Path) -> io::Result<T>,
        ask: impl Fn(&Path) -> io::Result<()>,
    ) -> io::Result<(T, Self)> {
        let bound = match bind(path) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left(path, ask) => {
                fs::remove_file(path)?;
                bind(path)?
            }
            bound => bound?,
        };
        Ok((bound, Self(path.to_owned())))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody may have removed it.
        let _ = fs::remove_file(&self.0);
    }
}

fn is_left(path: &Path, ask: impl Fn(&Path) -> io::Result<()>) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    is_socket && ask(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}
