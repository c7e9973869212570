//! What goheap itself says of a Go version, in its lists and texts.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};
use goheap_golang::{Features, GoVersion};
use goheap_testkit::toolchains;

use super::sources::rust_files;
use crate::layouts::{self, Experiment, RELEASES};
use crate::repository::root;

/// Files that have the version in their text, as far as the command can tell by that; and what is to be
/// done where they have not. A test has them all.
const PLACES: [(&str, &str); 3] = [
    (
        "crates/goheap/tests/support/mod.rs",
        "add it to for_every_version, twice: the tests of every version",
    ),
    ("README.md", "add it to the table \"Go versions\""),
    (
        DEMO,
        "have the demo fetch it (FETCHED), and record the demo's dump anew",
    ),
];

/// Where the release is named that the demo fetches: the newest.
const DEMO: &str = "crates/goheap/src/demo/toolchain.rs";

/// Whether its features are known.
pub(super) fn is_known(new: &str) -> Result<bool> {
    Ok(Features::of(&format!("go{new}").parse()?).is_ok())
}

/// What of goheap does not know the version yet. `experiments` are those that change its layouts.
pub(super) fn missing(new: &str, against: &str, experiments: &[Experiment]) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    let version: GoVersion = format!("go{new}").parse()?;
    if let Err(error) = Features::of(&version) {
        missing.push(format!(
            "raise KNOWN in crates/golang/src/features.rs, once what changed is in it ({error})"
        ));
    }
    if toolchains::version(new).is_err() {
        missing.push(format!(
            "add {new} to CLAIMED in crates/testkit/src/toolchains.rs, `whole` in place of go{against} \
             if it is the newest; then run this again, and the streams are learnt"
        ));
    }
    let is_listed = |r: &layouts::Release| r.number == new || r.other_end == new;
    if !RELEASES.iter().any(is_listed) {
        missing.push(to_list(new, experiments)?);
    }
    let mut claimed = toolchains::CLAIMED.iter().map(|version| version.number);
    let is_newest = !claimed.any(|known| layouts::numbers(known) > layouts::numbers(new));
    for (file, what) in PLACES {
        if (is_newest || file != DEMO) && !text(file)?.contains(new) {
            missing.push(format!("{file}: {what}"));
        }
    }
    Ok(missing)
}

/// The line that `RELEASES` lacks.
fn to_list(new: &str, experiments: &[Experiment]) -> Result<String> {
    let (minor, _) = new.rsplit_once('.').context("a version like 1.24.3")?;
    let of_minor = |r: &&layouts::Release| {
        let known = r.number.rsplit_once('.');
        known.is_some_and(|(known, _)| known == minor)
    };
    let place = "RELEASES in xtask/src/layouts.rs";
    if let Some(known) = RELEASES.iter().rfind(of_minor) {
        return Ok(format!(
            "if its layouts are those of go{}, make {new} the other end of that, or the number itself, in \
             {place}; if not, make it a release of its own",
            known.number
        ));
    }
    let quoted = experiments
        .iter()
        .map(|(name, machines)| format!("(\"{name}\", &{machines:?})"));
    let experiments = quoted.collect::<Vec<_>>().join(", ");
    Ok(format!(
        "add to {place}, after which the layouts of the minor version's first release are compared too: \
         release(\"{new}\", \"{minor}.0\", &[{experiments}]),"
    ))
}

/// Files that name the release before and not this one: tests and commands that mean the newest.
pub(super) fn of_the_one_before(new: &str, against: &str) -> Result<Vec<String>> {
    let quoted = |version: &str| format!("\"{version}\"");
    let mut found = Vec::new();
    for folder in ["crates", "xtask"] {
        for path in rust_files(&root().join(folder))? {
            let text = fs::read_to_string(&path)?;
            if text.contains(&quoted(against)) && !text.contains(&quoted(new)) {
                let name = path.strip_prefix(root()).unwrap_or(&path);
                found.push(name.display().to_string());
            }
        }
    }
    Ok(found)
}

/// What features the two have otherwise, as `Features` has them; nothing if one of them is not known.
pub(super) fn features(new: &str, against: &str) -> Result<Vec<String>> {
    let of = |number: &str| -> Result<Option<BTreeMap<String, String>>> {
        let version: GoVersion = format!("go{number}").parse()?;
        let known = Features::of(&version).ok();
        Ok(known.map(|features| fields(&format!("{features:#?}"))))
    };
    let (Some(new), Some(old)) = (of(new)?, of(against)?) else {
        return Ok(Vec::new());
    };
    let changed = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value));
    Ok(changed
        .map(|(name, value)| {
            let was = old.get(name).map_or("nothing", String::as_str);
            format!("{name}: {value} (was {was})")
        })
        .collect())
}

/// The fields of a struct by name, as `{:#?}` has them, each on one line.
fn fields(text: &str) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let mut last = None;
    for line in text.lines().filter_map(|line| line.strip_prefix("    ")) {
        match line.split_once(": ") {
            Some((name, value)) if !line.starts_with(' ') => {
                fields.insert(name.to_owned(), value.trim_end_matches(',').to_owned());
                last = Some(name.to_owned());
            }
            _ => {
                if let Some(value) = last.as_ref().and_then(|name| fields.get_mut(name)) {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            }
        }
    }
    fields
}

fn text(file: &str) -> Result<String> {
    fs::read_to_string(root().join(file)).context(file.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_release_is_in_all_places() {
        let newest = toolchains::CLAIMED.last().unwrap().number;
        assert_eq!(missing(newest, "1.0.0", &[]).unwrap(), Vec::<String>::new());
        let next = missing("1.99.1", newest, &[("noxyz", &["amd64", "386"])]).unwrap();
        assert_eq!(next.len(), 3 + PLACES.len(), "{next:?}");
        let line = r#"release("1.99.1", "1.99.0", &[("noxyz", &["amd64", "386"])]),"#;
        for has in ["KNOWN", "CLAIMED", line] {
            assert!(next.iter().any(|line| line.contains(has)), "{next:?}");
        }
    }

    #[test]
    fn features_that_differ_are_told() {
        let told = features("1.24.3", "1.23.9").unwrap();
        let specials = told.iter().find(|line| line.starts_with("specials: "));
        let specials = specials.unwrap();
        assert!(specials.contains("cleanup: Some( 6, )"), "{specials}");
        assert!(specials.contains("was SpecialKinds {"), "{specials}");
        assert!(
            !told.iter().any(|line| line.starts_with("ncpu")),
            "{told:?}"
        );
        assert_eq!(features("1.24.3", "1.24.11").unwrap(), Vec::<String>::new());
    }
}
