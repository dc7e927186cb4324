//! The tables.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Record;
use super::trial::Told;
use stp::BridgeId;

/// A line for every trial.
pub(super) fn trials(records: &[Record]) -> String {
    let mut text = String::from(
        "shape,bridges,max_age_s,hold_count,epochs,offset,believed_ms,bound_ms,looped_ms,bpdus,oldest_age_s,agreed,as_promised\n",
    );
    for record in records {
        let (case, measured) = (record.case, record.measured);
        let believed = measured.believed.map(|believed| believed.to_string());
        let _ = writeln!(
            text,
            "{},{},{},{},{},{},{},{},{},{},{},{},{}",
            case.shape.name(),
            case.size,
            case.max_age,
            case.hold,
            case.epochs.name(),
            case.offset,
            believed.unwrap_or_default(),
            case.bound()
                .map(|bound| bound.to_string())
                .unwrap_or_default(),
            measured.looped,
            measured.bpdus,
            measured.oldest,
            u8::from(measured.agreed),
            u8::from(record.holds())
        );
    }
    text
}

/// The same for programs.
pub(super) fn json(records: &[Record]) -> String {
    let rows = records.iter().map(|record| {
        let (case, measured) = (record.case, record.measured);
        json!({
            "shape": case.shape.name(), "bridges": case.size, "max_age_s": case.max_age, "hold_count": case.hold,
            "epochs": case.epochs.name(), "offset": case.offset, "believed_ms": measured.believed,
            "bound_ms": case.bound(), "looped_ms": measured.looped, "bpdus": measured.bpdus,
            "oldest_age_s": measured.oldest, "agreed": measured.agreed, "as_promised": record.holds(),
        })
    });
    let mut text = Value::Array(rows.collect()).to_string();
    text.push('\n');
    text
}

/// BPDU by BPDU: when, by which port, of which root, at which cost and age, in which role.
pub(super) fn told(told: &[Told], dead: BridgeId) -> Vec<(bool, Vec<String>)> {
    let row = |told: &Told| {
        let config = &told.rst.config;
        let is_dead = config.root == dead;
        let root = if is_dead {
            "the dead root".to_owned()
        } else {
            config.root.to_string()
        };
        let epoch = told.rst.epoch.map_or_else(String::new, |stamp| {
            let vouched = if stamp.vouched { "" } else { ", not vouched" };
            format!("{}{vouched}", stamp.current)
        });
        let cells = vec![
            format!("{} ms", told.at.as_millis()),
            told.by.clone(),
            format!("{:?}", told.rst.role),
            root,
            config.root_path_cost.to_string(),
            config.message_age.duration().as_secs().to_string(),
            epoch,
        ];
        (is_dead, cells)
    };
    told.iter().map(row).collect()
}
