//! Who is answered, and under which headers.

use crate::served::{Served, leaking, mended};
use crate::wire;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

#[test]
fn nobody_else_is_answered() {
    let served = Served::start([leaking()]);
    let (port, base) = (served.port, &served.base);
    let own = format!("127.0.0.1:{port}");
    let status = |path: &str, host: &str| wire::ask(port, "GET", path, host, "").status;
    assert_eq!(base.len(), 33, "128 bits");
    for host in [&own, &format!("localhost:{port}"), &format!("[::1]:{port}")] {
        assert_eq!(status(&format!("{base}/"), host), 200, "{host}");
    }
    // Without the secret, with another, with a part of it, or with more.
    let other = format!("/{}", "0".repeat(32));
    for path in [
        "/",
        "/favicon.ico",
        "/map",
        &format!("{other}/"),
        &base[..20],
        &format!("{base}0/"),
        &format!("/{base}/"),
        &format!("/x{base}/"),
    ] {
        assert_eq!(status(path, &own), 404, "{path}");
    }
    // A page of another name that resolves to this address.
    for host in [
        "rebound.example",
        &format!("rebound.example:{port}"),
        &format!("127.0.0.1.rebound.example:{port}"),
        "127.0.0.1",
        "127.0.0.1:1",
        "",
    ] {
        assert_eq!(status(&format!("{base}/"), host), 421, "{host}");
    }
    let two = format!(
        "GET {base}/ HTTP/1.1\r\nHost: {own}\r\nHost: rebound.example\r\nConnection: close\r\n\r\n"
    );
    assert!(wire::send(port, two.as_bytes()).status >= 400);
    let none = format!("GET {base}/ HTTP/1.0\r\n\r\n");
    assert!(wire::send(port, none.as_bytes()).status >= 400);
}

#[test]
fn every_answer_is_protected() {
    let served = Served::start([leaking()]);
    let (port, base) = (served.port, &served.base);
    let own = format!("127.0.0.1:{port}");
    for (method, path, host, status) in [
        ("GET", format!("{base}/"), own.as_str(), 200),
        ("HEAD", format!("{base}/top/type"), &own, 200),
        ("GET", format!("{base}/page.css"), &own, 200),
        ("GET", format!("{base}/page.js"), &own, 200),
        ("GET", format!("{base}/nothing"), &own, 404),
        ("GET", format!("{base}/top/type?page=x"), &own, 400),
        ("GET", "/".to_owned(), &own, 404),
        ("GET", format!("{base}/"), "rebound.example", 421),
        ("POST", format!("{base}/"), &own, 405),
        ("PUT", format!("{base}/"), &own, 405),
        ("DELETE", format!("{base}/top/type"), &own, 405),
        ("OPTIONS", format!("{base}/"), &own, 405),
        ("TRACE", format!("{base}/"), &own, 405),
    ] {
        let answer = wire::ask(port, method, &path, host, "");
        assert_eq!(answer.status, status, "{method} {path}");
        for (name, value) in [
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
        ] {
            assert_eq!(answer.header(name), value, "{method} {path}: {name}");
        }
        assert!(!answer.header("content-type").is_empty());
        assert_eq!(answer.header("access-control-allow-origin"), "");
        if method == "HEAD" {
            assert_eq!(answer.body, "");
            assert_ne!(answer.header("content-length"), "0");
        }
        if status == 405 {
            assert_eq!(answer.header("allow"), "GET, HEAD");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let served = Served::start([leaking()]);
    let (port, base) = (served.port, &served.base);
    let status = |page: &str| served.page(page).status;
    // Until the map is drawn, nobody knows its places: what asks for one is told to wait, by a 200.
    served.ready("map");
    for page in [
        "../etc/passwd",
        "..%2f..%2fetc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "page.css/",
        "page.css/..",
        "type/4294967295",
        "type/99999999",
        "object/0x0",
        "object/0xffffffffffffffff",
        "holder/0",
        "holder/4294967295",
        "diff",
        "top/object",
        "top/",
        "map?under=n4294967295",
        "map?under=x",
        "map?at=4294967295",
        "map?at=0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",
    ] {
        assert_eq!(status(page), 404, "{page}");
    }
    for page in [
        "type",
        "type/",
        "type/-1",
        "type/1/2",
        "type/main.Session",
        "object/",
        "object/c000",
        "object/0xg",
        "object/0x10000000000000000",
        "holder/x",
        "top/type?page=-1",
        "top/type?page=1e9",
        "top/type?page=99999999999999999999",
        "top/type?sort=name;drop",
        "top/type?dir=up",
        "objects?type=x",
        "objects?only=none",
        "objects?sort=address",
        "map?at=a",
        "map?at=1..2",
        "map?as=pie",
        "map?by=name",
        "goroutines?sort=x",
        &format!("find?q={}", "a".repeat(600)),
    ] {
        assert_eq!(status(page), 400, "{page}");
    }
    // Far behind the end of a list there is nothing, and it is no error.
    assert_eq!(status("top/type?page=4294967295"), 200);
    assert_eq!(status("top/type?q=%00%ff%22%3Cscript%3E"), 200);
    assert_eq!(status("find?q=0xzz"), 200);
    let long = format!("{base}/top/type?q={}", "a".repeat(5000));
    assert_eq!(wire::get(port, &long).status, 414);
    let longer = format!("{base}/top/type?q={}", "a".repeat(200_000));
    assert!(matches!(wire::get(port, &longer).status, 400..=431));
    for garbage in [
        &b"\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
    ] {
        // It may be told what is wrong, or be hung up on; the next one is answered.
        let answer = wire::hang_up(port, garbage);
        assert!(answer.is_none_or(|status| status >= 400), "{answer:?}");
    }
    assert_eq!(status(""), 200);
}

#[test]
fn it_listens_on_the_loopback_interface_and_ends_at_once() {
    let served = Served::start([leaking().into_os_string(), "--port".into(), "0".into()]);
    let tcp = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    let port = format!("{:04X}", served.port);
    let listening: Vec<&str> = tcp
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|local| local.ends_with(&format!(":{port}")))
        .collect();
    assert!(!listening.is_empty());
    assert!(listening.iter().all(|local| local.starts_with("0100007F")));
    let taken = std::process::Command::new(env!("CARGO_BIN_EXE_goheap"))
        .args(["serve", "--port", &served.port.to_string()])
        .arg(mended())
        .output()
        .expect("goheap");
    assert_eq!(taken.status.code(), Some(2));
    let said = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(said.contains(&format!("port {}", served.port)), "{said}");
    assert_eq!(served.end_by("-INT"), Some(130));
    let served = Served::start([leaking()]);
    assert_eq!(served.end_by("-TERM"), Some(143));
}
