//! The report as one page: what holds its parts together. What it says is in [`super::chapters`].

use std::fmt::Write as _;

use super::super::own::Own;
use super::super::plan::Plan;
use super::super::plot::Chart;
use super::super::summary::Point;
use super::chapters;

/// What a report is written from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Material<'a> {
    pub(super) plan: &'a Plan,
    pub(super) points: &'a [Point<'a>],
    pub(super) own: &'a Own,
    pub(super) pictures: &'a [(&'a Chart, String)],
}

/// The whole page.
pub(super) fn page(material: &Material<'_>) -> String {
    let chapters = chapters::all(material);
    let mut text = chapters::opening(material);
    text += "<nav aria-label=\"Contents\"><ol>\n";
    for chapter in &chapters {
        let _ = writeln!(
            text,
            "<li><a href=\"#{}\">{}</a></li>",
            chapter.anchor,
            escape(&chapter.title)
        );
    }
    text += "</ol></nav>\n";
    for chapter in &chapters {
        let _ = writeln!(
            text,
            "<h2 id=\"{}\">{}</h2>",
            chapter.anchor,
            escape(&chapter.title)
        );
        text += &chapter.body;
    }
    document("Spanning tree as the network grows", &text)
}

/// A document of its own: the style is in it. `body` is HTML.
pub(in crate::study) fn document(title: &str, body: &str) -> String {
    let mut text =
        String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    text += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
    let _ = writeln!(text, "<title>{}</title>\n<style>", escape(title));
    text += include_str!("style.css");
    text += "</style>\n</head>\n<body>\n<main>\n";
    text += body;
    text += "</main>\n</body>\n</html>\n";
    text
}

/// A paragraph; `text` is HTML already.
pub(in crate::study) fn paragraph(text: &str) -> String {
    format!("<p>{text}</p>\n")
}

/// A picture with what there is to see in it; nothing if the study has no such picture.
pub(super) fn figure(material: &Material<'_>, name: &str, caption: &str) -> String {
    let picture = material
        .pictures
        .iter()
        .find(|(chart, _)| chart.name == name);
    picture.map_or_else(String::new, |(chart, svg)| framed(chart, svg, caption))
}

/// A picture and what there is to see in it.
pub(in crate::study) fn framed(chart: &Chart, svg: &str, caption: &str) -> String {
    let label = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(&chart.title));
    let svg = svg.replacen("<svg ", &label, 1);
    format!("<figure>\n{svg}\n<figcaption>{caption}</figcaption>\n</figure>\n")
}

/// A table: its head, and rows with a mark for those that stand out.
pub(in crate::study) fn table(head: &[&str], rows: &[(bool, Vec<String>)]) -> String {
    let class = |column: usize| {
        let of_column =
            |(_, cells): &(bool, Vec<String>)| cells.get(column).is_some_and(|cell| is_prose(cell));
        match rows.iter().any(of_column) {
            true => " class=\"text\"",
            false => "",
        }
    };
    let mut text = String::from("<div class=\"wide\"><table>\n<thead><tr>");
    for (column, cell) in head.iter().enumerate() {
        let _ = write!(text, "<th{}>{cell}</th>", class(column));
    }
    text += "</tr></thead>\n<tbody>\n";
    for (stands_out, cells) in rows {
        text += if *stands_out {
            "<tr class=\"over\">"
        } else {
            "<tr>"
        };
        for (column, cell) in cells.iter().enumerate() {
            let _ = write!(text, "<td{}>{cell}</td>", class(column));
        }
        text += "</tr>\n";
    }
    text += "</tbody></table></div>\n";
    text
}

/// Whether a cell is to be read and not compared with those above and below it: words, and more than "20 of 20".
fn is_prose(cell: &str) -> bool {
    cell.split_whitespace().count() > 3
}

/// Text as HTML shows it.
pub(in crate::study) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Microseconds as seconds with one digit after the point, rounded to the nearest.
pub(super) fn seconds(micros: u64) -> String {
    let tenths = (micros + 50_000) / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// A count with its thousands set apart.
pub(in crate::study) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(seconds(30_049_999), "30.0");
        assert_eq!(seconds(30_050_000), "30.1");
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(value), text);
        }
        assert_eq!(escape("a < b & \"c\""), "a &lt; b &amp; &quot;c&quot;");
    }
}
