//! YAML as a tree that remembers where each value stands.
//!
//! Built from the events of `saphyr-parser`, which carry positions. Scalars stay text: what `on`, `10` or
//! `52:54:00:00:00:05` mean is decided where the key is known, so no YAML version's idea of numbers and
//! truth values gets in between. Repeated keys are errors; anchors and aliases work, within [`VALUES_MAX`].

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::error::{Fault, Position};

/// Most values in one file, aliases expanded: a lab of 10,000 switches fits, an alias bomb does not.
const VALUES_MAX: usize = 1_000_000;
/// Deepest nesting; the format itself needs seven levels.
const DEPTH_MAX: usize = 32;

/// A value and where it starts.
#[derive(Debug, Clone)]
pub(super) struct Value {
    pub(super) at: Position,
    pub(super) kind: Kind,
}

impl Value {
    /// In words, for people: `4096`, `10,20`, `1 4096 2 8192`; nothing where nothing is written.
    pub(super) fn words(&self) -> String {
        match &self.kind {
            Kind::Null => String::new(),
            Kind::Scalar(text) => text.clone(),
            Kind::List(items) => {
                let items: Vec<String> = items.iter().map(Self::words).collect();
                items.join(",")
            }
            Kind::Map(entries) => {
                let entries = entries.iter();
                let entries: Vec<String> = entries
                    .map(|(key, value)| format!("{} {}", key.text, value.words()))
                    .collect();
                entries.join(" ")
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// No value: an empty plain scalar, `~` or `null`.
    Null,
    Scalar(String),
    List(Vec<Value>),
    /// In file order, keys unique.
    Map(Vec<(Key, Value)>),
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) at: Position,
    pub(super) text: String,
}

/// Reads the one document of `text`.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    let mut loader = Loader {
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        values: 0,
    };
    let root = loop {
        let (event, span) = loader.next()?;
        if matches!(event, Event::StreamEnd | Event::DocumentEnd) {
            return Err(Fault::new(position(span), "the file is empty"));
        }
        if !matches!(
            event,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_)
        ) {
            break loader.value(event, span, 0)?;
        }
    };
    loop {
        match loader.next()? {
            (Event::StreamEnd, _) => return Ok(root),
            (Event::DocumentStart(_), span) => {
                return Err(Fault::new(
                    position(span),
                    "a lab file holds one document, here starts a second",
                ));
            }
            _ => {}
        }
    }
}

fn position(span: Span) -> Position {
    Position {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

struct Loader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    anchors: BTreeMap<usize, (Value, usize)>,
    values: usize,
}

impl<'t> Loader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Fault> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => {
                let mark = error.marker();
                let at = Position {
                    line: mark.line(),
                    column: mark.col() + 1,
                };
                Err(Fault::new(at, format!("not YAML: {}", error.info())))
            }
            None => Err(Fault::new(
                Position::default(),
                "not YAML: the file ends early",
            )),
        }
    }

    fn value(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Value, Fault> {
        let at = position(span);
        if depth > DEPTH_MAX {
            return Err(Fault::new(
                at,
                format!("nested deeper than {DEPTH_MAX} levels"),
            ));
        }
        let before = self.values;
        self.count(at, 1)?;
        let (kind, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null");
                let kind = if null {
                    Kind::Null
                } else {
                    Kind::Scalar(text.into_owned())
                };
                (kind, anchor)
            }
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let Some((value, size)) = self.anchors.get(&anchor) else {
                    return Err(Fault::new(
                        at,
                        "an alias to an anchor that does not exist yet",
                    ));
                };
                let (value, size) = (value.clone(), *size);
                self.count(at, size)?;
                return Ok(value);
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(Fault::new(at, "a value is missing here")),
        };
        let value = Value { at, kind };
        if anchor != 0 {
            self.anchors
                .insert(anchor, (value.clone(), self.values - before));
        }
        Ok(value)
    }

    fn count(&mut self, at: Position, values: usize) -> Result<(), Fault> {
        self.values += values;
        if self.values > VALUES_MAX {
            return Err(Fault::new(at, format!("more than {VALUES_MAX} values")));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Kind, Fault> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Kind::List(list)),
                (event, span) => list.push(self.value(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Kind, Fault> {
        let mut map: Vec<(Key, Value)> = Vec::new();
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Kind::Map(map));
            }
            let key = self.value(event, span, depth + 1)?;
            let at = key.at;
            let Kind::Scalar(text) = key.kind else {
                return Err(Fault::new(at, "a key must be a word"));
            };
            if let Some(first) = lines.insert(text.clone(), at.line) {
                return Err(Fault::new(
                    at,
                    format!("key `{text}` is already on line {first}"),
                ));
            }
            let (event, span) = self.next()?;
            let value = self.value(event, span, depth + 1)?;
            map.push((Key { at, text }, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        let fault = parse(text).unwrap_err();
        format!("{}: {}", fault.at, fault.message)
    }

    #[test]
    fn positions_are_lines_and_columns_from_one() {
        let Kind::Map(map) = parse("a: 1\nbb:\n  - x\n  -   y\n").unwrap().kind else {
            panic!("a map");
        };
        assert_eq!(map[0].1.at, Position { line: 1, column: 4 });
        let Kind::List(list) = &map[1].1.kind else {
            panic!("a list");
        };
        assert_eq!(list[1].at, Position { line: 4, column: 7 });
    }

    #[test]
    fn scalars_stay_text() {
        for text in ["off", "0x10", "52:54:00:00:00:05", "1_000", "yes"] {
            assert!(matches!(parse(text).unwrap().kind, Kind::Scalar(read) if read == text));
        }
        assert!(
            matches!(parse("a: ~").unwrap().kind, Kind::Map(map) if matches!(map[0].1.kind, Kind::Null))
        );
    }

    #[test]
    fn faults_have_their_place() {
        assert_eq!(fault(""), "1:1: the file is empty");
        assert_eq!(
            fault("a: 1\nb: 2\na: 3\n"),
            "3:1: key `a` is already on line 1"
        );
        assert_eq!(
            fault("a: 1\n---\nb: 2\n"),
            "2:1: a lab file holds one document, here starts a second"
        );
        assert!(fault("a: [1, 2\nb: 3").contains("not YAML: "));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let item = format!("*a{}", level - 1);
            text.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                vec![item; 10].join(", ")
            ));
        }
        assert!(
            fault(&text).contains("more than 1000000 values"),
            "{}",
            fault(&text)
        );
    }
}
