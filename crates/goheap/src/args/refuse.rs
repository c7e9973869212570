//! What is said of a command line that cannot be understood.

use std::process::ExitCode;

use clap::error::ErrorKind;

/// Says what clap says: help as it is, a refusal as the one line that goheap's errors are.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody is left to tell if this fails.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return ExitCode::from(2);
    }
    crate::text::say(format_args!("goheap: {}", one_line(error)));
    ExitCode::from(2)
}

fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let mut line = String::new();
    for part in text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .map(str::trim)
        // That -n has to be behind -- is not what somebody wants to know who mistyped it.
        .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass '"))
    {
        line.push_str(match part.starts_with("tip:") {
            true => "; ",
            false if line.is_empty() => "",
            false => " ",
        });
        line.push_str(part);
    }
    let text = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{text}; goheap --help tells more")
}
