//! The JSON of `goheap tree`, as `docs/commands.md` documents it.

use goheap_analysis::answers::tree::{Branch, Tree};
use serde::Serialize;

use crate::top::HeapValue;

/// The shape, and its version.
const SCHEMA: &str = "goheap.tree/1";

#[derive(Serialize)]
pub(crate) struct TreeValue<'a> {
    schema: &'static str,
    source: &'a str,
    heap: HeapValue,
    top: BranchValue<'a>,
    missing: &'a [String],
}

#[derive(Serialize)]
struct BranchValue<'a> {
    name: &'a str,
    about: Option<&'a str>,
    address: Option<String>,
    count: u64,
    own_bytes: u64,
    retained_bytes: u64,
    /// No deeper than `TreeOptions::depth` allows.
    branches: Vec<BranchValue<'a>>,
    rest: RestValue,
}

#[derive(Serialize)]
struct RestValue {
    branches: u64,
    count: u64,
    retained_bytes: u64,
}

impl<'a> TreeValue<'a> {
    pub(crate) fn of(source: &'a str, tree: &'a Tree, missing: &'a [String]) -> TreeValue<'a> {
        TreeValue {
            schema: SCHEMA,
            source,
            heap: HeapValue::of(&tree.heap),
            top: BranchValue::of(&tree.top),
            missing,
        }
    }
}

impl<'a> BranchValue<'a> {
    fn of(branch: &'a Branch) -> BranchValue<'a> {
        BranchValue {
            name: &branch.name,
            about: Some(branch.about.as_str()).filter(|about| !about.is_empty()),
            address: (branch.address != 0).then(|| format!("{:#x}", branch.address)),
            count: branch.count,
            own_bytes: branch.shallow,
            retained_bytes: branch.retained,
            branches: branch.branches.iter().map(BranchValue::of).collect(),
            rest: RestValue {
                branches: branch.rest.branches,
                count: branch.rest.count,
                retained_bytes: branch.rest.retained,
            },
        }
    }
}
