//! Who may run where: rules, what breaks them, and rules that nothing can keep.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use super::listed;

/// A rule, and always a must.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// These VMs run on one host.
    Affinity(Vec<String>),
    /// No two of these VMs run on one host.
    AntiAffinity(Vec<String>),
    /// These VMs run on these hosts only.
    Must {
        /// The VMs.
        vms: Vec<String>,
        /// The hosts.
        hosts: Vec<String>,
    },
    /// These VMs do not run on these hosts.
    MustNot {
        /// The VMs.
        vms: Vec<String>,
        /// The hosts.
        hosts: Vec<String>,
    },
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Affinity(vms) => write!(f, "affinity of {}", listed(vms)),
            Self::AntiAffinity(vms) => write!(f, "anti-affinity of {}", listed(vms)),
            Self::Must { vms, hosts } => {
                write!(f, "{} must run on {}", listed(vms), listed(hosts))
            }
            Self::MustNot { vms, hosts } => {
                write!(f, "{} must not run on {}", listed(vms), listed(hosts))
            }
        }
    }
}

/// A pair of VMs, or one VM, that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The rule's place in the list.
    pub rule: usize,
    /// Who breaks it.
    pub vms: Vec<String>,
    /// How, as a sentence.
    pub text: String,
}

/// Every breach of `rules` by VMs at these places. Their number is what a repair must lower.
pub(super) fn breaches(rules: &[Rule], places: &BTreeMap<String, String>) -> Vec<Breach> {
    let mut all = Vec::new();
    for (number, rule) in rules.iter().enumerate() {
        let mut add = |vms: &[&String], what: String| {
            all.push(Breach {
                rule: number,
                vms: vms.iter().map(|vm| (*vm).clone()).collect(),
                text: format!("{what} ({rule})"),
            });
        };
        match rule {
            Rule::Affinity(vms) | Rule::AntiAffinity(vms) => {
                let wanted = matches!(rule, Rule::Affinity(_));
                for (first, second) in pairs(vms) {
                    let (Some(here), Some(there)) = (places.get(first), places.get(second)) else {
                        continue;
                    };
                    if (here == there) != wanted {
                        let what = if wanted {
                            format!("{first} would be on {here} and {second} on {there}")
                        } else {
                            format!("{first} and {second} would share {here}")
                        };
                        add(&[first, second], what);
                    }
                }
            }
            Rule::Must { vms, hosts } | Rule::MustNot { vms, hosts } => {
                let wanted = matches!(rule, Rule::Must { .. });
                for vm in vms {
                    if let Some(place) = places.get(vm)
                        && hosts.contains(place) != wanted
                    {
                        add(&[vm], format!("{vm} would be on {place}"));
                    }
                }
            }
        }
    }
    all
}

fn pairs(vms: &[String]) -> impl Iterator<Item = (&String, &String)> {
    let with_rest = vms.iter().enumerate();
    with_rest.flat_map(|(index, first)| vms[index + 1..].iter().map(move |second| (first, second)))
}

/// VMs that move together because affinity binds them, each once, in order of names.
pub(super) fn units<'v>(rules: &[Rule], vms: impl Iterator<Item = &'v String>) -> Vec<Vec<String>> {
    let mut units: Vec<BTreeSet<String>> = vms.map(|vm| BTreeSet::from([vm.clone()])).collect();
    for rule in rules {
        if let Rule::Affinity(together) = rule {
            let (bound, free): (Vec<_>, Vec<_>) = units
                .into_iter()
                .partition(|unit| together.iter().any(|vm| unit.contains(vm)));
            units = free;
            units.push(bound.into_iter().flatten().collect());
        }
    }
    units.sort();
    units
        .into_iter()
        .filter(|unit| !unit.is_empty())
        .map(|unit| unit.into_iter().collect())
        .collect()
}

/// The first rule that cannot be kept together with those before it, whatever the loads, and why.
#[must_use]
pub fn contradiction(
    rules: &[Rule],
    vms: &BTreeSet<String>,
    hosts: &BTreeSet<String>,
) -> Option<(usize, String)> {
    (0..rules.len()).find_map(|last| {
        let why = unkept(&rules[..=last], vms, hosts)?;
        Some((last, why))
    })
}

fn unkept(rules: &[Rule], vms: &BTreeSet<String>, hosts: &BTreeSet<String>) -> Option<String> {
    let units = units(rules, vms.iter());
    let allowed: Vec<BTreeSet<&String>> = units
        .iter()
        .map(|unit| {
            hosts
                .iter()
                .filter(|host| may_run(rules, unit, host))
                .collect()
        })
        .collect();
    if let Some(nowhere) = allowed.iter().position(BTreeSet::is_empty) {
        return Some(format!("no host is left for {}", listed(&units[nowhere])));
    }
    let unit_of = |vm: &String| units.iter().position(|unit| unit.contains(vm));
    for rule in rules {
        let Rule::AntiAffinity(apart) = rule else {
            continue;
        };
        let of: Vec<usize> = apart.iter().filter_map(unit_of).collect();
        for (first, second) in pairs(apart) {
            if unit_of(first) == unit_of(second) {
                return Some(format!("{first} and {second} must be together by affinity"));
            }
        }
        let places: Vec<&BTreeSet<&String>> = of.iter().map(|unit| &allowed[*unit]).collect();
        if !can_be_apart(&places) {
            let choice: BTreeSet<&String> = places.into_iter().flatten().copied().collect();
            let choice: Vec<String> = choice.into_iter().cloned().collect();
            return Some(format!(
                "{} cannot each have a host of its own out of {}",
                listed(apart),
                listed(&choice)
            ));
        }
    }
    None
}

fn may_run(rules: &[Rule], unit: &[String], host: &String) -> bool {
    rules.iter().all(|rule| match rule {
        Rule::Must { vms, hosts } => {
            hosts.contains(host) || !vms.iter().any(|vm| unit.contains(vm))
        }
        Rule::MustNot { vms, hosts } => {
            !hosts.contains(host) || !vms.iter().any(|vm| unit.contains(vm))
        }
        Rule::Affinity(_) | Rule::AntiAffinity(_) => true,
    })
}

/// Whether everyone finds a host of its own: a matching, by augmenting paths.
fn can_be_apart(allowed: &[&BTreeSet<&String>]) -> bool {
    fn place<'h>(
        who: usize,
        allowed: &[&BTreeSet<&'h String>],
        taken: &mut BTreeMap<&'h String, usize>,
        asked: &mut BTreeSet<&'h String>,
    ) -> bool {
        for host in allowed[who] {
            if asked.insert(host) {
                let holder = taken.get(host).copied();
                if holder.is_none_or(|holder| place(holder, allowed, taken, asked)) {
                    taken.insert(host, who);
                    return true;
                }
            }
        }
        false
    }
    let mut taken = BTreeMap::new();
    (0..allowed.len()).all(|who| place(who, allowed, &mut taken, &mut BTreeSet::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn why(rules: &[Rule]) -> Option<(usize, String)> {
        let set = |text| words(text).into_iter().collect();
        contradiction(rules, &set("a b c d"), &set("x y z"))
    }

    #[test]
    fn affinity_binds_by_way_of_others() {
        let rules = [
            Rule::Affinity(words("a b")),
            Rule::AntiAffinity(words("a d")),
            Rule::Affinity(words("c b")),
        ];
        let all = words("a b c d");
        assert_eq!(units(&rules, all.iter()), [words("a b c"), words("d")]);
        assert_eq!(why(&rules), None);
    }

    #[test]
    fn rules_that_nothing_can_keep_are_found() {
        let must = |vms, hosts| Rule::Must {
            vms: words(vms),
            hosts: words(hosts),
        };
        let says = |rules: &[Rule]| why(rules).unwrap();
        assert_eq!(
            says(&[
                Rule::Affinity(words("a b")),
                Rule::AntiAffinity(words("b a"))
            ]),
            (1, "b and a must be together by affinity".to_owned())
        );
        assert_eq!(
            says(&[
                Rule::Affinity(words("a b")),
                must("a", "x"),
                must("b", "y z")
            ]),
            (2, "no host is left for a and b".to_owned())
        );
        assert_eq!(
            says(&[Rule::AntiAffinity(words("a b c d"))]),
            (
                0,
                "a, b, c and d cannot each have a host of its own out of x, y and z".to_owned()
            )
        );
        // Three hosts for three, but two of them have the same one.
        assert_eq!(
            says(&[
                Rule::AntiAffinity(words("a b c")),
                must("a", "x"),
                must("b", "x")
            ])
            .0,
            2
        );
        assert_eq!(
            why(&[
                Rule::AntiAffinity(words("a b c")),
                must("a", "x y"),
                must("b", "x")
            ]),
            None
        );
    }
}
