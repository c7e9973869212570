//! The answers, judged by the program `truth`, which tells what it has built, and who holds it.
//! `honest` judges that program, without goheap's answers.
#![cfg(target_os = "linux")]

#[path = "../support/mod.rs"]
mod support;

mod commands;
mod counts;
mod honest;
mod opened;
mod paths;
mod types;
