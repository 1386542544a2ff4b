//! Pictures are read again by a reader of XML that knows nothing of them.

use super::SvgWriter;
use crate::report::ReportWriter as _;
use crate::report::example::{ESTIMATED_LIVE, EXACT_LIVE, HOSTILE, report};
use crate::report::model::Report;
use crate::report::view::Measure;
use roxmltree::{Document, Node};

fn text(report: &Report) -> String {
    let mut bytes = Vec::new();
    SvgWriter { internals: false, full_names: false }.write(report, &mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn is(name: &'static str) -> impl Fn(&Node<'_, '_>) -> bool {
    move |node| node.has_tag_name(("http://www.w3.org/2000/svg", name))
}

fn tooltips(document: &Document<'_>) -> Vec<String> {
    let titles = document.descendants().filter(is("title"));
    titles.map(|title| title.text().unwrap().to_owned()).collect()
}

#[test]
fn what_lives_has_a_place_and_a_tooltip() {
    let text = text(&report());
    let document = Document::parse(&text).unwrap();
    let tooltips = tooltips(&document);
    let all = crate::report::units::exact_bytes(EXACT_LIVE + ESTIMATED_LIVE);
    assert!(tooltips.contains(&format!("all: {all}, 100 % of all")), "{tooltips:?}");
    let rectangles = document.descendants().filter(is("rect")).count();
    assert_eq!(rectangles, tooltips.len());
    // The first process is too small beside the second one to be seen.
    assert!(tooltips.iter().all(|text| !text.starts_with("@app")), "{tooltips:?}");
}

#[test]
fn names_are_nothing_but_text() {
    let mut report = report();
    report.processes.truncate(1);
    let text = text(&report);
    let document = Document::parse(&text).unwrap();
    let tooltips = tooltips(&document);
    for name in HOSTILE {
        assert!(tooltips.iter().any(|text| text.starts_with(name)), "{name}: {tooltips:?}");
    }
    let elements = document.descendants().filter(Node::is_element);
    let known = ["svg", "style", "text", "g", "title", "rect"];
    let mut unknown = elements.filter(|node| !known.contains(&node.tag_name().name()));
    assert_eq!(unknown.next(), None);
    assert!(!text.contains("<script") && !text.contains("href"), "{text}");
}

#[test]
fn losses_and_estimates_are_told() {
    let text = text(&report());
    assert!(text.contains("lost: 7 events, 2 stacks, 1 blocks; over 1 % of events lost"), "{text}");
    assert!(text.contains("estimated from samples: "), "{text}");
}

#[test]
fn nothing_is_a_picture_too() {
    let text = text(&Report::default());
    let document = Document::parse(&text).unwrap();
    assert_eq!(document.descendants().filter(is("rect")).count(), 0);
    assert!(text.contains("Nothing is alive."), "{text}");
}

#[test]
fn a_measure_of_the_report_is_in_its_title() {
    let text = text(&Report { measure: Some(Measure::Allocated), ..report() });
    let document = Document::parse(&text).unwrap();
    let all = crate::report::units::exact_bytes(2100 + ESTIMATED_LIVE);
    assert!(tooltips(&document).contains(&format!("all: {all}, 100 % of all")));
    assert!(text.contains(&format!("Allocated: {all}")));
}
