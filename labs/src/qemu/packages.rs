//! Debian packages: had from apt, unpacked, not installed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::image::{ImageError, look_for};

/// The package `name` in `directory`: the one that lies there, else downloaded.
pub(super) fn package(
    directory: &Path,
    name: &str,
    progress: &dyn Fn(&str),
) -> Result<PathBuf, ImageError> {
    if let Some(found) = newest(directory, name) {
        return Ok(found);
    }
    look_for("apt-get", "apt")?;
    progress(&format!("downloading the Debian package {name}"));
    let mut apt = Command::new("apt-get");
    // Whoever downloads may be root, whose cache the user `_apt` cannot write.
    apt.args(["-o", "APT::Sandbox::User=root", "download", name])
        .current_dir(directory);
    said(&mut apt)?;
    newest(directory, name).ok_or_else(|| ImageError::Missing {
        what: format!("the package {name}"),
        place: directory.to_owned(),
    })
}

/// What `package` says in its field `Depends` about packages whose names begin with `prefix`.
pub(super) fn dependency(package: &Path, prefix: &str) -> Result<String, ImageError> {
    let mut dpkg = Command::new("dpkg-deb");
    let depends = said(dpkg.arg("-f").arg(package).arg("Depends"))?;
    let names = depends.split([',', '|']);
    let mut names = names.filter_map(|name| name.split_whitespace().next());
    let found = names.find(|name| name.starts_with(prefix));
    found.map(str::to_owned).ok_or_else(|| ImageError::Missing {
        what: format!("a dependency {prefix}…"),
        place: package.to_owned(),
    })
}

/// Unpacks `package` into `directory`.
pub(super) fn unpack(package: &Path, directory: &Path) -> Result<(), ImageError> {
    let mut dpkg = Command::new("dpkg-deb");
    said(dpkg.arg("-x").arg(package).arg(directory)).map(drop)
}

/// The file called `name` below `directory`, perhaps compressed by xz; `None`: there is none.
pub(super) fn file(directory: &Path, name: &str) -> Result<Option<Vec<u8>>, ImageError> {
    let packed = format!("{name}.xz");
    let found = find(directory, &|file| file == name || file == packed);
    let found = found.map_err(|source| ImageError::io(directory, source))?;
    match found {
        None => Ok(None),
        Some(path) if path.extension().is_some_and(|end| end == "xz") => {
            output(Command::new("xz").arg("-dc").arg(&path)).map(Some)
        }
        Some(path) => {
            let content = fs::read(&path).map_err(|source| ImageError::io(&path, source))?;
            Ok(Some(content))
        }
    }
}

/// The first file below `directory` whose name is right. Links are not followed.
pub(super) fn find(
    directory: &Path,
    is_right: &dyn Fn(&str) -> bool,
) -> io::Result<Option<PathBuf>> {
    let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if let Some(found) = find(&entry.path(), is_right)? {
                return Ok(Some(found));
            }
        } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_right) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

fn newest(directory: &Path, name: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).ok()?.flatten();
    let is_it = |entry: &fs::DirEntry| {
        let file = entry.file_name();
        let file = file.to_str().unwrap_or_default();
        file.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('_') && rest.ends_with(".deb"))
    };
    let time = |entry: &fs::DirEntry| entry.metadata().and_then(|data| data.modified()).ok();
    let newest = entries.filter(is_it).max_by_key(time)?;
    Some(newest.path())
}

fn said(command: &mut Command) -> Result<String, ImageError> {
    Ok(String::from_utf8_lossy(&output(command)?).into_owned())
}

fn output(command: &mut Command) -> Result<Vec<u8>, ImageError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|source| ImageError::Io {
        what: program.clone(),
        source,
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(ImageError::Failed {
        program,
        said: said.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_found_by_its_whole_name_and_a_file_wherever_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "linux-image-cloud-amd64-dbg_1_amd64.deb",
            "linux-image-cloud-amd64_6_amd64.deb",
            "other",
        ] {
            fs::write(dir.path().join(name), b"").unwrap();
        }
        let found = package(dir.path(), "linux-image-cloud-amd64", &|_| {}).unwrap();
        assert!(found.ends_with("linux-image-cloud-amd64_6_amd64.deb"));
        let deep = dir.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("virtio.ko"), b"module").unwrap();
        let content = file(dir.path(), "virtio.ko").unwrap();
        assert_eq!(content.as_deref(), Some(&b"module"[..]));
        assert_eq!(file(dir.path(), "virtio_net.ko").unwrap(), None);
    }

    #[test]
    fn what_is_no_package_is_an_error_with_its_program() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.deb");
        fs::write(&path, b"no package").unwrap();
        let error = dependency(&path, "linux-image-").unwrap_err();
        assert!(error.to_string().starts_with("dpkg-deb: "), "{error}");
    }
}
