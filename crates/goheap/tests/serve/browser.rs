//! The pages in a real browser: looked at, clicked, typed into.

use serde_json::json;

use crate::driver::Browser;
use crate::served::{Served, leaking, mended};

/// Fails if anything was written to the console (errors, refusals of the policy), or anybody else was
/// asked for anything.
#[track_caller]
fn assert_quiet(browser: &Browser, served: &Served) {
    let said = browser.log("browser");
    assert!(said.is_empty(), "{said:#?}");
    let own = served.url("");
    let requests = browser.requests();
    assert!(requests.iter().any(|url| url.starts_with(&own)));
    for url in requests {
        let is_own = url.starts_with(&own) || url.starts_with("data:");
        assert!(is_own || is_error(&url), "{url}");
    }
}

/// What a browser without a screen begins with.
fn is_error(url: &str) -> bool {
    url.starts_with("about:") || url.starts_with("chrome:")
}

#[test]
fn a_leak_is_found_by_clicking() {
    let served = Served::start([
        leaking().into_os_string(),
        "--against".into(),
        mended().into_os_string(),
    ]);
    let browser = Browser::start();
    let text = |selector: &str| {
        let script = format!("return document.querySelector({selector:?}).innerText");
        browser.run(&script).as_str().unwrap_or_default().to_owned()
    };
    browser.ready(&served.url(""));
    assert_eq!(text("h1"), "What fills the heap, and who holds it");
    // Colours of the style are there, so it was not refused.
    let ground = "return getComputedStyle(document.body).backgroundColor";
    browser.devtools(
        "Emulation.setEmulatedMedia",
        &json!({"features": [{"name": "prefers-color-scheme", "value": "light"}]}),
    );
    let light = browser.run(ground);
    browser.devtools(
        "Emulation.setEmulatedMedia",
        &json!({"features": [{"name": "prefers-color-scheme", "value": "dark"}]}),
    );
    let dark = browser.run(ground);
    assert_eq!(
        (light, dark),
        (json!("rgb(255, 255, 255)"), json!("rgb(13, 17, 23)"))
    );
    // Zoom by a click, and the same by its address.
    for picture in ["treemap", "icicle"] {
        browser.ready(&served.url(&format!("map?as={picture}")));
        let before = text("h2");
        // A part that nothing in it hides.
        let place = browser.run(
            "for (const a of document.querySelectorAll('svg.map.wide a[href*=\"at=0\"]')) { \
             const r = a.querySelector('rect').getBoundingClientRect(); \
             const [x, y] = [r.x + r.width / 2, r.y + r.height / 2]; \
             const hit = document.elementFromPoint(x, y); \
             if (r.width > 30 && hit && hit.closest('a') === a) return [x, y]; }",
        );
        let at = |n: usize| place[n].as_f64().expect("a part that can be clicked");
        browser.click_at(at(0), at(1));
        browser.until("return location.search.includes('at=0')");
        browser.until("return !document.querySelector('.wait')");
        let zoomed = text("main");
        assert_ne!(text("h2"), before);
        let address = browser.address();
        browser.ready(&address);
        assert_eq!(text("main"), zoomed, "{picture}");
        // One level up, by the keyboard.
        browser.press("u");
        browser.until(&format!("return location.href !== '{address}'"));
    }
    // Sort, filter.
    browser.ready(&served.url("top/type"));
    assert_eq!(text("th[aria-sort]"), "own ▼");
    browser.click("th:nth-child(4) a");
    browser.until("return location.search.includes('sort=objects')");
    assert_eq!(text("th[aria-sort=descending]"), "objects ▼");
    browser.fill("form.filter input[type=search]", "main.Session\u{e007}");
    browser.until("return location.search.includes('q=main.Session')");
    assert_eq!(
        text("th[aria-sort=descending]"),
        "objects ▼",
        "it stays sorted"
    );
    // Rows by the keyboard, and Enter.
    browser.press("j");
    browser.until("return document.activeElement.textContent === 'main.Session'");
    browser.press("jjjjk");
    browser.press("kkkkkkk");
    browser.press("\u{e007}");
    browser.until("return location.pathname.includes('/type/')");
    browser.until("return !document.querySelector('.wait')");
    assert!(text("main").contains("main.store"), "{}", text("main"));
    browser.click("main table a[href*='/object/']");
    browser.until("return location.pathname.includes('/object/')");
    browser.until("return !document.querySelector('.wait')");
    assert!(text("main").contains("Who points to it"));
    // Search by the keyboard: the field has the focus, and is left by Escape.
    browser.press("/");
    browser.until("return document.activeElement.id === 'search'");
    browser.press("\u{e00c}");
    browser.until("return document.activeElement.id !== 'search'");
    browser.press("/");
    browser.press("main.Session\u{e007}");
    browser.until("return location.pathname.endsWith('/find')");
    browser.until("return !document.querySelector('.wait')");
    assert!(text("main").contains("main.Session"));
    browser.press("?");
    browser.until("return document.getElementById('help').open");
    browser.press("\u{e00c}");
    browser.until("return !document.getElementById('help').open");
    browser.ready(&served.url("diff"));
    assert!(text("main").contains("main.Session"));
    // Every control has a name for those who hear the page.
    for page in ["", "map", "top/type", "goroutines", "waste", "find?q=x"] {
        browser.ready(&served.url(page));
        let nameless = browser.run(
            "return Array.from(document.querySelectorAll('a, button, input, svg[role], table')).filter((e) => \
             !(e.getAttribute('aria-label') || e.textContent.trim() || e.type === 'hidden' || \
             (e.caption && e.caption.textContent))).map((e) => e.outerHTML)",
        );
        assert_eq!(nameless, json!([]), "{page}");
    }
    assert_quiet(&browser, &served);
    // Errors are pages, with the way back.
    for (page, says) in [
        ("object/0x1", "no object is at 0x1"),
        ("type/99999999", "there is no type 99999999"),
        ("map?at=9999", "the map has no such place"),
        ("top/type?page=x", "page=x is no number"),
    ] {
        browser.go(&served.url(page));
        assert!(text("main").contains(says), "{page}: {}", text("main"));
        assert!(text("nav").contains("Overview"));
    }
}

#[test]
fn nothing_is_wider_than_a_phone() {
    let served = Served::start([
        leaking().into_os_string(),
        "--against".into(),
        mended().into_os_string(),
    ]);
    let browser = Browser::start();
    browser.size(390, 844, true);
    browser.ready(&served.url("top/type?q=main.Session"));
    browser.click("main table a[href*='/type/']");
    browser.until("return location.pathname.includes('/type/')");
    browser.until("return !document.querySelector('.wait')");
    let class = browser.address();
    browser.click("main table a[href*='/object/']");
    browser.until("return location.pathname.includes('/object/')");
    let object = browser.address();
    let mut pages: Vec<String> = [
        "",
        "map",
        "map?as=icicle",
        "map?by=type",
        "top/type",
        "top/root",
        "top/package",
        "top/size",
        "objects",
        "goroutines",
        "waste",
        "diff",
        "find?q=session",
        "nothing",
    ]
    .iter()
    .map(|page| served.url(page))
    .collect();
    pages.extend([class, object]);
    for url in pages {
        browser.ready(&url);
        let widths = browser.run(
            "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]",
        );
        assert_eq!(widths, json!([390, 390]), "{url}");
    }
}
