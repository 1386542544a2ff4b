//! Where processes run: container and pod are in every form of a report.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod report_fixtures;

use memtrace::report::view::Measure;
use memtrace::report::{
    CsvWriter, FirefoxWriter, FoldedWriter, HtmlWriter, JsonWriter, PprofWriter, Report,
    ReportOptions, ReportWriter, SpeedscopeWriter, SvgWriter, TextStyle, TextWriter, View,
    ViewOptions, ViewWriter,
};
use report_fixtures::{facts, last, leaking, report, snapshot};
use std::io::Read as _;
use std::sync::Arc;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const POD: &str = "shop/cart-0";
const STYLE: TextStyle = TextStyle { width: 140, color: false, full: false };

/// Two processes, of which one is in a pod's container.
fn reported(options: &ReportOptions) -> Report {
    let mut inside = leaking();
    let info = Arc::make_mut(&mut inside.info);
    info.container = Some(ID.to_owned());
    info.pod = Some(POD.to_owned());
    info.pod_uid = Some("12-34".to_owned());
    let mut outside = leaking();
    Arc::make_mut(&mut outside.info).key.pid = 4321;
    report(&snapshot(vec![inside, outside]), options, &facts())
}

fn written(writer: &dyn ReportWriter, report: &Report) -> String {
    let mut bytes = Vec::new();
    writer.write(report, &mut bytes).unwrap();
    // Profiles are packed (gzip).
    let mut unpacked = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut unpacked).unwrap();
        bytes = unpacked;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn every_form_names_container_and_pod() {
    let report = reported(&last());
    let (internals, full_names) = (false, false);
    let view = |view| -> Box<dyn ReportWriter> {
        let options = ViewOptions::default();
        Box::new(ViewWriter { view, options, style: STYLE, ascii: false })
    };
    let writers: [(&str, Box<dyn ReportWriter>); 13] = [
        ("text", Box::new(TextWriter { style: STYLE })),
        ("json", Box::new(JsonWriter)),
        ("csv", Box::new(CsvWriter { internals, full_names })),
        ("folded", Box::new(FoldedWriter { internals, full_names })),
        ("svg", Box::new(SvgWriter { internals, full_names })),
        ("speedscope", Box::new(SpeedscopeWriter { internals, full_names })),
        ("firefox", Box::new(FirefoxWriter { internals, full_names })),
        ("pprof", Box::new(PprofWriter { internals, full_names })),
        ("html", Box::new(HtmlWriter { full_names, measure: Measure::Leaks, from: None })),
        ("tree", view(View::Tree)),
        ("summary", view(View::Summary)),
        ("stats", view(View::Stats)),
        ("view-json", view(View::Json)),
    ];
    for (form, writer) in writers {
        let text = written(&*writer, &report);
        assert!(text.contains(&ID[..12]), "{form}: {text}");
        assert!(text.contains(POD), "{form}: {text}");
    }
}

#[test]
fn brief_reports_name_them_too() {
    let brief = reported(&ReportOptions { is_final: false, ..last() });
    let text = written(&TextWriter { style: STYLE }, &brief);
    assert!(text.contains("container 0123456789ab of pod shop/cart-0"), "{text}");
}
