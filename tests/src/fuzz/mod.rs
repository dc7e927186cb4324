//! What a fuzzer calls: for each reader of octets that others write, a function that takes any octets and panics where
//! the reader breaks a promise.
//!
//! `tests/fuzz` hands these to libFuzzer (`make fuzz`); `tests/tests/fuzz.rs` plays its corpus, and mutations of it, in
//! every run of the tests. What a fuzzer finds is mended and stays in the corpus.

mod bpdu;
mod framing;
mod offload;
mod switch;
mod text;

/// A function to be fuzzed, and the name of its corpus.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its word: of the corpus's directory and of the program.
    pub name: &'static str,
    /// Takes any octets. Panics if a promise is broken.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("offload", offload::run),
    target("bpdu", bpdu::run),
    target("switch", switch::run),
    target("framing", framing::run),
    target("request", text::request),
    target("command", text::command),
    target("config", text::config),
    target("flags", text::flags),
    target("lab", text::lab),
];

const fn target(name: &'static str, run: fn(&[u8])) -> Target {
    Target { name, run }
}

/// Runs the target called `name`.
///
/// # Panics
/// There is none of that name, or it found something.
pub fn run(name: &str, octets: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target").run)(octets);
}

/// Takes a fuzzer's octets apart; where they end, zeros follow.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn octet(&mut self) -> u8 {
        let (octet, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *octet
    }

    /// At most `len` octets.
    fn some(&mut self, len: usize) -> &'a [u8] {
        let (some, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        some
    }
}
