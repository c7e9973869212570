//! What loads the programs, on loopback: a page of metrics to be scraped, a client with many
//! subscriptions.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

/// A port on loopback that nobody listens at.
pub(super) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Serves a page with so many series, in Prometheus' text format, for as long as this process lives;
/// its port.
pub(super) fn serve_series(count: u64) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever scrapes may go away at any time.
            let _ = serve(stream, count);
        }
    });
    Ok(port)
}

fn serve(mut stream: TcpStream, count: u64) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    stream.write_all(
        b"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n\r\n",
    )?;
    let mut page = String::from("# TYPE series gauge\n");
    for i in 0..count {
        page.push_str(&format!(
            "series{{shelf=\"shelf-{}\",item=\"item-{i}\",colour=\"colour-{}\"}} {i}\n",
            i / 100,
            i % 17
        ));
        if page.len() > 1 << 20 {
            stream.write_all(page.as_bytes())?;
            page.clear();
        }
    }
    stream.write_all(page.as_bytes())
}

/// What a URL on loopback answers to GET; `None` if nobody is there yet.
pub(super) fn get(port: u16, path: &str) -> Result<Option<String>> {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return Ok(None);
    };
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("an answer")?;
    Ok(Some(String::from_utf8_lossy(&answer).into_owned()))
}

/// A value of a page in Prometheus' text format.
pub(super) fn value(page: &str, name: &str) -> Option<f64> {
    let mut lines = page.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

/// A client of a NATS server with so many subscriptions; they last as long as it.
pub(super) fn subscribe(port: u16, count: u64) -> Result<Option<TcpStream>> {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return Ok(None);
    };
    stream.set_read_timeout(Some(Duration::from_secs(300)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    ensure!(line.starts_with("INFO"), "the server says {line:?}");
    let mut orders = String::from("CONNECT {\"verbose\":false}\r\n");
    for i in 0..count {
        orders.push_str(&format!("SUB shelf.{}.item.{i} {i}\r\n", i / 100));
        if orders.len() > 1 << 20 {
            stream.write_all(orders.as_bytes())?;
            orders.clear();
        }
    }
    orders.push_str("PING\r\n");
    stream.write_all(orders.as_bytes())?;
    loop {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "the server hangs up");
        match line.trim() {
            "PONG" => return Ok(Some(stream)),
            "PING" => stream.write_all(b"PONG\r\n")?,
            other => ensure!(!other.starts_with("-ERR"), "the server says {other}"),
        }
    }
}
