//! What the report says: a chapter each for the method, the promises, every event, what is the protocol's own, and cost.

mod cost;
mod depth;
mod events;
mod method;
mod own;
mod rapid;

use super::html::Material;

/// A chapter.
#[derive(Clone, Debug)]
pub(super) struct Chapter {
    pub(super) anchor: &'static str,
    pub(super) title: String,
    /// HTML.
    pub(super) body: String,
}

/// What stands before the list of contents: the title, and the findings in short.
pub(super) fn opening(material: &Material<'_>) -> String {
    method::opening(material)
}

/// All chapters that the study has something for.
pub(super) fn all(material: &Material<'_>) -> Vec<Chapter> {
    let mut chapters = vec![
        method::method(material),
        method::promises(material.plan.protocol),
    ];
    chapters.extend(events::all(material));
    if material.plan.has_depth() {
        chapters.push(depth::chapter(material));
    }
    chapters.extend(own::all(material));
    chapters.extend(cost::chapter(material));
    chapters.push(method::repeat(material));
    chapters
}
