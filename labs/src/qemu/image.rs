//! What a machine boots: the packaged guest, made once and kept in the cache directory, or the user's own files.

use core::hash::Hasher as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher;

use super::QemuArgs;
use super::initrd::{self, INIT, MODULES};
use super::packages;

/// The package that depends on Debian's newest kernel for clouds: small, and with all that virtio needs.
const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";
const BUSYBOX_PACKAGE: &str = "busybox-static";

/// What the kernel always hears: the console is the serial line, a panic ends the machine, the card is `eth0`; to leave out
/// what costs a translated machine most and protects nobody here; and not to count the ticks of its timer, which are too
/// few where the machine below is busy, and end the boot.
const ALWAYS: &str =
    "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off no5lvl no_timer_check";

/// And what the packaged guest hears besides: to leave out what asks more of the kernel for every frame and every process
/// that wakes, and is of no use to it. What the first answer after a move takes is translated anew at the target.
const PACKAGED: &str = "psi=0 lsm= tsc=reliable nowatchdog";

/// What a machine boots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The kernel; without one the machine boots from its disk.
    pub kernel: Option<PathBuf>,
    /// The kernel's initrd.
    pub initrd: Option<PathBuf>,
    /// A disk.
    pub disk: Option<PathBuf>,
    /// More words for the kernel.
    pub append: String,
    /// It is the packaged guest, which asks little of a processor.
    pub is_packaged: bool,
}

/// Why there is nothing to boot.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A program that is needed is not installed.
    #[error("{program} is not installed: the Debian package {package} has it{hint}")]
    Program {
        /// The program.
        program: String,
        /// Where it is from.
        package: &'static str,
        /// Another way.
        hint: &'static str,
    },
    /// Neither variable says where the cache is.
    #[error("neither XDG_CACHE_HOME nor HOME says where the packaged guest can be kept")]
    NoCache,
    /// A program failed.
    #[error("{program}: {said}")]
    Failed {
        /// The program.
        program: String,
        /// What it said.
        said: String,
    },
    /// Something is not where it should be.
    #[error("{what} is not in {}", place.display())]
    Missing {
        /// What.
        what: String,
        /// Where it should be.
        place: PathBuf,
    },
    /// A file or program.
    #[error("{what}: {source}")]
    Io {
        /// Which.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Flags for machines the lab does not have.
    #[error(
        "the lab {lab} has no VM with `machine: qemu`: --kernel, --initrd, --disk, --append and --accel say nothing of it"
    )]
    NoMachine {
        /// The lab.
        lab: String,
    },
}

impl ImageError {
    /// 2 for what the user must mend, 1 for what went wrong underway.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Program { .. } | Self::NoCache | Self::Io { .. } | Self::NoMachine { .. } => 2,
            Self::Failed { .. } | Self::Missing { .. } => 1,
        }
    }

    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            what: path.display().to_string(),
            source,
        }
    }
}

impl Image {
    /// What `args` name, else the packaged guest.
    ///
    /// # Errors
    /// When a file is not there, or the packaged guest cannot be made.
    pub fn of(args: &QemuArgs, progress: &dyn Fn(&str)) -> Result<Self, ImageError> {
        for path in [&args.kernel, &args.initrd, &args.disk]
            .into_iter()
            .flatten()
        {
            File::open(path).map_err(|source| ImageError::io(path, source))?;
        }
        // A machine runs elsewhere: it needs the whole path.
        let whole = |path: &Option<PathBuf>| {
            let path = path.as_ref().map(std::path::absolute);
            path.transpose().map_err(|source| ImageError::Io {
                what: "a path".to_owned(),
                source,
            })
        };
        let own = Self {
            kernel: whole(&args.kernel)?,
            initrd: whole(&args.initrd)?,
            disk: whole(&args.disk)?,
            append: args.append.clone().unwrap_or_default(),
            is_packaged: false,
        };
        if own.kernel.is_some() || own.disk.is_some() {
            return Ok(own);
        }
        packaged(&cache()?, progress)
    }

    /// The kernel's command line for a machine that is `words`.
    #[must_use]
    pub fn command_line(&self, words: &str) -> String {
        let packaged = self.is_packaged.then_some(PACKAGED);
        let append = Some(self.append.as_str()).filter(|append| !append.is_empty());
        let parts = [Some(ALWAYS), packaged, Some(words), append];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        parts.join(" ")
    }
}

/// Where packages and guest are kept.
///
/// # Errors
/// When no variable says so.
pub fn cache() -> Result<PathBuf, ImageError> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = set("XDG_CACHE_HOME").map(PathBuf::from);
    // As the XDG base directory specification has it: a relative path is none.
    let cache = cache.filter(|path| path.is_absolute());
    let cache = cache.or_else(|| set("HOME").map(|home| Path::new(&home).join(".cache")));
    cache
        .map(|cache| cache.join("algorhyme"))
        .ok_or(ImageError::NoCache)
}

/// Forgets the guest and its packages, so that the newest are had next.
///
/// # Errors
/// When they cannot be removed.
pub fn forget(cache: &Path) -> Result<(), ImageError> {
    match fs::remove_dir_all(cache) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ImageError::io(cache, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The packaged guest: what lies in `cache`, made if it does not.
///
/// # Errors
/// When a package cannot be had or lacks what is needed.
pub fn packaged(cache: &Path, progress: &dyn Fn(&str)) -> Result<Image, ImageError> {
    let place = cache.join(format!("guest-{:016x}", fingerprint()));
    let image = Image {
        kernel: Some(place.join("vmlinuz")),
        initrd: Some(place.join("initrd")),
        is_packaged: true,
        ..Image::default()
    };
    if place.is_dir() {
        return Ok(image);
    }
    let failed = |source| ImageError::io(cache, source);
    let downloads = cache.join("packages");
    fs::create_dir_all(&downloads).map_err(failed)?;
    let lock = File::open(&downloads).map_err(failed)?;
    let _lock =
        Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))?;
    // Somebody may have made it while we waited.
    if place.is_dir() {
        return Ok(image);
    }
    let work = cache.join(format!("work-{}", std::process::id()));
    let made = make(&downloads, &work, progress).and_then(|()| {
        let done = work.join("guest");
        fs::rename(done, &place).map_err(failed)
    });
    // What is left of it is of no use.
    let _ = fs::remove_dir_all(&work);
    made.map(|()| image)
}

/// Makes `guest/vmlinuz` and `guest/initrd` in `work`.
fn make(downloads: &Path, work: &Path, progress: &dyn Fn(&str)) -> Result<(), ImageError> {
    look_for("dpkg-deb", "dpkg")?;
    let meta = packages::package(downloads, KERNEL_PACKAGE, progress)?;
    let kernel = packages::dependency(&meta, "linux-image-")?;
    let kernel = packages::package(downloads, &kernel, progress)?;
    let busybox = packages::package(downloads, BUSYBOX_PACKAGE, progress)?;
    progress("making the guest's initrd");
    let root = work.join("root");
    let guest = work.join("guest");
    for directory in [&root, &guest] {
        fs::create_dir_all(directory).map_err(|source| ImageError::io(directory, source))?;
    }
    packages::unpack(&kernel, &root)?;
    packages::unpack(&busybox, &root)?;
    let missing = |what: &str| ImageError::Missing {
        what: what.to_owned(),
        place: root.clone(),
    };
    let image = packages::find(&root, &|file| file.starts_with("vmlinuz-"));
    let image = image.map_err(|source| ImageError::io(&root, source))?;
    let image = image.ok_or_else(|| missing("the kernel"))?;
    let mut modules = Vec::new();
    for name in MODULES {
        if let Some(module) = packages::file(&root, &format!("{name}.ko"))? {
            modules.push((name.to_owned(), module));
        }
    }
    let busybox = packages::file(&root, "busybox")?.ok_or_else(|| missing("busybox"))?;
    let initrd = initrd::archive(&busybox, &modules)
        .map_err(|source| ImageError::io(&guest.join("initrd"), source))?;
    write(&guest.join("initrd"), &initrd)?;
    fs::rename(&image, guest.join("vmlinuz")).map_err(|source| ImageError::io(&image, source))
}

fn write(path: &Path, content: &[u8]) -> Result<(), ImageError> {
    fs::write(path, content).map_err(|source| ImageError::io(path, source))
}

/// Of what the guest is made of besides its packages: another init is another guest.
fn fingerprint() -> u64 {
    let mut hasher = SipHasher::new();
    hasher.write(INIT);
    for module in MODULES {
        hasher.write(module.as_bytes());
    }
    hasher.finish()
}

/// Whether `program` is in the PATH.
///
/// # Errors
/// When it is not.
pub(super) fn look_for(program: &str, package: &'static str) -> Result<(), ImageError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories = std::env::split_paths(&path);
    if directories.any(|directory| directory.join(program).is_file()) {
        return Ok(());
    }
    Err(ImageError::Program {
        program: program.to_owned(),
        package,
        hint: match package {
            "apt" | "dpkg" => "; without them name a guest by --kernel and --initrd",
            _ => "",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_named_are_taken_and_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = dir.path().join("vmlinuz");
        fs::write(&kernel, b"").unwrap();
        let args = QemuArgs {
            kernel: Some(kernel.clone()),
            append: Some("debug".to_owned()),
            ..QemuArgs::default()
        };
        let image = Image::of(&args, &|_| {}).unwrap();
        assert_eq!(image.kernel, Some(kernel));
        assert_eq!(
            image.command_line("algo.ip=10.0.0.5/24"),
            "console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off no5lvl no_timer_check algo.ip=10.0.0.5/24 debug"
        );
        let args = QemuArgs {
            disk: Some(dir.path().join("none.qcow2")),
            ..QemuArgs::default()
        };
        let error = Image::of(&args, &|_| {}).unwrap_err().to_string();
        assert!(error.contains("none.qcow2: No such file"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_named_with_its_package() {
        assert!(look_for("sh", "dash").is_ok());
        let error = look_for("no-such-program", "dpkg").unwrap_err().to_string();
        assert_eq!(
            error,
            "no-such-program is not installed: the Debian package dpkg has it; without them name a guest by --kernel and --initrd"
        );
    }
}
