//! The programs under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The directory of `switchd`, `switchctl` and `labs`, built from the sources as they are now: a test must not
/// pass or fail because of yesterday's program. `cargo build` finds them fresh after `make test` built them.
#[must_use]
pub fn directory() -> &'static Path {
    static DIRECTORY: LazyLock<PathBuf> = LazyLock::new(|| {
        let this = std::env::current_exe().expect("a program has a path");
        // Tests are in PROFILE/deps, programs that test are in PROFILE.
        let mut above = this.ancestors().skip(1);
        let is_profile = |dir: &&Path| !dir.ends_with("deps");
        let profile = above.find(is_profile).expect("a profile").to_owned();
        let mut cargo = Command::new(env!("CARGO"));
        cargo
            .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        if let Some(target) = profile.parent() {
            cargo.env("CARGO_TARGET_DIR", target);
        }
        let status = cargo.status().expect("cargo ran before");
        assert!(status.success(), "the programs under test do not build");
        profile
    });
    &DIRECTORY
}

/// The path of the program `name`.
#[must_use]
pub fn path(name: &str) -> PathBuf {
    directory().join(name)
}
