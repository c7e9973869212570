//! A dump whose names and contents want to be something else than text.

use std::path::Path;

use goheap_analysis::put_catalogue;
use goheap_format::annex::AnnexWriter;
use goheap_format::{Arch, Fields, Goroutine, Object, Params, Record, Segment, StackFrame, Writer};
use goheap_golang::Kind;
use goheap_golang::catalogue::{Catalogue, GoType, TypeField, TypeOrigin, Variable};
use serde_json::json;

use crate::driver::Browser;
use crate::served::Served;

const HEAP: u64 = 0xc0_0000_0000;
const DATA: u64 = 0x50_0000;

/// What would be an element, an attribute, a script, or a command to a terminal.
const NAMES: [&str; 6] = [
    "main.<script>window.hit=1</script>",
    "main.\"><img src=x onerror=\"window.hit=2\">",
    "main.' onmouseover='window.hit=3",
    "main.</title></style></svg><script>window.hit=4</script>",
    "main.\u{1b}[31m\u{7}\u{202e}\0\r\n<b id=hit>",
    "javascript:window.hit=5//",
];

fn plain(name: &str, kind: Kind, size: u64) -> GoType {
    GoType {
        address: 0,
        origin: TypeOrigin::Dwarf,
        kind,
        size,
        name: name.to_owned(),
        package: "main".to_owned(),
        elem: None,
        key: None,
        slots: None,
        len: 0,
        fields: Vec::new(),
    }
}

/// One object of each type, held by a variable of its name; and strings, and a goroutine.
fn dump() -> Vec<u8> {
    let long = format!("main.{}", "<i>x".repeat(1 << 20));
    let names: Vec<&str> = NAMES.into_iter().chain([long.as_str()]).collect();
    let mut catalogue = Catalogue::default();
    let string = catalogue.add(plain("string", Kind::String, 16));
    let mut writer = Writer::new(Vec::new());
    writer
        .write(&Record::Params(Params {
            big_endian: false,
            pointer_size: 8,
            heap_start: HEAP,
            heap_end: HEAP + 0x10_0000,
            arch: Arch::Name(b"amd64"),
            go_version: b"go1.24.11",
            ncpu: 1,
        }))
        .unwrap();
    let mut globals = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let place = place as u64;
        let (at, text) = (HEAP + 0x1000 * place, HEAP + 0x8_0000 + 0x1000 * place);
        let value = catalogue.add(GoType {
            fields: vec![TypeField {
                name: (*name).to_owned(),
                offset: 0,
                ty: string,
                embedded: false,
            }],
            ..plain(name, Kind::Struct, 16)
        });
        let pointer = catalogue.add(GoType {
            elem: Some(value),
            ..plain(&format!("*{name}"), Kind::Pointer, 8)
        });
        catalogue.variables.push(Variable {
            address: DATA + 8 * place,
            size: 8,
            name: (*name).to_owned(),
            ty: Some(pointer),
        });
        globals.extend(at.to_le_bytes());
        let mut contents = name.as_bytes().to_vec();
        contents.resize(64, b'<');
        let words: Vec<u8> = [text, 64]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        for (address, contents, offsets) in [(at, &words, &[0u64][..]), (text, &contents, &[])] {
            let fields = Fields::Offsets(offsets);
            writer
                .write(&Record::Object(Object {
                    address,
                    contents,
                    fields,
                }))
                .unwrap();
        }
    }
    writer
        .write(&Record::Goroutine(Goroutine {
            address: HEAP + 0xf_0000,
            sp: 0x7000,
            id: 1,
            created_at: 0,
            status: 4,
            system: false,
            background: false,
            waiting_since: 0,
            wait_reason: NAMES[0].as_bytes(),
            context: 0,
            m: 0,
            defers: 0,
            panics: 0,
        }))
        .unwrap();
    writer
        .write(&Record::StackFrame(StackFrame {
            sp: 0x7000,
            depth: 0,
            child_sp: 0,
            contents: &[0; 16],
            entry: 0x1000,
            pc: 0x1004,
            continue_pc: 0x1004,
            function: NAMES[1].as_bytes(),
            fields: Fields::NONE,
        }))
        .unwrap();
    let offsets: Vec<u64> = (0..names.len() as u64).map(|place| place * 8).collect();
    writer
        .write(&Record::Data(Segment {
            address: DATA,
            contents: &globals,
            fields: Fields::Offsets(&offsets),
        }))
        .unwrap();
    writer.write(&Record::Eof).unwrap();
    let mut file = writer.finish().unwrap();
    let mut annex = AnnexWriter::new();
    put_catalogue(&catalogue, &mut annex).unwrap();
    annex.finish(&mut file).unwrap();
    file
}

#[test]
fn names_and_contents_are_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("<img src=x onerror=alert(1)>.heapdump");
    std::fs::write(&path, dump()).expect("the dump");
    let served = Served::start([Path::new(&path)]);
    let types = served.ready("top/type");
    assert!(
        types.contains("main.&lt;script&gt;window.hit=1&lt;/script&gt;"),
        "{types}"
    );
    let browser = Browser::start();
    let object = format!("object/{HEAP:#x}");
    let text = format!("object/{:#x}", HEAP + 0x8_1000);
    let hostile = "find?q=%3Cscript%3Ewindow.hit%3D6%3C%2Fscript%3E%22%3E%3Cimg%20src%3Dx%20onerror%3Dwindow.hit%3D7%3E";
    let mut pages: Vec<String> = [
        "",
        "map",
        "map?as=icicle",
        "map?by=type",
        "map?by=type&at=0",
        "top/type",
        "top/root",
        "top/package",
        "top/size",
        "objects",
        "goroutines",
        "waste",
        "find?q=hit",
        hostile,
        &object,
        &text,
        "top/type?q=%22%3E%3Cscript%3Ewindow.hit=8%3C/script%3E",
        "type/0",
        "type/1",
        "type/2",
        "object/%3Cscript%3Ewindow.hit=9%3C/script%3E",
        "map?at=%3Cb%20id=hit%3E",
    ]
    .iter()
    .map(|page| served.url(page))
    .collect();
    browser.ready(&served.url("top/root"));
    let holders = browser
        .run("return Array.from(document.querySelectorAll('main table a')).map((a) => a.href)");
    let holders = holders.as_array().expect("links").iter();
    pages.extend(holders.map(|url| url.as_str().expect("a link").to_owned()));
    for url in pages {
        browser.ready(&url);
        let hit = browser.run(
            "return [window.hit === undefined, document.querySelectorAll('#hit, img, i, b, iframe, object').length, \
             document.scripts.length, document.querySelectorAll('[onerror], [onmouseover], [style]').length]",
        );
        assert_eq!(hit, json!([true, 0, 1, 0]), "{url}");
        let hrefs = browser.run(
            "return Array.from(document.querySelectorAll('[href]')).map((a) => a.getAttribute('href')).filter((h) => \
             !h.startsWith('/') && !h.startsWith('#') && h !== 'data:,')",
        );
        assert_eq!(hrefs, json!([]), "{url}");
        // What is 4 MB long is cut, and so is the page.
        let len = browser.run("return document.documentElement.outerHTML.length");
        assert!(
            len.as_u64().is_some_and(|len| len < 400_000),
            "{url}: {len}"
        );
        let wide = browser.run(
            "return document.documentElement.scrollWidth <= document.documentElement.clientWidth",
        );
        assert_eq!(wide, json!(true), "{url}");
    }
    let own = served.url("");
    for url in browser.requests() {
        assert!(
            url.starts_with(&own) || url.starts_with("data:") || url.starts_with("about:"),
            "{url}"
        );
    }
}
