//! A dump whose every name and text is made to do harm: as markup, as Markdown, to a terminal, or by
//! its length. What is read of the reports is read by parsers of HTML and Markdown that are not ours.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use goheap_analysis::put_catalogue;
use goheap_format::annex::AnnexWriter;
use goheap_format::{Arch, Fields, Goroutine, Object, Params, Record, Segment, StackFrame, Writer};
use goheap_golang::Kind;
use goheap_golang::catalogue::{
    Catalogue, Function, GoType, TypeField, TypeId, TypeOrigin, Variable,
};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use scraper::{Html, Selector};

use super::report;

/// Names that are more than names.
fn harmful() -> Vec<String> {
    let mut names: Vec<String> = [
        "main.<script>alert(1)</script>",
        "main.\"><img src=x onerror=alert(1)>",
        "main.</title></style></details></table><iframe src=//evil.example>",
        "main.x' onmouseover='alert(1)",
        "main.&lt;b&gt;&#60;script&#62;",
        "main.`code` ``two`` `",
        "main.| a | b |\\| c \\",
        "main.[click](https://evil.example/) ![i](https://evil.example/i.png)",
        "main.<https://evil.example> www.evil.example someone@evil.example",
        "main.@everyone #1 :tada: $`x`$",
        "main.\n\n# Heading\n\n<b>bold</b>\n\n```\n",
        "main.\r\n- list\r\n1. list\r\n> quote\r\n---\r\n",
        "main.\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}31m",
        "main.\u{202e}gnp.exe\u{2066}\u{200b}\u{feff}\u{ad}",
        "main.*bold* _it_ ~~gone~~ ***",
        "main.<!-- comment --><![CDATA[x]]>",
        "main.{{7*7}} ${7*7} <%= 7 %>",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(format!("main.{}", "x".repeat(1 << 20)));
    names.push(format!("main.{}", "<b>`|".repeat(1 << 18)));
    names
}

const HEAP: u64 = 0xc0_0000_0000;
const DATA: u64 = 0x60_0000;
/// Bytes of an object.
const SIZE: u64 = 65_536;

struct Made {
    catalogue: Catalogue,
    writer: Writer<Vec<u8>>,
    data: Vec<u64>,
    next: u64,
}

impl Made {
    fn ty(&mut self, name: &str, kind: Kind, size: u64, elem: Option<TypeId>) -> TypeId {
        let address = 0x50_0000 + self.catalogue.len() as u64 * 0x100;
        self.catalogue.add(GoType {
            address,
            origin: TypeOrigin::Descriptor,
            kind,
            size,
            name: name.to_owned(),
            package: "main".to_owned(),
            elem,
            key: None,
            slots: None,
            len: 0,
            fields: Vec::new(),
        })
    }

    fn field(&mut self, of: TypeId, name: &str, offset: u64, ty: TypeId) {
        let fields = &mut self.catalogue.get_mut(of).expect("a type").fields;
        fields.push(TypeField {
            name: name.to_owned(),
            offset,
            ty,
            embedded: false,
        });
    }

    fn object(&mut self, bytes: &[u8], size: u64, pointers: &[u64]) -> u64 {
        let address = self.next;
        self.next += size;
        let mut contents = bytes.to_vec();
        contents.resize(size as usize, 0);
        self.writer
            .write(&Record::Object(Object {
                address,
                contents: &contents,
                fields: Fields::Offsets(pointers),
            }))
            .expect("a record");
        address
    }
}

/// A dump in which each name is that of a type, of a field, of a variable, of a function and of a wait
/// reason, and lies in the heap as a string, twice.
fn dump(names: &[String]) -> Vec<u8> {
    let mut made = Made {
        catalogue: Catalogue::default(),
        writer: Writer::new(Vec::new()),
        data: Vec::new(),
        next: HEAP,
    };
    made.writer
        .write(&Record::Params(Params {
            big_endian: false,
            pointer_size: 8,
            heap_start: HEAP,
            heap_end: HEAP + (1 << 30),
            arch: Arch::Name(b"amd64"),
            go_version: b"go1.21.13",
            ncpu: 1,
        }))
        .expect("a record");
    let string = made.ty("string", Kind::String, 16, None);
    for (name, number) in names.iter().zip(0u64..) {
        let ty = made.ty(name, Kind::Struct, SIZE, None);
        let pointer = made.ty(&format!("*{name}"), Kind::Pointer, 8, Some(ty));
        made.field(ty, name, 0, pointer);
        made.field(ty, "text", 8, string);
        made.field(ty, "again", 24, string);
        let text = &name.as_bytes()[..name.len().min(64)];
        let first = made.object(text, 64, &[]);
        let second = made.object(text, 64, &[]);
        let mut next = 0;
        // The first object is held by the field of that name.
        for _ in 0..2 {
            let words = [next, first, text.len() as u64, second, text.len() as u64];
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            next = made.object(&bytes, SIZE, &[0, 8, 24]);
        }
        made.data.push(next);
        made.catalogue.variables.push(Variable {
            address: DATA + number * 8,
            size: 8,
            name: name.clone(),
            ty: Some(pointer),
        });
        made.catalogue.functions.push(Function {
            entry: 0x40_0000 + number * 0x100,
            name: name.clone(),
            closure: None,
        });
    }
    for (name, number) in names.iter().zip(1u64..) {
        let sp = HEAP + (2 << 30) + number * 0x1000;
        made.writer
            .write(&Record::Goroutine(Goroutine {
                address: 0x70_0000 + number * 0x100,
                sp,
                id: number,
                created_at: 0x40_0001 + (number - 1) * 0x100,
                status: 4,
                system: false,
                background: false,
                waiting_since: 0,
                wait_reason: name.as_bytes(),
                context: 0,
                m: 0,
                defers: 0,
                panics: 0,
            }))
            .expect("a record");
        made.writer
            .write(&Record::StackFrame(StackFrame {
                sp,
                depth: 0,
                child_sp: 0,
                contents: &[0; 16],
                entry: 0x40_0000 + (number - 1) * 0x100,
                pc: 0x40_0010 + (number - 1) * 0x100,
                continue_pc: 0x40_0010 + (number - 1) * 0x100,
                function: name.as_bytes(),
                fields: Fields::Offsets(&[]),
            }))
            .expect("a record");
    }
    let bytes: Vec<u8> = made
        .data
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let pointers: Vec<u64> = (0..made.data.len() as u64).map(|word| word * 8).collect();
    made.writer
        .write(&Record::Data(Segment {
            address: DATA,
            contents: &bytes,
            fields: Fields::Offsets(&pointers),
        }))
        .expect("a record");
    made.writer.write(&Record::Eof).expect("a record");
    let mut bytes = made.writer.finish().expect("a dump");
    let mut annex = AnnexWriter::new();
    put_catalogue(&made.catalogue, &mut annex).expect("notes");
    annex.finish(&mut bytes).expect("an annex");
    bytes
}

fn in_folder(check: impl Fn(&Path, &str)) {
    let folder = tempfile::tempdir().expect("a folder");
    // The name of a file may be of any kind, too.
    let name = "<img src=x>`|`\u{202e}.heapdump";
    fs::write(folder.path().join(name), dump(&harmful())).expect("a dump");
    check(folder.path(), name);
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
    in_folder(|folder, dump| {
        let page = report(folder, dump, "html", &[]);
        is_plain(&page);
        assert!(page.len() < 1 << 20, "{}", page.len());
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
    });
}

#[test]
fn hostile_names_are_code_in_markdown() {
    in_folder(|folder, dump| {
        let text = report(folder, dump, "md", &[]);
        is_plain(&text);
        assert!(text.len() < 1 << 20, "{}", text.len());
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
    });
}

#[test]
fn hostile_names_are_strings_in_json() {
    in_folder(|folder, dump| {
        let text = report(folder, dump, "json", &[]);
        assert!(text.len() < 2 << 20, "{}", text.len());
        let bytes = text.trim_end_matches('\n');
        // One line, and no control character in it.
        assert!(!bytes.chars().any(|c| c < ' '), "a control character");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let rows = value["top"]["tables"][0]["rows"].as_array().expect("rows");
        let names: BTreeSet<&str> = rows.iter().filter_map(|row| row["name"].as_str()).collect();
        for name in harmful().iter().filter(|name| name.len() < 1000) {
            assert!(names.contains(name.as_str()), "{name}");
        }
        assert!(names.iter().all(|name| name.len() < 1100));
    });
}
