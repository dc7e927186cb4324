//! A study in parts: the report of the joined parts is the report of the whole, and bad parts are told apart.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const SMALL: [&str; 10] = [
    "study",
    "domain-growth",
    "--size-max",
    "4",
    "--trials",
    "2",
    "--topology",
    "ring,pods",
    "--event",
    "cold-start,root-link-loss,flapping-port",
];

fn labs(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_labs"));
    command.args(arguments).output().expect("labs starts")
}

fn study(dir: &Path, more: &[&str]) -> Output {
    let mut arguments = SMALL.to_vec();
    arguments.extend(["--out", dir.to_str().expect("it is text")]);
    arguments.extend(more);
    labs(&arguments)
}

/// Every file below a directory, by its path.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let name = path.strip_prefix(dir).expect("it is below").to_owned();
                found.insert(name, fs::read(path).expect("it can be read"));
            }
        }
    }
    found
}

fn part(parent: &TempDir, name: &str) -> PathBuf {
    parent.path().join(name)
}

fn error_of(output: &Output) -> (Option<i32>, String) {
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    (output.status.code(), text)
}

#[test]
fn joined_parts_are_the_whole_octet_by_octet() {
    let parent = tempfile::tempdir().expect("there is room");
    let whole = part(&parent, "whole");
    let output = study(&whole, &["--jobs", "1"]);
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "no progress but on a terminal");
    let mut merge = vec!["study".to_owned(), "merge".to_owned()];
    for number in ["3/3", "1/3", "2/3"] {
        let dir = part(&parent, &format!("part{}", &number[..1]));
        let output = study(&dir, &["--jobs", "2", "--shard", number]);
        assert!(output.status.success(), "{output:?}");
        merge.push(dir.to_str().expect("it is text").to_owned());
    }
    let joined = part(&parent, "joined");
    merge.extend([
        "--out".to_owned(),
        joined.to_str().expect("it is text").to_owned(),
    ]);
    let merge: Vec<&str> = merge.iter().map(String::as_str).collect();
    let output = labs(&merge);
    assert!(output.status.success(), "{output:?}");
    let (whole, joined) = (files(&whole), files(&joined));
    let names: Vec<_> = whole
        .keys()
        .map(|path| path.display().to_string())
        .collect();
    assert_eq!(
        names,
        joined
            .keys()
            .map(|path| path.display().to_string())
            .collect::<Vec<_>>()
    );
    for (name, octets) in &whole {
        assert!(joined[name] == *octets, "{} differs", name.display());
    }
    for name in [
        "report.html",
        "trials.csv",
        "points.csv",
        "plan.json",
        "charts/settle-cold-start.svg",
        "charts/depth-share.png",
    ] {
        assert!(whole.contains_key(Path::new(name)), "{name} is missing");
    }
    let report = String::from_utf8_lossy(&whole[Path::new("report.html")]);
    assert!(report.contains("<svg role=\"img\""));
    assert!(
        !report.contains("http://") || !report.contains("src=\"http"),
        "it needs nothing else"
    );
    let trials = String::from_utf8_lossy(&whole[Path::new("trials.csv")]);
    assert_eq!(
        trials.lines().count(),
        1 + 2 * (2 * 3 + 3 + 3 * 3),
        "no trial is left out"
    );
}

/// A protocol's own tables and chapters are in the report of one run and in that of its joined parts.
#[test]
fn each_protocol_has_chapters_of_its_own() {
    let parent = tempfile::tempdir().expect("there is room");
    for (protocol, tables, chapters) in [
        ("rstp", &["law.csv"][..], &["The law of rings"][..]),
        ("mstp", &["regions.csv"], &["What regions hold back"]),
        (
            "pvst",
            &["vlans.csv"],
            &["What a tree for every VLAN costs"],
        ),
    ] {
        let small = ["--protocol", protocol, "--jobs", "1"];
        let [whole, one, two, joined] = ["whole", "one", "two", "joined"]
            .map(|name| part(&parent, &format!("{protocol}-{name}")));
        assert!(study(&whole, &small).status.success());
        for (dir, shard) in [(&one, "1/2"), (&two, "2/2")] {
            let more = [&small[..], &["--shard", shard]].concat();
            assert!(study(dir, &more).status.success());
        }
        let [one, two, out] = [&one, &two, &joined].map(|dir| dir.to_str().expect("it is text"));
        let output = labs(&["study", "merge", one, two, "--out", out]);
        assert!(output.status.success(), "{output:?}");
        let whole = files(&whole);
        assert_eq!(whole, files(&joined), "{protocol}");
        let report = String::from_utf8_lossy(&whole[Path::new("report.html")]);
        for chapter in chapters {
            assert!(report.contains(chapter), "{protocol}: {chapter}");
        }
        assert!(report.contains(&format!("--protocol {protocol} --seed 1")));
        assert!(!report.contains("depth-share"), "{protocol}");
        for table in tables {
            assert!(whole[Path::new(table)].len() > 100, "{protocol}: {table}");
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let parent = tempfile::tempdir().expect("there is room");
    let dirs = ["one", "two", "other"].map(|name| part(&parent, name));
    for (dir, more) in dirs.iter().zip([
        ["--no-depth", "--shard", "1/2", "--seed", "1"],
        ["--no-depth", "--shard", "2/2", "--seed", "1"],
        ["--no-depth", "--shard", "2/2", "--seed", "2"],
    ]) {
        assert!(study(dir, &more).status.success());
    }
    let [one, two, other] = dirs.each_ref().map(|dir| dir.to_str().expect("it is text"));
    let out = part(&parent, "out");
    let out = out.to_str().expect("it is text");
    let merge = |parts: &[&str]| {
        let mut arguments = vec!["study", "merge"];
        arguments.extend(parts);
        arguments.extend(["--out", out]);
        error_of(&labs(&arguments))
    };
    let (code, text) = merge(&[one]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("of 18 trials are in none of the parts"),
        "{text}"
    );
    let (code, text) = merge(&[one, other]);
    assert_eq!(code, Some(2));
    assert!(text.contains("parts of different studies"), "{text}");
    let (code, text) = merge(&[one, "/nonexistent"]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("/nonexistent/plan.json: No such file"),
        "{text}"
    );
    assert!(!Path::new(out).exists(), "nothing is written");
    assert_eq!(merge(&[one, two, one]).0, Some(0));
    let table = Path::new(two).join("trials.csv");
    let text = fs::read_to_string(&table).expect("it can be read");
    fs::write(&table, text.replace("ring,", "rung,")).expect("it can be written");
    let (code, text) = merge(&[one, two]);
    assert_eq!(code, Some(2));
    assert!(
        text.contains("trials.csv: line 2: 'rung' is no family"),
        "{text}"
    );
}

#[test]
fn bad_arguments_are_told() {
    for (arguments, message) in [
        (
            &["--shard", "4/3"][..],
            "there is no part 4 of 3: parts are 1/3 to 3/3",
        ),
        (
            &["--shard", "half"],
            "'half' is no part of a whole: write I/N, as in 2/5",
        ),
        (
            &["--topology", "star"],
            "shapes are line, ring, tree, mesh, pods, fat-tree",
        ),
        (
            &["--event", "quake"],
            "possible values: cold-start, root-loss",
        ),
        (&["--size-max", "1"], "1 is not in 2..=1000"),
        (
            &["--protocol", "ospf"],
            "possible values: stp, rstp, mstp, pvst, rapid-pvst",
        ),
        (&["--jobs", "0"], "number would be zero"),
    ] {
        let mut all = vec!["study", "domain-growth"];
        all.extend(arguments);
        let (code, text) = error_of(&labs(&all));
        assert_eq!(code, Some(2), "{arguments:?}");
        assert!(text.contains(message), "{arguments:?}: {text}");
    }
    let (code, text) = error_of(&study(Path::new("/proc/nowhere"), &["--no-depth"]));
    assert_eq!(code, Some(1));
    assert!(text.contains("/proc/nowhere"), "{text}");
}
