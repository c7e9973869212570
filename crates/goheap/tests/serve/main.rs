//! `goheap serve`, asked over the wire and looked at in a real browser.
//!
//! `wire` speaks HTTP by hand, for a client that is well behaved would not send what must be refused.
//! `driver` speaks WebDriver to ChromeDriver, which `.ci/packages` installs with Chromium.
#![cfg(target_os = "linux")]

mod browser;
mod driver;
mod guarded;
mod hostile;
mod opened;
mod served;
mod views;
mod wire;
