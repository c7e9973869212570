//! Who is answered, and under which headers.
//!
//! Any user of this machine can connect to a port of the loopback interface, and any page in a browser
//! can make that connect to it. So an address begins with a secret; a request must name this host (a
//! page of another name that resolves to 127.0.0.1 is refused: DNS rebinding); nothing can be changed
//! by a request; and a page is told to load, send and run nothing but its own.

use std::hint::black_box;
use std::io;
use std::net::SocketAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};

/// The longest address that is looked at, in bytes.
pub(super) const LONGEST: usize = 4096;

/// Headers of every answer. The style and the script are files; nothing stands in attributes.
const HEADERS: [(&str, &str); 9] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// What a request must have.
pub(super) struct Guard {
    token: String,
    port: u16,
}

impl Guard {
    /// With a new secret of 128 bits.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub(super) fn new(port: u16) -> io::Result<Guard> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Guard {
            token: crate::text::hex(&bytes),
            port,
        })
    }

    /// What the paths of all pages begin with.
    pub(super) fn base(&self) -> String {
        format!("/{}", self.token)
    }

    /// The address of the first page.
    pub(super) fn url(&self, address: SocketAddr) -> String {
        format!("http://{address}/{}/", self.token)
    }

    /// Whether a request is answered, and what is asked for: the path behind the secret.
    ///
    /// # Errors
    /// How it is refused.
    pub(super) fn admit<'u>(
        &self,
        method: &Method,
        uri: &'u Uri,
        headers: &HeaderMap,
    ) -> Result<&'u str, (StatusCode, &'static str)> {
        if !self.is_own_host(uri, headers) {
            return Err((
                StatusCode::MISDIRECTED_REQUEST,
                "This is 127.0.0.1, and nothing else.\n",
            ));
        }
        if method != Method::GET && method != Method::HEAD {
            return Err((StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD.\n"));
        }
        let len = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
        if len > LONGEST {
            return Err((StatusCode::URI_TOO_LONG, "The address is too long.\n"));
        }
        let none = (StatusCode::NOT_FOUND, "There is nothing here.\n");
        let path = uri.path().strip_prefix('/').ok_or(none)?;
        let (token, rest) = path.split_once('/').unwrap_or((path, ""));
        match is_same(token.as_bytes(), self.token.as_bytes()) {
            true => Ok(rest),
            false => Err(none),
        }
    }

    fn is_own_host(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return false;
        };
        let port = self.port;
        let own = [
            format!("127.0.0.1:{port}"),
            format!("localhost:{port}"),
            format!("[::1]:{port}"),
        ];
        let is_own = |host: &str| own.iter().any(|own| host.eq_ignore_ascii_case(own));
        let is_named = host.to_str().is_ok_and(is_own);
        // A request may have an address with a host in its first line, too (RFC 9112, 3.2.2).
        let is_first_line = uri.authority().is_none_or(|of| is_own(of.as_str()));
        is_named && is_first_line
    }
}

/// Whether two are the same; takes as long wherever they differ.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let mut differ = u8::from(a.len() != b.len());
    for (at, byte) in b.iter().enumerate() {
        differ |= byte ^ a.get(at).copied().unwrap_or(0);
    }
    black_box(differ) == 0
}

/// Adds what every answer has.
pub(super) fn protect(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        headers
    }

    #[test]
    fn only_who_knows_the_secret_is_answered() {
        let guard = Guard::new(4711).unwrap();
        assert_eq!(guard.token.len(), 32);
        let other = Guard::new(4711).unwrap();
        assert_ne!(guard.token, other.token);
        let ask = |path: &str, host: &str| {
            let uri: Uri = path.parse().unwrap();
            let got = guard.admit(&Method::GET, &uri, &headers(host));
            got.map(str::to_owned)
                .map_err(|(status, _)| status.as_u16())
        };
        let own = "127.0.0.1:4711";
        let base = guard.base();
        assert_eq!(ask(&format!("{base}/map"), own), Ok("map".to_owned()));
        assert_eq!(ask(&base, "LOCALHOST:4711"), Ok(String::new()));
        assert_eq!(ask(&format!("{base}/"), "[::1]:4711"), Ok(String::new()));
        assert_eq!(ask("/", own), Err(404));
        assert_eq!(ask(&format!("{}/map", other.base()), own), Err(404));
        assert_eq!(ask(&format!("{base}0/map"), own), Err(404));
        assert_eq!(ask(&base[..base.len() - 1], own), Err(404));
        for host in [
            "evil.example:4711",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost.:4711",
        ] {
            assert_eq!(ask(&base, host), Err(421), "{host}");
        }
        let absolute = format!("http://evil.example:4711{base}/");
        assert_eq!(ask(&absolute, own), Err(421));
        assert_eq!(
            ask(&format!("{base}/find?q={}", "a".repeat(LONGEST)), own),
            Err(414)
        );
        let uri: Uri = base.parse().unwrap();
        let post = guard.admit(&Method::POST, &uri, &headers(own));
        assert_eq!(post.map_err(|(status, _)| status.as_u16()), Err(405));
        let none = guard.admit(&Method::GET, &uri, &HeaderMap::new());
        assert!(none.is_err());
    }
}
