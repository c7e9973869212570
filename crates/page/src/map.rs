//! The tree of who holds what as pictures: a treemap, where areas are bytes, and an icicle, where
//! widths are. SVG with presentation attributes, so that no policy refuses it; each part is a link
//! that zooms, and has its name and its bytes in words.

use std::fmt::Write as _;

use goheap_analysis::answers::tree::Branch;
use maud::{Markup, html};

use crate::text;
use crate::units;

/// How a tree is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// Areas.
    Treemap,
    /// Widths, level by level.
    Icicle,
}

impl Picture {
    /// Its name in an address.
    pub fn name(self) -> &'static str {
        match self {
            Picture::Treemap => "treemap",
            Picture::Icicle => "icicle",
        }
    }
}

/// Width and height of the picture of a wide page, and of a narrow one.
const WIDE: (f64, f64) = (1200.0, 560.0);
const THIN: (f64, f64) = (360.0, 440.0);

/// Height of a level of an icicle, and of the line over a part of a treemap that has parts itself.
const LEVEL: f64 = 22.0;
const LINE: f64 = 17.0;

/// How many levels an icicle shows.
const LEVELS: usize = 10;

/// How many levels of a treemap are seen in one another.
const NESTED: usize = 6;

/// What is narrower or lower is not drawn.
const LEAST: f64 = 1.5;

/// How many colours there are.
const COLOURS: u64 = 8;

/// A branch, where it is in its tree (the places of the branches that lead to it), and where a click
/// on a part leads.
pub struct Drawn<'a> {
    /// The branch.
    pub branch: &'a Branch,
    /// Its place.
    pub at: &'a [u32],
    /// The page on which the branch at a place is the whole picture.
    pub href: &'a dyn Fn(&[u32]) -> Option<String>,
}

/// The branch at a place of a tree.
pub fn branch_at<'t>(top: &'t Branch, at: &[u32]) -> Option<&'t Branch> {
    let mut branch = top;
    for place in at {
        branch = branch.branches.get(*place as usize)?;
    }
    Some(branch)
}

/// What a branch is called: `1,204 × main.Session`.
pub fn title(branch: &Branch) -> String {
    let name = text::name(&branch.name);
    match branch.count {
        0 | 1 => name,
        // Its name has the number already.
        _ if branch.name.starts_with("goroutine") => name,
        n => format!("{} × {name}", units::count(n)),
    }
}

/// A picture, for wide and for narrow pages.
pub fn picture(picture: Picture, drawn: &Drawn<'_>) -> Markup {
    let one = |class: &str, (width, height): (f64, f64)| {
        let (parts, height) = match picture {
            Picture::Treemap => (treemap(drawn, width, height), height),
            Picture::Icicle => icicle(drawn, width),
        };
        let label = format!("{}: {}", picture.name(), title(drawn.branch));
        html! {
            svg class={ "map " (class) } viewBox={ "0 0 " (width) " " (height) } role="group"
                aria-label=(label) {
                @for part in &parts { (part.markup()) }
            }
        }
    };
    html! { div.maps { (one("wide", WIDE)) (one("thin", THIN)) } }
}

/// A rectangle with a name.
struct Part {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    class: String,
    name: String,
    about: String,
    href: Option<String>,
}

impl Part {
    fn markup(&self) -> Markup {
        let number = |n: f64| {
            let mut out = String::new();
            let _ = write!(out, "{n:.1}");
            out
        };
        let body = html! {
            title { (self.about) }
            rect class=(self.class) x=(number(self.x)) y=(number(self.y))
                width=(number((self.width - 1.0).max(0.5))) height=(number((self.height - 1.0).max(0.5))) rx="2" {}
            @if let Some(label) = fitting(&self.name, self.width) {
                @if self.height >= 13.0 {
                    text x=(number(self.x + 5.0)) y=(number(self.y + 12.5)) { (label) }
                }
            }
        };
        html! {
            @match &self.href {
                Some(href) => a href=(href) aria-label=(self.about) { (body) },
                None => g { (body) },
            }
        }
    }
}

/// As much of a name as there is room for; nothing where that says nothing.
fn fitting(name: &str, width: f64) -> Option<String> {
    /// A letter of the maps' font, in units of the picture.
    const LETTER: f64 = 6.7;
    let room = ((width - 9.0) / LETTER).floor();
    if room < 3.0 {
        return None;
    }
    let room = room as usize;
    if name.chars().count() <= room {
        return Some(name.to_owned());
    }
    let start: String = name.chars().take(room - 1).collect();
    Some(format!("{start}…"))
}

/// The same name has the same colour on every page.
fn colour(name: &str) -> String {
    // FNV-1a: http://www.isthe.com/chongo/tech/comp/fnv/
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("part c{}", (hash >> 32) % COLOURS)
}

fn about(branch: &Branch, all: u64) -> String {
    format!(
        "{}: {}, {}",
        title(branch),
        units::bytes(branch.retained),
        units::share(branch.retained, all)
    )
}

fn part(branch: &Branch, all: u64, href: Option<String>, (x, y, width, height): Box4) -> Part {
    Part {
        x,
        y,
        width,
        height,
        class: colour(&branch.name),
        name: title(branch),
        about: about(branch, all),
        href,
    }
}

type Box4 = (f64, f64, f64, f64);

/// What a branch is made of: its branches, those that are told as a sum, itself.
enum Of<'a> {
    Branch(u32, &'a Branch),
    Rest(u64),
    Own,
}

fn made_of(branch: &Branch) -> Vec<(u64, Of<'_>)> {
    let mut parts: Vec<(u64, Of<'_>)> = branch
        .branches
        .iter()
        .zip(0..)
        .map(|(branch, place)| (branch.retained, Of::Branch(place, branch)))
        .collect();
    parts.push((branch.rest.retained, Of::Rest(branch.rest.branches)));
    let told = parts
        .iter()
        .fold(0u64, |sum, part| sum.saturating_add(part.0));
    parts.push((branch.retained.saturating_sub(told), Of::Own));
    parts.retain(|part| part.0 > 0);
    parts.sort_by_key(|part| std::cmp::Reverse(part.0));
    parts
}

fn child(at: &[u32], place: u32) -> Vec<u32> {
    let mut at = at.to_vec();
    at.push(place);
    at
}

fn treemap(drawn: &Drawn<'_>, width: f64, height: f64) -> Vec<Part> {
    let all = drawn.branch.retained;
    let mut parts = Vec::new();
    // What is in the parts is seen as well, as far as there is room.
    let mut open = vec![(
        drawn.branch,
        drawn.at.to_vec(),
        (0.0, 0.0, width, height),
        0,
    )];
    while let Some((branch, at, space, level)) = open.pop() {
        let of = made_of(branch);
        let sizes: Vec<u64> = of.iter().map(|part| part.0).collect();
        for ((bytes, of), space) in of.into_iter().zip(squarified(&sizes, space)) {
            let (x, y, width, height) = space;
            if width < LEAST || height < LEAST {
                continue;
            }
            match of {
                Of::Branch(place, branch) => {
                    let at = child(&at, place);
                    parts.push(part(branch, all, (drawn.href)(&at), space));
                    if level < NESTED && width > 50.0 && height > 2.0 * LINE {
                        let inner = (x + 3.0, y + LINE, width - 7.0, height - LINE - 4.0);
                        open.push((branch, at, inner, level + 1));
                    }
                }
                Of::Rest(count) => parts.push(told_as_sum(bytes, count, all, space)),
                // Inside of a part its own bytes are what is left of it.
                Of::Own if level == 0 => parts.push(own(branch, bytes, all, space)),
                Of::Own => {}
            }
        }
    }
    parts
}

fn told_as_sum(bytes: u64, count: u64, all: u64, (x, y, width, height): Box4) -> Part {
    let name = format!("… {} more", units::count(count));
    Part {
        x,
        y,
        width,
        height,
        class: "part rest".to_owned(),
        about: format!(
            "{name}: {}, {}",
            units::bytes(bytes),
            units::share(bytes, all)
        ),
        name,
        href: None,
    }
}

fn own(branch: &Branch, bytes: u64, all: u64, (x, y, width, height): Box4) -> Part {
    Part {
        x,
        y,
        width,
        height,
        class: "part own".to_owned(),
        name: "itself".to_owned(),
        about: format!(
            "{} itself: {}, {}",
            title(branch),
            units::bytes(bytes),
            units::share(bytes, all)
        ),
        href: None,
    }
}

/// Rectangles in a space, as near to squares as can be, in proportion to sizes that descend (Bruls,
/// Huizing, van Wijk: *Squarified Treemaps*, 2000).
fn squarified(sizes: &[u64], (x, y, width, height): Box4) -> Vec<Box4> {
    let total: f64 = sizes.iter().map(|size| *size as f64).sum();
    let mut boxes = Vec::with_capacity(sizes.len());
    if total <= 0.0 || width <= 0.0 || height <= 0.0 {
        boxes.resize(sizes.len(), (x, y, 0.0, 0.0));
        return boxes;
    }
    let scale = width * height / total;
    let areas: Vec<f64> = sizes.iter().map(|size| *size as f64 * scale).collect();
    let (mut x, mut y, mut width, mut height) = (x, y, width, height);
    let mut rest = &areas[..];
    while !rest.is_empty() {
        let side = width.min(height).max(f64::MIN_POSITIVE);
        // The areas descend: the first is the largest of a row, and the last that was added the least.
        let worst = |sum: f64, largest: f64, least: f64| {
            let square = side * side;
            (square * largest / (sum * sum))
                .max(sum * sum / (square * least.max(f64::MIN_POSITIVE)))
        };
        let first = rest[0];
        let (mut sum, mut count) = (first, 1);
        while let Some(next) = rest.get(count) {
            if worst(sum + next, first, *next) > worst(sum, first, rest[count - 1]) {
                break;
            }
            sum += next;
            count += 1;
        }
        let thick = sum / side;
        let mut along = 0.0;
        for area in &rest[..count] {
            let long = area / thick.max(f64::MIN_POSITIVE);
            boxes.push(match width <= height {
                true => (x + along, y, long, thick),
                false => (x, y + along, thick, long),
            });
            along += long;
        }
        match width <= height {
            true => (y, height) = (y + thick, (height - thick).max(0.0)),
            false => (x, width) = (x + thick, (width - thick).max(0.0)),
        }
        rest = &rest[count..];
    }
    boxes
}

/// The parts of an icicle, and how high it is.
fn icicle(drawn: &Drawn<'_>, width: f64) -> (Vec<Part>, f64) {
    let all = drawn.branch.retained;
    let mut parts = Vec::new();
    let mut deepest = 0;
    let mut open = vec![(drawn.branch, drawn.at.to_vec(), 0.0, width, 0usize)];
    while let Some((branch, at, x, width, level)) = open.pop() {
        deepest = deepest.max(level);
        let y = level as f64 * LEVEL;
        // A click on the top leads one up.
        let to = match (level, at.split_last()) {
            (0, Some((_, above))) => (drawn.href)(above),
            (0, None) => None,
            _ => (drawn.href)(&at),
        };
        parts.push(part(branch, all, to, (x, y, width, LEVEL)));
        if level + 1 >= LEVELS || branch.retained == 0 {
            continue;
        }
        let scale = width / branch.retained as f64;
        let mut left = x;
        for (bytes, of) in made_of(branch) {
            let wide = bytes as f64 * scale;
            if wide < LEAST {
                continue;
            }
            match of {
                Of::Branch(place, branch) => {
                    open.push((branch, child(&at, place), left, wide, level + 1));
                }
                Of::Rest(count) => {
                    deepest = deepest.max(level + 1);
                    let space = (left, y + LEVEL, wide, LEVEL);
                    parts.push(told_as_sum(bytes, count, all, space));
                }
                // Nothing stands below its own bytes.
                Of::Own => continue,
            }
            left += wide;
        }
    }
    (parts, (deepest + 1) as f64 * LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(name: &str, retained: u64, branches: Vec<Branch>) -> Branch {
        Branch {
            name: name.to_owned(),
            count: 1,
            retained,
            branches,
            ..Branch::default()
        }
    }

    #[test]
    fn areas_are_in_proportion_and_fill_the_space() {
        let sizes = [600, 300, 300, 200, 100, 100, 1];
        let boxes = squarified(&sizes, (10.0, 20.0, 600.0, 400.0));
        let total: u64 = sizes.iter().sum();
        for ((x, y, width, height), size) in boxes.iter().zip(sizes) {
            let expected = 600.0 * 400.0 * size as f64 / total as f64;
            assert!((width * height - expected).abs() < 1e-6, "{size}");
            assert!(*x >= 10.0 && *y >= 20.0);
            assert!(x + width <= 610.0 + 1e-6 && y + height <= 420.0 + 1e-6);
        }
        assert_eq!(squarified(&[0, 0], (0.0, 0.0, 1.0, 1.0)).len(), 2);
        assert_eq!(squarified(&[u64::MAX, 1], (0.0, 0.0, 0.0, 1.0)).len(), 2);
    }

    #[test]
    fn each_part_zooms_and_names_are_text() {
        let top = branch(
            "all",
            100,
            vec![
                branch("main.cache", 70, vec![branch("<script>", 50, Vec::new())]),
                branch("main.other", 20, Vec::new()),
            ],
        );
        let href = |at: &[u32]| Some(format!("/map?at={at:?}"));
        let drawn = Drawn {
            branch: &top,
            at: &[],
            href: &href,
        };
        for how in [Picture::Treemap, Picture::Icicle] {
            let text = picture(how, &drawn).into_string();
            assert!(text.contains("href=\"/map?at=[0]\""), "{text}");
            assert!(text.contains("href=\"/map?at=[0, 0]\""), "{text}");
            assert!(text.contains("main.cache: 70 B, 70.0 %"), "{text}");
            assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"));
            assert!(!text.contains("style="));
        }
        assert_eq!(branch_at(&top, &[0, 0]).map(|b| b.retained), Some(50));
        assert!(branch_at(&top, &[0, 1]).is_none());
    }
}
