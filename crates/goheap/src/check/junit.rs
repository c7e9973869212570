//! What was checked, as the XML that build servers read as results of tests (JUnit's).

use std::io::{self, Write};

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::{Checked, sentence};
use crate::text::printable;

/// Writes it: one suite, a case for each limit.
///
/// # Errors
/// Of the writer.
pub(super) fn write(checked: &Checked<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut writer = Writer::new_with_indent(out, b' ', 2);
    let seconds = format!("{:.3}", checked.elapsed.as_secs_f64());
    let tests = checked.outcomes.len().to_string();
    let failures = checked.failed().to_string();
    let counts = [
        ("tests", tests.as_str()),
        ("failures", failures.as_str()),
        ("errors", "0"),
        ("time", seconds.as_str()),
    ];
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let suites = BytesStart::new("testsuites")
        .with_attributes([("name", "goheap")].into_iter().chain(counts));
    writer.write_event(Event::Start(suites))?;
    let source = clean(checked.source);
    let suite = BytesStart::new("testsuite").with_attributes(
        [("name", source.as_str()), ("skipped", "0")]
            .into_iter()
            .chain(counts),
    );
    writer.write_event(Event::Start(suite))?;
    for outcome in checked.outcomes {
        let name = clean(&outcome.limit.subject.to_string());
        let case = BytesStart::new("testcase").with_attributes([
            ("name", name.as_str()),
            ("classname", "goheap.check"),
            ("time", "0"),
        ]);
        if outcome.holds() {
            writer.write_event(Event::Empty(case))?;
            continue;
        }
        writer.write_event(Event::Start(case))?;
        let message = sentence(outcome);
        let failure = BytesStart::new("failure")
            .with_attributes([("message", message.as_str()), ("type", "limit")]);
        let mut lines = vec![format!("{name}: {message}")];
        lines.extend(outcome.about.iter().map(|about| clean(about)));
        lines.extend(checked.missing.iter().map(|missing| clean(missing)));
        writer.write_event(Event::Start(failure))?;
        writer.write_event(Event::Text(BytesText::new(&lines.join("\n"))))?;
        writer.write_event(Event::End(BytesEnd::new("failure")))?;
        writer.write_event(Event::End(BytesEnd::new("testcase")))?;
    }
    writer.write_event(Event::End(BytesEnd::new("testsuite")))?;
    writer.write_event(Event::End(BytesEnd::new("testsuites")))?;
    writeln!(writer.into_inner())
}

/// Without what XML cannot have: control characters, even escaped.
fn clean(text: &str) -> String {
    let text = printable(text.as_bytes()).to_string();
    text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use goheap_analysis::answers::check::{Limit, Outcome, Subject};

    use super::*;

    #[test]
    fn names_cannot_break_out() {
        let outcome = |name: &str, found| Outcome {
            limit: Limit {
                subject: Subject::Type(name.to_owned()),
                most: 1,
            },
            found,
            about: vec!["a < b & \"c\" \u{1b}]0;x".to_owned()],
            unknown: Default::default(),
        };
        let outcomes = [outcome("main.T", 1), outcome("struct { A \"x<y>&'\" }", 2)];
        let checked = Checked {
            source: "a&b.heapdump",
            missing: &[],
            outcomes: &outcomes,
            elapsed: Duration::from_millis(1500),
        };
        let mut xml = Vec::new();
        write(&checked, &mut xml).unwrap();
        let xml = String::from_utf8(xml).unwrap();
        let mut reader = quick_xml::Reader::from_str(&xml);
        let mut cases = Vec::new();
        let mut text = String::new();
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == b"testcase" => {
                    let name = tag.try_get_attribute("name").unwrap().unwrap();
                    cases.push(name.unescape_value().unwrap().into_owned());
                }
                Event::Text(part) => text.push_str(&String::from_utf8_lossy(&part)),
                _ => {}
            }
        }
        assert_eq!(cases, ["type:main.T", "type:struct { A \"x<y>&'\" }"]);
        assert!(xml.contains(
            "<testsuite name=\"a&amp;b.heapdump\" skipped=\"0\" tests=\"2\" failures=\"1\""
        ));
        assert!(!xml.contains('\u{1b}') && text.contains("a "), "{text}");
    }
}
