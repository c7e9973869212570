//! What the pages show of a real Go program: the demo's, which leaks sessions.

use crate::served::{Served, leaking, link, mended};

/// The page that an address of a link leads to.
fn follow(served: &Served, href: &str) -> String {
    let page = href.strip_prefix(&format!("{}/", served.base));
    served.ready(&page.expect("a page of this server").replace("&amp;", "&"))
}

/// The rows of the first table behind `title`, each as the text of its cells.
fn rows(page: &str, title: &str) -> Vec<Vec<String>> {
    let from = page.find(&format!(">{title}</caption>"));
    let rest = &page[from.unwrap_or_else(|| panic!("no table {title}: {page}"))..];
    let body =
        &rest[rest.find("<tbody>").expect("a body")..rest.find("</tbody>").expect("its end")];
    body.split("<tr>")
        .skip(1)
        .map(|row| row.split("<td").skip(1).map(text).collect())
        .collect()
}

/// The text of a piece of HTML whose first tag began before it.
fn text(html: &str) -> String {
    let mut out = String::new();
    let mut is_tag = true;
    for c in html.chars() {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            c if !is_tag => out.push(c),
            _ => {}
        }
    }
    out.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

#[test]
fn a_leak_is_found_by_looking() {
    let served = Served::start([leaking()]);
    let first = served.ready("");
    assert!(first.contains("heap in use") && first.contains("Where the memory is"));
    assert_eq!(rows(&first, "Types").len().min(5), 5);
    // The type that leaks is among the first; its page tells who holds it.
    let session = follow(&served, link(&first, "main.Session"));
    let ways = rows(&session, "Ways");
    assert!(ways[0][3].contains("main.store"), "{:?}", ways[0]);
    assert!(session.contains(">User</span>") || session.contains("Fields"));
    // One of them, and from there what leads to it.
    assert_eq!(rows(&session, "The largest").len(), 12);
    let address = ways[0][3].rsplit(' ').next().expect("an address");
    let object = follow(&served, link(&session, address));
    assert!(object.contains("Shortest path from a root"));
    assert!(object.contains("main.store"), "{object}");
    let pointed = rows(&object, "Who points to it");
    assert!(!pointed.is_empty() && pointed[0][3].contains("main.store"));
    let fields = rows(&object, "Contents");
    assert!(fields.iter().any(|row| row[3].contains('"')), "{fields:?}");
    // An address in the middle of it leads there too.
    let middle = u64::from_str_radix(address.trim_start_matches("0x"), 16).expect("hex") + 8;
    let inside = served.ready(&format!("object/{middle:#x}"));
    assert!(inside.contains("8 B into it"), "{inside}");
}

#[test]
fn tables_are_sorted_filtered_and_paged() {
    let served = Served::start([leaking()]);
    let types = |query: &str| rows(&served.ready(&format!("top/type{query}")), "Types");
    let own = types("");
    let names: Vec<&str> = own.iter().map(|row| row[4].as_str()).collect();
    let up = types("?sort=own&dir=asc");
    assert_ne!(own[0], up[0]);
    let by_name = types("?sort=type&dir=asc");
    let mut sorted: Vec<String> = by_name.iter().map(|row| row[4].clone()).collect();
    sorted.sort();
    assert!(by_name.iter().map(|row| &row[4]).eq(&sorted));
    let found = types("?q=SESSION");
    assert!(!found.is_empty() && found.len() < own.len());
    assert!(
        found
            .iter()
            .all(|row| row[4].to_lowercase().contains("session"))
    );
    assert!(names.iter().any(|name| name.contains("main.Session")));
    assert_eq!(types("?q=there+is+none")[0][0], "none");
    let count: Vec<u64> = types("?sort=objects")
        .iter()
        .map(|row| row[3].replace(',', "").parse().expect("a count"))
        .collect();
    assert!(count.is_sorted_by(|a, b| a >= b), "{count:?}");
    for page in [
        "top/root",
        "top/package",
        "top/size",
        "objects",
        "objects?only=any&sort=own",
    ] {
        assert!(served.ready(page).contains("<tbody>"), "{page}");
    }
    // All pages of a list together are the whole of it.
    let session = served.ready("top/type?q=main.Session");
    let id = link(&session, "main.Session")
        .rsplit('/')
        .next()
        .expect("a type");
    let mut seen = Vec::new();
    for page in 1.. {
        let list = served.ready(&format!("objects?type={id}&page={page}"));
        let title = "Objects of main.Session";
        seen.extend(rows(&list, title).into_iter().map(|row| row[3].clone()));
        if !list.contains("rel=\"next\"") {
            break;
        }
    }
    let told = rows(&session, "Types");
    let told = told
        .iter()
        .find(|row| row[4] == "main.Session")
        .expect("its row");
    let reachable: usize = told[3].replace(',', "").parse().expect("a count");
    let listed = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), listed, "each once");
    // Garbage is listed, too.
    assert!(listed >= reachable && reachable > 100);
}

#[test]
fn maps_zoom_and_keep_their_place() {
    let served = Served::start([leaking()]);
    for query in ["", "?as=icicle", "?by=type", "?by=type&as=icicle"] {
        let map = served.ready(&format!("map{query}"));
        assert!(map.contains("<svg class=\"map wide\"") && map.contains("<svg class=\"map thin\""));
        assert!(!map.contains("style="), "{query}");
    }
    let top = rows(&served.ready("map"), "Branches");
    let inner = served.ready("map?at=0");
    assert!(inner.contains("rel=\"up\""));
    assert_ne!(rows(&inner, "Branches"), top);
    assert_eq!(served.page("map?at=0").body, served.page("map?at=0").body);
    let session = served.ready("top/type?q=main.Session");
    let id = link(&session, "main.Session")
        .rsplit('/')
        .next()
        .expect("a type");
    let under = served.ready(&format!("map?under=c{id}"));
    assert!(under.contains("main.Session") && under.contains("of this alone"));
}

#[test]
fn goroutines_waste_and_searches() {
    let served = Served::start([leaking()]);
    let page = served.ready("goroutines");
    let groups = rows(&page, "Goroutines");
    assert!(
        groups.iter().any(|row| row[5].contains("main.")),
        "{groups:?}"
    );
    let at = page.find("/holder/").expect("a group");
    let start = page[..at].rfind('"').expect("a link") + 1;
    let rest = &page[start..];
    let group = follow(&served, &rest[..rest.find('"').expect("its end")]);
    assert!(group.contains("Stack") && group.contains("goroutine "));
    assert!(served.ready("waste").contains("capacity beyond the length"));
    let found = served.ready("find?q=session");
    assert!(
        rows(&found, "Types")
            .iter()
            .any(|row| row[4].contains("main.Session"))
    );
    // Text of an object that the page of a string shows is found again.
    let strings = served.ready("top/type?q=string");
    let string = follow(&served, link(&strings, "string"));
    let largest = rows(&string, "The largest")[0][3].clone();
    let shown = follow(&served, link(&string, &largest));
    let from = shown.find("<pre class=\"text\"").expect("text");
    let rest = &shown[from..];
    let contents = text(&rest[4..rest.find("</pre>").expect("its end")]);
    let word: String = contents
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .take(12)
        .collect();
    assert!(
        contents.starts_with(&word) && word.len() > 3,
        "{contents:?}"
    );
    let hits = served.ready(&format!("find?q={word}"));
    assert!(rows(&hits, "Text").iter().any(|row| row[2].contains(&word)));
    let none = served.ready("find?q=there-is-no-such-text-4711");
    assert_eq!(rows(&none, "Text")[0][0], "none");
    // An address leads to its page, and one that is none is told.
    let moved = served.page(&format!("find?q={largest}"));
    assert_eq!(moved.status, 303);
    assert!(
        moved
            .header("location")
            .ends_with(&format!("object/{largest}"))
    );
    assert!(served.ready("find?q=0x10").contains("no object is at 0x10"));
}

#[test]
fn two_dumps_are_compared() {
    let args = [
        leaking().into_os_string(),
        "--against".into(),
        mended().into_os_string(),
    ];
    let served = Served::start(args);
    assert!(served.page("").body.contains("/diff\""));
    let diff = served.ready("diff");
    let types = rows(&diff, "By type");
    assert!(
        types
            .iter()
            .any(|row| row[3] == "main.Session" && row[0].starts_with('+')),
        "{types:?}"
    );
    let up = rows(&served.ready("diff?dir=asc"), "By type");
    assert_ne!(types[0], up[0]);
    let only = rows(&served.ready("diff?q=session"), "By type");
    assert!(
        only.iter()
            .all(|row| row[3].to_lowercase().contains("session"))
    );
}
