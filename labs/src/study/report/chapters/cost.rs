//! The chapter on what growth costs.

use super::super::html::{Material, figure, paragraph};
use super::Chapter;

pub(super) fn chapter(material: &Material<'_>) -> Option<Chapter> {
    let figures = [
        (
            "bpdus-cold-start",
            if material.plan.protocol.is_rapid() {
                "Messages grow with the number of cables: on each a proposal and its agreement, and a word more for every \
                 better root that is heard of. A full mesh has a cable for every pair of switches, so its messages grow with \
                 the square."
            } else {
                "Nearly parallel lines: messages grow with the number of cables, since every cable has one designated port that \
                 speaks every hello time and nobody speaks more than once a second. A full mesh has a cable for every pair of \
                 switches, so its messages grow with the square."
            },
        ),
        (
            "blocked",
            "Exactly the cables that are not needed for a tree: cables − switches + 1. Lines and trees have none. In pods three \
             of five cables of each pair wait, in a full mesh nearly all.",
        ),
        (
            "relearned-root-loss",
            "What the CAM tables have to learn again when the root dies: grows with the number of switches that the hosts' frames \
             cross or are flooded through.",
        ),
    ];
    let figures: String = figures
        .into_iter()
        .map(|(name, caption)| figure(material, name, caption))
        .collect();
    if figures.is_empty() {
        return None;
    }
    let mut body = paragraph(
        "Time hardly grows with the number of switches; work does, but gently: it follows the number of cables, not the number \
         of ways through the network.",
    );
    body += &figures;
    Some(Chapter {
        anchor: "cost",
        title: "What growth costs".to_owned(),
        body,
    })
}
