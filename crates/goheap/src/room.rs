//! How wide the terminal is, and what does not fit.

use std::io::{self, IsTerminal};

/// Names get at least that many characters, however narrow the terminal is.
const LEAST: usize = 24;

/// How wide a line may be: `None` where standard output is no terminal, so that nothing is lost in a
/// file.
pub(crate) fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// A text of at most as many characters as `width` leaves behind `before`: of a longer one the middle
/// goes.
pub(crate) fn fitted(text: String, width: Option<usize>, before: usize) -> String {
    let Some(width) = width else { return text };
    shortened(text, width.saturating_sub(before).max(LEAST))
}

fn shortened(text: String, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text;
    }
    // The end tells more than the start: fields rather than packages.
    let kept = most.saturating_sub(1);
    let (start, end) = (kept / 3, kept - kept / 3);
    let mut out: String = text.chars().take(start).collect();
    out.push('…');
    out.extend(text.chars().skip(count - end));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_goes() {
        let long = "github.com/someone/something/pkg.(*Server).sessions".to_owned();
        assert_eq!(fitted(long.clone(), None, 10), long);
        assert_eq!(fitted(long.clone(), Some(80), 10), long);
        let short = fitted(long.clone(), Some(40), 10);
        assert_eq!(short, "github.co…g.(*Server).sessions");
        assert!(short.chars().count() <= 30);
        // Hardly any room: enough to recognise it.
        assert_eq!(fitted(long, Some(10), 10).chars().count(), LEAST);
    }
}
