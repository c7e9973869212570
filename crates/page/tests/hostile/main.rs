//! Reports on a dump that is made to do harm, read by parsers of HTML and Markdown that are not ours.

mod dump;

use std::collections::BTreeSet;

use goheap_analysis::answers::goroutines::{GoroutineOptions, Goroutines};
use goheap_analysis::answers::ledger::Ledger;
use goheap_analysis::answers::suspects::Suspects;
use goheap_analysis::answers::top::{By, top};
use goheap_analysis::answers::tree::{TreeOptions, tree};
use goheap_analysis::answers::waste::Waste;
use goheap_analysis::{Analysis, Dump, NoWatch, OpenOptions};
use goheap_page::report::{Report, html, markdown};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use scraper::{Html, Selector};

/// The report on the dump, as `goheap report` asks for it.
fn reported(render: fn(&Report<'_>) -> String) -> String {
    let bytes = dump::dump(&dump::harmful());
    let dump = Dump::open(Box::new(bytes), &OpenOptions::default(), &NoWatch).expect("a dump");
    let analysis = Analysis::of(dump, &NoWatch).expect("an analysis");
    let goroutines = Goroutines::of(&analysis, GoroutineOptions::default(), &NoWatch).unwrap();
    let waste = Waste::of(&analysis, &NoWatch).unwrap();
    let by = [By::Type, By::Root, By::Package];
    let options = TreeOptions {
        depth: 6,
        min: Some(0),
        branches: 30,
    };
    let harmful = dump::harmful();
    let text = render(&Report {
        source: "<img src=x>`|`\u{202e}.heapdump",
        asked: "<img src=x>`|`\u{202e}.heapdump",
        facts: harmful
            .iter()
            .map(|name| ("program", name.clone()))
            .collect(),
        notes: harmful.clone(),
        redact: false,
        suspects: &Suspects::of(&analysis, &goroutines, Some(&waste), &NoWatch).unwrap(),
        top: &top(&analysis, &by, 60, &NoWatch).unwrap(),
        tree: &tree(&analysis, None, &options, &NoWatch).unwrap(),
        goroutines: &goroutines,
        most_groups: 30,
        waste: &waste,
        ledger: &Ledger::of(&analysis, &NoWatch).unwrap(),
    });
    is_plain(&text);
    assert!(text.len() < 1 << 20, "{}", text.len());
    text
}

/// No byte that a terminal obeys, and none that cannot be seen.
fn is_plain(text: &str) {
    let bad = |c: char| {
        c.is_control() && c != '\n'
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let found: BTreeSet<char> = text.chars().filter(|c| bad(*c)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn hostile_names_are_text_in_html() {
    let page = reported(html);
    let html = Html::parse_document(&page);
    let quirks = format!("{:?}", html.quirks_mode);
    assert_eq!(
        (quirks.as_str(), html.errors.len()),
        ("NoQuirks", 0),
        "{:?}",
        html.errors
    );
    let ours = [
        "html", "head", "meta", "title", "style", "body", "a", "header", "div", "span", "main",
        "p", "h1", "h2", "h3", "dl", "dt", "dd", "strong", "ol", "li", "svg", "rect", "table",
        "caption", "thead", "tbody", "tr", "th", "td", "details", "summary",
    ];
    let attributes = [
        "lang",
        "charset",
        "name",
        "content",
        "http-equiv",
        "class",
        "id",
        "href",
        "tabindex",
        "role",
        "aria-label",
        "viewBox",
        "preserveAspectRatio",
        "x",
        "y",
        "width",
        "height",
        "scope",
        "open",
        "colspan",
    ];
    let all = Selector::parse("*").expect("a selector");
    for element in html.select(&all) {
        let name = element.value().name();
        assert!(ours.contains(&name), "<{name}>");
        for (attribute, value) in element.value().attrs() {
            assert!(
                attributes.contains(&attribute),
                "<{name} {attribute}={value}>"
            );
            if attribute == "href" {
                assert_eq!(value, "#main");
            }
        }
    }
    let count = |name: &str| {
        let selector = Selector::parse(name).expect("a selector");
        html.select(&selector).count()
    };
    assert_eq!((count("style"), count("title"), count("a")), (1, 1, 1));
    let policy = Selector::parse("meta[http-equiv]").expect("a selector");
    let policies: Vec<_> = html.select(&policy).collect();
    assert_eq!(policies.len(), 1);
    let policy = policies[0].attr("content").expect("a policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'unsafe-inline'"));
    // Before anything that it is to forbid.
    let at = |text: &str| page.find(text).unwrap_or(usize::MAX);
    assert!(at("Content-Security-Policy") < at("<style"));
    // They are there to be read, every one of them.
    let text: String = html.root_element().text().collect();
    for shown in [
        "main.<script>alert(1)</script>",
        "main.\"><img src=x onerror=alert(1)>",
        "main.&lt;b&gt;&#60;script&#62;",
        "\\u{1b}[31m",
        "\\u{202e}",
        "bytes in all)",
    ] {
        assert!(text.contains(shown), "{shown}");
    }
}

#[test]
fn hostile_names_are_code_in_markdown() {
    let text = reported(markdown);
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_GFM;
    let (mut codes, mut columns, mut cells, mut headings) = (String::new(), 0, 0, 0);
    for event in Parser::new_ext(&text, options) {
        match event {
            Event::Code(code) => {
                codes.push_str(&code);
                codes.push('\n');
            }
            Event::Text(text) => {
                for harm in ["evil", "alert", "@", "bold", "<", "click", "tada", "7*7"] {
                    assert!(!text.contains(harm), "{text}");
                }
            }
            Event::Start(Tag::Table(alignments)) => columns = alignments.len(),
            Event::Start(Tag::TableRow | Tag::TableHead) => cells = 0,
            Event::Start(Tag::TableCell) => cells += 1,
            Event::End(TagEnd::TableRow | TagEnd::TableHead) => assert_eq!(cells, columns),
            Event::Start(Tag::Heading { .. }) => headings += 1,
            Event::Start(Tag::Paragraph | Tag::List(_) | Tag::Item | Tag::Strong)
            | Event::End(_)
            | Event::SoftBreak => {}
            event => panic!("{event:?}"),
        }
    }
    // Each table's rows have as many pipes as its head, so that none is cut off or filled up.
    for block in text.split("\n\n").filter(|block| block.starts_with('|')) {
        let pipes: BTreeSet<usize> = block
            .lines()
            .filter(|line| line.starts_with('|'))
            .map(|line| line.matches('|').count())
            .collect();
        assert_eq!(pipes.len(), 1, "{block}");
    }
    assert!((9..=14).contains(&headings), "{headings}");
    for shown in [
        "main.<script>alert(1)</script>",
        "main.`code` ``two`` `",
        "main.\\u{7c} a \\u{7c} b",
        "main.@everyone #1 :tada: $`x`$",
        "\\n\\n# Heading",
        "\\u{1b}[31m",
    ] {
        assert!(codes.contains(shown), "{shown}\n{codes}");
    }
}
