//! The fuzz targets without a fuzzer: every file of their corpora, and mutations of them.

use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use tests::fuzz::{TARGETS, Target};

/// Mutations of each target.
const CASES: u32 = 1_000;

/// Where a target's inputs are.
fn directories(target: &Target) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = vec![root.join("fuzz/corpus").join(target.name)];
    if target.name == "lab" {
        directories.push(root.join("../labs/scenarios"));
    }
    directories
}

fn corpus(target: &Target) -> Vec<Vec<u8>> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for directory in directories(target) {
        let entries = std::fs::read_dir(&directory)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        paths.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    paths.sort();
    let inputs = paths
        .iter()
        .map(|path| std::fs::read(path).expect("a file"));
    inputs.collect()
}

/// A change as a fuzzer makes them.
#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Flip(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
    /// A piece of another input of the corpus.
    Splice(Index, Index, Index, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, octet)| Mutation::Set(at, octet)),
        (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        (at(), prop::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, octets)| Mutation::Insert(at, octets)),
        (at(), 1..20_usize).prop_map(|(at, len)| Mutation::Remove(at, len)),
        at().prop_map(Mutation::Cut),
        (at(), at(), at(), 1..200_usize)
            .prop_map(|(at, other, from, len)| Mutation::Splice(at, other, from, len)),
    ]
}

impl Mutation {
    fn apply(&self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let place = |at: &Index, octets: &[u8]| at.index(octets.len() + 1);
        match self {
            Self::Set(at, octet) => {
                let at = place(at, input);
                input.get_mut(at).into_iter().for_each(|old| *old = *octet);
            }
            Self::Flip(at, bit) => {
                let at = place(at, input);
                input
                    .get_mut(at)
                    .into_iter()
                    .for_each(|old| *old ^= 1 << bit);
            }
            Self::Insert(at, octets) => {
                let at = place(at, input);
                input.splice(at..at, octets.iter().copied());
            }
            Self::Remove(at, len) => {
                let at = place(at, input);
                input.drain(at..(at + len).min(input.len()));
            }
            Self::Cut(at) => input.truncate(place(at, input)),
            Self::Splice(at, other, from, len) => {
                let other = other.get(corpus);
                let from = place(from, other);
                let piece = &other[from..(from + len).min(other.len())];
                let at = place(at, input);
                input.splice(at..at, piece.iter().copied());
            }
        }
    }
}

#[test]
fn every_corpus_is_played() {
    for target in TARGETS {
        let corpus = corpus(target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        for input in corpus {
            (target.run)(&input);
        }
    }
}

#[test]
fn mutations_of_every_corpus_are_played() {
    std::thread::scope(|scope| {
        for target in TARGETS {
            scope.spawn(|| mutate(target));
        }
    });
}

fn mutate(target: &Target) {
    let corpus = corpus(target);
    let mutations = prop::collection::vec(mutation(), 0..6);
    proptest!(ProptestConfig::with_cases(CASES), |(index: Index, mutations in mutations)| {
        let mut input = index.get(&corpus).clone();
        for mutation in &mutations {
            mutation.apply(&mut input, &corpus);
        }
        (target.run)(&input);
    });
}

/// The fuzzer's programs are the targets, one each.
#[test]
fn every_target_has_a_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/targets");
    let entries = std::fs::read_dir(root).expect("the programs");
    let mut programs: Vec<String> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().expect("a name");
            let name = stem.to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a file");
            assert!(text.contains(&format!("run(\"{name}\", octets)")), "{name}");
            name
        })
        .collect();
    programs.sort();
    let mut targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    targets.sort_unstable();
    assert_eq!(programs, targets);
}
