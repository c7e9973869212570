//! Leak suspects in words, for pages that are served and for those that stand alone.

use goheap_analysis::answers::suspects::{
    Ask, Name, Part, Sentence, Suspect, SuspectKind, Suspects,
};
use maud::{Markup, html};

use crate::bar;
use crate::link::{self, Links};
use crate::text;
use crate::units;

/// What is to be known of all suspects: a dump is one moment.
pub const CAVEAT: &str = "A dump is one moment: that something holds much is a fact, that it leaks is a guess. \
     goheap diff of two dumps tells what grows.";

/// A part of a sentence that is no name, in words.
pub fn in_words(part: &Part) -> String {
    match part {
        Part::Text(text) => (*text).to_owned(),
        Part::Name { name, .. } => name.text.clone(),
        Part::Bytes(bytes) => units::bytes(*bytes),
        Part::Count(count) => units::count(*count),
        Part::Share { part, all } => units::share(*part, *all),
    }
}

/// A name as it may be shown: without what tells of contents, if that is to be left out.
pub fn shown(name: &Name, redact: bool) -> &str {
    match redact {
        true => &name.signature,
        false => &name.text,
    }
}

/// What a kind of suspects is called.
pub fn title(kind: SuspectKind) -> &'static str {
    match kind {
        SuspectKind::Holder => "holder",
        SuspectKind::Type => "type",
        SuspectKind::Goroutines => "goroutines",
        SuspectKind::Finalizers { .. } => "finalizers",
        SuspectKind::Waste(_) => "waste",
        SuspectKind::Garbage => "garbage",
    }
}

/// A sentence, with its full stop.
pub fn sentence(said: &Sentence, redact: bool, links: &dyn Links) -> Markup {
    html! {
        @for part in said {
            @match part {
                Part::Name { name, of } => (link::subject(links, *of, shown(name, redact))),
                part => (in_words(part)),
            }
        }
        "."
    }
}

/// All suspects, or what is said instead. `asked` stands for the source in commands that tell more;
/// without it none are shown.
pub fn list(suspects: &Suspects, asked: Option<&str>, redact: bool, links: &dyn Links) -> Markup {
    html! {
        @if let Some(verdict) = suspects.verdict() {
            p { (sentence(&verdict, redact, links)) }
        }
        @if let Some(largest) = &suspects.largest {
            p.about { "What holds most, for all that:" }
            ol.suspects { (one(suspects, largest, asked, redact, links)) }
        }
        @if !suspects.found.is_empty() {
            ol.suspects {
                @for suspect in &suspects.found {
                    (one(suspects, suspect, asked, redact, links))
                }
            }
            p.about { (CAVEAT) }
        }
    }
}

fn one(
    all: &Suspects,
    suspect: &Suspect,
    asked: Option<&str>,
    redact: bool,
    links: &dyn Links,
) -> Markup {
    html! {
        li.suspect {
            p.said { (sentence(&all.sentence(suspect), redact, links)) }
            (bar::bar(suspect.bytes, all.heap.bytes))
            @for note in all.notes(suspect) {
                p.about { (sentence(&note, redact, links)) }
            }
            @if let (Some(asked), Some(ask)) = (asked, &suspect.ask) {
                p { span.code { (command(ask, asked)) } }
            }
        }
    }
}

/// The command that tells more, as a shell takes it: `goheap why app.heapdump 0xc000012340`.
pub fn command(ask: &Ask, asked: &str) -> String {
    let asked = match asked.starts_with('-') {
        true => format!("./{asked}"),
        false => asked.to_owned(),
    };
    let mut line = "goheap".to_owned();
    for word in ask.words(&asked) {
        line.push(' ');
        line.push_str(&quoted(word));
    }
    text::printable(text::cut(&line, 2 * text::NAME).as_bytes()).to_string()
}

/// A word as a POSIX shell takes it for one (POSIX.1-2017, Shell Command Language, 2.2.2).
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_reach_a_shell_as_they_are() {
        for (word, expected) in [
            ("app.heapdump", "app.heapdump"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("$(rm -rf .)", "'$(rm -rf .)'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
        let ask = Ask::Why("type:main.T[int]".to_owned());
        assert_eq!(command(&ask, "-x"), "goheap why ./-x 'type:main.T[int]'");
    }
}
