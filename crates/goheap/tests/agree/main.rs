//! What is said of a stripped program agrees with what is said of its twin that has symbols and DWARF:
//! one core of the stripped program, taken for the one and for the other. Where the stripped one's
//! answer says less, it says so; nothing of what it does say is otherwise in its twin's.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod asked;
mod captured;
mod commands;
mod objects;
mod roots;
mod ways;

use captured::Captured;

fn check(version: &str, variant: &str) {
    let captured = Captured::of(version, variant == "stripped_pie");
    let name = format!("Go {version}, {variant}");
    objects::check(&captured, &name);
    roots::check(&captured, &name);
    ways::check(&captured, &name);
    commands::check(&captured, &name);
    asked::check(&captured, &name);
}

for_every_version!(crate::check, every: [], whole: [stripped, stripped_pie]);
