//! `goheap serve`: a local page to look at a heap.
//!
//! # Start here
//! `run` captures and analyses, then listens. `guard` says who is answered, and under which headers;
//! `reply` finds the view of an address and gives it what it shows; `world` has what is worked out
//! once, in the background, and `jobs` what is worked out when somebody asks; `nodes` has the pages of
//! single objects and holders. The views themselves are
//! in `goheap_page`.
//!
//! # Invariants
//! - Only the loopback interface is listened on, and only whoever knows the secret in the address is
//!   answered.
//! - No answer waits for a pass over the heap: what is not ready says so, and is asked for again.
//! - docs/serve.md has the whole of the security model.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use goheap_analysis::answers::diff::Before;

use crate::args::{ExamineArgs, ServeArgs};
use crate::error::CommandError;
use crate::examined;
use crate::live;
use crate::text;

mod guard;
mod http;
mod jobs;
mod nodes;
mod opener;
mod reply;
mod world;

use guard::Guard;
use world::World;

/// How often it is looked whether somebody wants an end.
const LOOK: Duration = Duration::from_millis(20);

pub(crate) fn run(args: &ServeArgs) -> Result<ExitCode, CommandError> {
    live::install_interrupts()?;
    // A port that is taken is found out now, before anything takes long.
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, args.port));
    let listener = listener.map_err(|source| CommandError::Listen {
        port: args.port,
        source,
    })?;
    let address = listener
        .local_addr()
        .map_err(|source| CommandError::Listen {
            port: args.port,
            source,
        })?;
    let before = match &args.against {
        Some(other) => Some(before(args, other)?),
        None => None,
    };
    let examined = examined::open(&args.examine)?;
    let guard = Guard::new(address.port()).map_err(|source| CommandError::NoSecret { source })?;
    let url = guard.url(address);
    let world = World::new(examined, guard.base(), before)?;
    // It lives as long as this process: threads look at it, and nothing waits for them at the end.
    let world: &'static World = Box::leak(Box::new(world));
    world.start();
    let server = http::start(listener, guard, world).map_err(|source| CommandError::Listen {
        port: address.port(),
        source,
    })?;
    say(&world.name, address, &url)?;
    // It is removed when this ends.
    let _page = match args.open {
        true => opener::open(&url),
        false => None,
    };
    loop {
        if live::stop_requested().is_some() {
            return Err(examined::interrupted());
        }
        if server.is_finished() {
            return Err(CommandError::Listen {
                port: address.port(),
                source: io::ErrorKind::BrokenPipe.into(),
            });
        }
        std::thread::sleep(LOOK);
    }
}

/// What is kept of the dump that is compared with, and what it is called.
fn before(args: &ServeArgs, other: &std::ffi::OsString) -> Result<(String, Before), CommandError> {
    let examined = examined::open(&ExamineArgs {
        source: other.clone(),
        exe: args.examine.exe.clone(),
        how: args.examine.how.clone(),
        damaged: args.examine.damaged,
    })?;
    let before = Before::of(&examined.of, &examined.watch()).map_err(examined::ended)?;
    Ok((examined.name, before))
}

/// Says the address on standard output.
fn say(name: &str, address: SocketAddr, url: &str) -> Result<(), CommandError> {
    let mut out = text::stdout();
    let name = text::printable(name.as_bytes());
    let written = writeln!(out, "{name}: {url}")
        .and_then(|()| {
            let port = address.port();
            writeln!(
                out,
                "  Ctrl-C ends it. From elsewhere: ssh -L {port}:127.0.0.1:{port} HOST, then the same address"
            )
        })
        .and_then(|()| out.flush());
    text::done(written)
}
