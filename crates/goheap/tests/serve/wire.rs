//! Requests as bytes, and what comes back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::time::Duration;

/// How long an answer may take: the machine may be busy with all other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// An answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// The value of a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(of, _)| of == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Sends these bytes to a port of the loopback interface, and reads the answer to its end.
pub(crate) fn send(port: u16, request: &[u8]) -> Answer {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request).expect("a request");
    // ChromeDriver keeps a connection open, whatever it is asked.
    let mut bytes = Vec::new();
    let mut piece = vec![0; 1 << 16];
    while !is_whole(&bytes, request.starts_with(b"HEAD ")) {
        match stream.read(&mut piece).expect("an answer") {
            0 => break,
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
    parsed(&bytes)
}

/// Whether an answer is there with as many bytes as it says.
fn is_whole(bytes: &[u8], is_head: bool) -> bool {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let len = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length:"));
    let len = len.and_then(|len| len.trim().parse::<usize>().ok());
    len.is_some_and(|len| is_head || bytes.len() >= end + 4 + len)
}

/// Sends these bytes and no more; the status of the answer, if there is one.
pub(crate) fn hang_up(port: u16, request: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(request).expect("a request");
    stream.shutdown(Shutdown::Write).expect("an end");
    let mut bytes = Vec::new();
    // It may be reset.
    let _ = stream.read_to_end(&mut bytes);
    let line = String::from_utf8_lossy(&bytes).into_owned();
    line.split(' ').nth(1)?.parse().ok()
}

fn parsed(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    Answer {
        status: status.and_then(|s| s.parse().ok()).expect("a status"),
        headers: lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect(),
        body: String::from_utf8(bytes[end + 4..].to_vec()).expect("UTF-8"),
    }
}

/// A request of a method with a host, and a body if there is one.
pub(crate) fn ask(port: u16, method: &str, path: &str, host: &str, body: &str) -> Answer {
    let len = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {len}\r\n\r\n{body}"
    );
    send(port, request.as_bytes())
}

/// `GET` of this machine.
pub(crate) fn get(port: u16, path: &str) -> Answer {
    ask(port, "GET", path, &format!("127.0.0.1:{port}"), "")
}
