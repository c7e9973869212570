//! The sessions that README.md shows, run again: what it says that goheap prints is what it prints.
//!
//! Of each block of kind `console`, the commands that ask a dump which lies in `tests/readme` are run
//! there, and their output is compared, line by line. A line `...` stands for any number of lines.
//! Commands on live processes cannot be run again, and are not looked at.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A command and what README says that it prints.
#[derive(Debug)]
struct Shown {
    line: usize,
    command: Vec<String>,
    output: Vec<String>,
}

fn shown(readme: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(readme.lines()) {
        if line.starts_with("```") {
            inside = line == "```console";
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(command) = line.strip_prefix("$ ") {
            all.push(Shown {
                line: number,
                command: words(command),
                output: Vec::new(),
            });
        } else if let Some(last) = all.last_mut() {
            last.output.push(line.to_owned());
        }
    }
    all
}

/// The words of a command; single and double quotes keep blanks.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None, ' ') => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            (_, c) => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Whether `printed` is what `told` says, where `...` is any number of lines.
fn matches(told: &[String], printed: &[&str]) -> bool {
    match told {
        [] => printed.is_empty(),
        [first, rest @ ..] if first.trim() == "..." => {
            (0..=printed.len()).any(|skipped| matches(rest, &printed[skipped..]))
        }
        [first, rest @ ..] => match printed {
            [line, others @ ..] => first.trim_end() == line.trim_end() && matches(rest, others),
            [] => false,
        },
    }
}

#[test]
fn prints_what_it_says() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dumps = package.join("tests/readme");
    let readme = fs::read_to_string(package.join("../../README.md")).unwrap();
    let mut run = 0;
    let mut wrong = Vec::new();
    for shown in shown(&readme) {
        let [goheap, arguments @ ..] = shown.command.as_slice() else {
            continue;
        };
        let asks_a_dump = arguments
            .iter()
            .any(|word| word.contains(".heapdump") && dumps.join(word).is_file());
        // What makes a file would find it there, and pipes are not for this test.
        let makes_or_pipes = arguments.iter().any(|word| word == "-o" || word == "|");
        if goheap != "goheap" || !asks_a_dump || makes_or_pipes {
            continue;
        }
        run += 1;
        let output = Command::new(env!("CARGO_BIN_EXE_goheap"))
            .args(arguments)
            .current_dir(&dumps)
            .output()
            .unwrap();
        let printed =
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        let lines: Vec<&str> = printed.lines().collect();
        if !matches(&shown.output, &lines) {
            wrong.push(format!(
                "README.md:{}: {:?} prints\n{printed}",
                shown.line, shown.command
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        run >= 4,
        "only {run} commands of README.md could be run again"
    );
}
