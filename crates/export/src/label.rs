//! What nodes are called.

use goheap_analysis::{Analysis, NodeId, NodeKind, RootKind};

/// What a node is called: an object by its class, a variable by its name.
pub(crate) fn label(analysis: &Analysis, node: NodeId) -> String {
    let (dump, nodes) = (&analysis.dump, &analysis.nodes);
    match nodes.kind(node) {
        NodeKind::Object(object) => {
            let class = analysis.types.class(analysis.types.class_of(object));
            class.map_or(String::new(), |class| class.name.clone())
        }
        NodeKind::Root(root) => match dump.roots().get(root as usize) {
            Some(root) => match root.kind {
                RootKind::Frame(_) => format!("frame {}", root.name),
                RootKind::Goroutine(_) => "deferred calls and panics".to_owned(),
                _ => root.name.to_string(),
            },
            None => String::new(),
        },
        NodeKind::Goroutine(index) => {
            let goroutine = dump.goroutines().get(index as usize);
            format!(
                "goroutine {}",
                goroutine.map_or(0, |goroutine| goroutine.id)
            )
        }
        NodeKind::Group(index) => {
            let group = nodes.groups().get(index as usize);
            let first = group.and_then(|group| group.goroutines.first());
            let first = first.and_then(|first| dump.goroutines().get(*first as usize));
            let frames = first.and_then(|first| dump.frames().get(first.frames.clone()));
            let outer = frames.and_then(|frames| {
                let began = |function: &str| function != "runtime.goexit";
                frames.iter().rfind(|frame| began(&frame.function))
            });
            let function = outer.map_or("no function", |frame| frame.function.as_str());
            format!("goroutines that began in {function}")
        }
        NodeKind::Package(index) => match nodes.packages().get(index as usize) {
            Some(package) if !package.name.is_empty() => format!("package {}", package.name),
            _ => "variables of no package".to_owned(),
        },
        NodeKind::All => String::new(),
    }
}
