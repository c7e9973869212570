//! Shares as bars.

use maud::{Markup, html};

use crate::units;

/// A bar of `part` in `all`, with its share in words for those who do not see it. An SVG, for a width
/// in a `style` attribute would be refused.
pub fn bar(part: u64, all: u64) -> Markup {
    // In tenths of a percent.
    let tenths = match all {
        0 => 0,
        all => (u128::from(part.min(all)) * 1000 / u128::from(all)) as u64,
    };
    let words = units::share(part, all);
    html! {
        svg.bar viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label=(words) {
            rect.track x="0" y="0" width="1000" height="100" {}
            rect.fill x="0" y="0" width=(tenths) height="100" {}
        }
    }
}

/// A share as a number and as a bar.
pub fn share(part: u64, all: u64) -> Markup {
    html! { span.share { (bar(part, all)) span.percent { (units::share(part, all)) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_never_longer_than_its_track() {
        for (part, all, width) in [(0, 0, 0), (5, 0, 0), (1, 3, 333), (9, 3, 1000)] {
            let text = bar(part, all).into_string();
            assert!(text.contains(&format!("class=\"fill\" x=\"0\" y=\"0\" width=\"{width}\"")));
        }
        bar(u64::MAX, u64::MAX).into_string();
    }
}
