//! The JSON of `goheap why`, as `docs/commands.md` documents it.

use goheap_analysis::answers::why::{Held, Why, WhyClass, WhyObject, WhyVariable};
use goheap_analysis::paths::Strength;
use goheap_analysis::types::How;
use serde::Serialize;

/// The shape, and its version.
const SCHEMA: &str = "goheap.why/1";

#[derive(Serialize)]
pub(super) struct WhyValue<'a> {
    schema: &'static str,
    source: &'a str,
    what: &'a str,
    object: Option<ObjectValue<'a>>,
    r#type: Option<ClassValue<'a>>,
    variable: Option<VariableValue<'a>>,
    root: Option<RootValue<'a>>,
    missing: &'a [String],
}

#[derive(Serialize)]
struct RootValue<'a> {
    name: &'a str,
    retained_bytes: u64,
}

#[derive(Serialize)]
struct ObjectValue<'a> {
    address: String,
    offset: u64,
    part: Option<&'a str>,
    r#type: &'a str,
    known: &'static str,
    own_bytes: u64,
    retained_bytes: u64,
    reachable: bool,
    paths: Vec<PathValue<'a>>,
    garbage: Option<GarbageValue<'a>>,
}

#[derive(Serialize)]
struct PathValue<'a> {
    path: &'a str,
    held: &'static str,
    length: u64,
    objects: Vec<HopValue<'a>>,
}

#[derive(Serialize)]
struct HopValue<'a> {
    address: String,
    r#type: &'a str,
    retained_bytes: u64,
}

#[derive(Serialize)]
struct GarbageValue<'a> {
    head: String,
    r#type: &'a str,
    path: &'a str,
}

#[derive(Serialize)]
struct ClassValue<'a> {
    name: &'a str,
    objects: u64,
    own_bytes: u64,
    retained_bytes: u64,
    garbage_objects: u64,
    garbage_bytes: u64,
    ways: Vec<WayValue<'a>>,
    left_out: LeftOutValue,
}

#[derive(Serialize)]
struct WayValue<'a> {
    path: &'a str,
    held: &'static str,
    objects: u64,
    own_bytes: u64,
    retained_bytes: u64,
    example: ExampleValue<'a>,
}

#[derive(Serialize)]
struct ExampleValue<'a> {
    address: String,
    path: &'a str,
}

#[derive(Serialize)]
struct LeftOutValue {
    ways: u64,
    objects: u64,
    own_bytes: u64,
}

#[derive(Serialize)]
struct VariableValue<'a> {
    name: &'a str,
    address: String,
    r#type: Option<&'a str>,
    retained_bytes: u64,
    leads_to: u64,
    objects: Vec<ObjectValue<'a>>,
}

fn hex(address: u64) -> String {
    format!("{address:#x}")
}

fn held(strength: Strength) -> &'static str {
    match strength {
        Strength::Variable => "variable",
        Strength::Runtime => "runtime",
        Strength::Maybe => "maybe",
    }
}

fn known(how: How) -> &'static str {
    match how {
        How::Unknown => "unknown",
        How::Header => "header",
        How::Interface => "interface",
        How::Variable => "variable",
        How::Runtime => "runtime",
        How::Closure => "closure",
        How::Pointer => "pointer",
        How::Guess => "guess",
    }
}

impl<'a> WhyValue<'a> {
    pub(super) fn of(
        source: &'a str,
        what: &'a str,
        why: &'a Why,
        missing: &'a [String],
    ) -> WhyValue<'a> {
        let mut value = WhyValue {
            schema: SCHEMA,
            source,
            what,
            object: None,
            r#type: None,
            variable: None,
            root: None,
            missing,
        };
        match why {
            Why::Object(object) => value.object = Some(ObjectValue::of(object)),
            Why::Class(class) => value.r#type = Some(ClassValue::of(class)),
            Why::Variable(variable) => value.variable = Some(VariableValue::of(variable)),
            Why::Root { name, retained } => {
                value.root = Some(RootValue {
                    name,
                    retained_bytes: *retained,
                });
            }
        }
        value
    }
}

impl<'a> ObjectValue<'a> {
    fn of(object: &'a WhyObject) -> ObjectValue<'a> {
        ObjectValue {
            address: hex(object.address),
            offset: object.offset,
            part: Some(object.part.as_str()).filter(|part| !part.is_empty()),
            r#type: &object.class,
            known: known(object.how),
            own_bytes: object.size,
            retained_bytes: object.retained,
            reachable: !object.paths.is_empty(),
            paths: object.paths.iter().map(PathValue::of).collect(),
            garbage: object.garbage.as_ref().map(|garbage| GarbageValue {
                head: hex(garbage.head),
                r#type: &garbage.class,
                path: &garbage.path,
            }),
        }
    }
}

impl<'a> PathValue<'a> {
    fn of(path: &'a Held) -> PathValue<'a> {
        PathValue {
            path: &path.path,
            held: held(path.strength),
            length: path.length,
            objects: path
                .objects
                .iter()
                .map(|hop| HopValue {
                    address: hex(hop.address),
                    r#type: &hop.class,
                    retained_bytes: hop.retained,
                })
                .collect(),
        }
    }
}

impl<'a> ClassValue<'a> {
    fn of(class: &'a WhyClass) -> ClassValue<'a> {
        let (ways, objects, bytes) = class.more;
        ClassValue {
            name: &class.name,
            objects: class.objects,
            own_bytes: class.bytes,
            retained_bytes: class.retained,
            garbage_objects: class.garbage_objects,
            garbage_bytes: class.garbage_bytes,
            ways: class
                .ways
                .iter()
                .map(|way| WayValue {
                    path: &way.merged.signature,
                    held: held(way.merged.strength),
                    objects: way.merged.objects,
                    own_bytes: way.merged.bytes,
                    retained_bytes: way.merged.retained,
                    example: ExampleValue {
                        address: hex(way.address),
                        path: &way.example,
                    },
                })
                .collect(),
            left_out: LeftOutValue {
                ways,
                objects,
                own_bytes: bytes,
            },
        }
    }
}

impl<'a> VariableValue<'a> {
    fn of(variable: &'a WhyVariable) -> VariableValue<'a> {
        VariableValue {
            name: &variable.name,
            address: hex(variable.address),
            r#type: variable.ty.as_deref(),
            retained_bytes: variable.retained,
            leads_to: variable.leads_to,
            objects: variable.objects.iter().map(ObjectValue::of).collect(),
        }
    }
}
