//! From an address to the page: what it asks for, and the view that shows it.

use axum::http::StatusCode;
use goheap_analysis::NodeKind;
use goheap_analysis::answers::Subject;
use goheap_analysis::answers::listing::Order;
use goheap_analysis::answers::search::Hits;
use goheap_analysis::answers::top::By;
use goheap_analysis::answers::tree::Branch;
use goheap_analysis::answers::what::{Asked, what};
use goheap_analysis::types::ClassId;
use goheap_page::Markup;
use goheap_page::map::Picture;
use goheap_page::shell::{Look, SCRIPT, STYLE, Shell};
use goheap_page::site::{ListQuery, Site, subject_of};
use goheap_page::views::{self, class, diff, find, goroutines, lists, maps, overview, waste};

use super::jobs::{Answer, Ask};
use super::nodes;
use super::world::{Later, World};
use crate::census::status_name;

/// After how many seconds a page asks again for what is not ready.
const AGAIN: u32 = 2;

/// The longest text that is searched for, in bytes.
const LONGEST_SEARCH: usize = 512;

/// The pairs of a query.
pub(super) type Query = [(String, String)];

/// An answer.
pub(super) enum Reply {
    /// A page.
    Page(StatusCode, String),
    /// A file of the page: its type, and what is in it.
    File(&'static str, &'static str),
    /// It is at another address.
    Elsewhere(String),
}

/// What a page shows, and what it is called.
pub(super) struct Shown {
    pub(super) title: String,
    pub(super) body: Markup,
}

/// Why there is no page.
pub(super) enum Refused {
    /// The address makes no sense: what of it, and why.
    Bad(String),
    /// There is no such thing.
    None(String),
}

/// The value of a name in a query; the last one counts.
fn get<'q>(query: &'q Query, name: &str) -> Option<&'q str> {
    let found = query.iter().rev().find(|(of, _)| of == name);
    found.map(|(_, value)| value.as_str())
}

pub(super) fn number(query: &Query, name: &str, otherwise: u64) -> Result<u64, Refused> {
    match get(query, name) {
        None | Some("") => Ok(otherwise),
        Some(text) => match text.parse::<u32>() {
            Ok(number) => Ok(number.into()),
            Err(_) => Err(Refused::Bad(format!("{name}={text} is no number"))),
        },
    }
}

/// Which part of a list is asked for; sorted by one of `columns`.
pub(super) fn list(query: &Query, columns: &[&str], kept: &[&str]) -> Result<ListQuery, Refused> {
    let sort = match get(query, "sort") {
        None | Some("") => None,
        Some(sort) if columns.contains(&sort) => Some(sort.to_owned()),
        Some(sort) => {
            let columns = columns.join(", ");
            return Err(Refused::Bad(format!(
                "this cannot be sorted by {sort}; there is {columns}"
            )));
        }
    };
    let ascending = match get(query, "dir") {
        None | Some("" | "desc") => false,
        Some("asc") => true,
        Some(dir) => return Err(Refused::Bad(format!("dir={dir} is neither asc nor desc"))),
    };
    Ok(ListQuery {
        sort,
        ascending,
        filter: get(query, "q").unwrap_or_default().to_owned(),
        page: number(query, "page", 1)? as usize,
        more: kept
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), get(query, name)?.to_owned())))
            .collect(),
    })
}

/// The answer to an address: the path behind the secret, and the query.
pub(super) fn reply(world: &'static World, path: &str, query: &Query) -> Reply {
    match path {
        "page.css" => return Reply::File("text/css; charset=utf-8", STYLE),
        "page.js" => return Reply::File("text/javascript; charset=utf-8", SCRIPT),
        _ => {}
    }
    let site = world.site();
    if path == "find"
        && let Some(to) = address_asked(world, &site, query)
    {
        return Reply::Elsewhere(to);
    }
    let (status, shown) = match shown(world, &site, path, query) {
        Ok(shown) => (StatusCode::OK, shown),
        Err(refused) => {
            let (status, title, why) = match refused {
                Refused::Bad(why) => (StatusCode::BAD_REQUEST, "This address makes no sense", why),
                Refused::None(why) => (StatusCode::NOT_FOUND, "There is no such page", why),
            };
            let body = views::refused(title, &why);
            let title = title.to_owned();
            (status, Shown { title, body })
        }
    };
    Reply::Page(status, whole(world, &site, path, query, &shown))
}

/// A page in its shell.
fn whole(world: &World, site: &Site<'_>, path: &str, query: &Query, shown: &Shown) -> String {
    let (style, script) = (site.to("page.css"), site.to("page.js"));
    let search = site.to("find");
    let asked = match path {
        "find" => get(query, "q").unwrap_or_default(),
        _ => "",
    };
    // Only `views::not_yet` writes such an element: what a dump says is escaped.
    let waits = shown.body.0.contains("<p class=\"wait\"");
    let shell = Shell {
        title: &shown.title,
        source: &world.name,
        places: site.places(path),
        search: Some((&search, asked)),
        again: waits.then_some(AGAIN),
        missing: world.analysis.dump.missing(),
        look: Look::Linked {
            style: &style,
            script: &script,
        },
    };
    shell.page(&shown.body).into_string()
}

/// The page of an address that was searched for, if it is one of an object or of a variable.
fn address_asked(world: &World, site: &Site<'_>, query: &Query) -> Option<String> {
    use goheap_page::link::Links as _;
    let asked = get(query, "q")?.trim();
    if !asked.starts_with("0x") && !asked.starts_with("0X") {
        return None;
    }
    match what(&world.analysis, asked).ok()? {
        Asked::Object { object, offset } => {
            let at = world.analysis.dump.address(object).saturating_add(offset);
            Some(site.to(&format!("object/{at:#x}")))
        }
        Asked::Variable(root) => {
            let node = world.analysis.nodes.id(NodeKind::Root(root));
            site.subject(Subject::Node(node))
        }
        _ => None,
    }
}

fn shown(
    world: &'static World,
    site: &Site<'_>,
    path: &str,
    query: &Query,
) -> Result<Shown, Refused> {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match (first, rest) {
        ("", "") => Ok(titled("Overview", first_page(world, site))),
        ("map", "") => map(world, site, query),
        ("top", by) => table(world, site, by, query),
        ("objects", "") => objects(world, site, query),
        ("type", id) => type_page(world, site, id),
        ("object", at) => nodes::object(world, site, at, query),
        ("holder", node) => nodes::holder(world, site, node, query),
        ("goroutines", "") => {
            let columns = ["held alone", "goroutines", "leaked", "waits", "stacks"];
            let query = list(query, &columns, &[])?;
            let body = ready(&world.goroutines, "Goroutines", |of| {
                goroutines::goroutines(site, of, &query, status_name)
            });
            Ok(titled("Goroutines", body))
        }
        ("waste", "") => {
            let body = ready(&world.waste, "What is of no use", |of| {
                waste::waste(site, of)
            });
            Ok(titled("Waste", body))
        }
        ("diff", "") => {
            let Some((before, _)) = &world.before else {
                return Err(Refused::None(
                    "nothing is compared here; goheap serve SOURCE --against OTHER does".to_owned(),
                ));
            };
            let query = list(query, &["change", "after", "count"], &[])?;
            let body = ready(&world.diff, "What has changed", |of| {
                diff::diff(site, of, before, &world.name, &query)
            });
            Ok(titled("Diff", body))
        }
        ("find", "") => search(world, site, query),
        _ => Err(Refused::None(format!("{path} is no page"))),
    }
}

fn titled(title: &str, body: Markup) -> Shown {
    Shown {
        title: title.to_owned(),
        body,
    }
}

/// What an answer shows, or that it is not ready, or why there is none.
fn ready<T>(later: &Later<T>, what: &str, view: impl FnOnce(&T) -> Markup) -> Markup {
    match later.get() {
        Some(Ok(of)) => view(of),
        Some(Err(why)) => views::refused(what, why),
        None => views::waiting(what, None, what),
    }
}

pub(super) fn got<T>(later: &Later<T>) -> Option<&T> {
    later.get()?.as_ref().ok()
}

fn first_page(world: &World, site: &Site<'_>) -> Markup {
    overview::overview(
        site,
        &overview::Overview {
            heap: world.heap,
            known: world.known,
            no_roots: world.no_roots,
            tables: [&world.first[0], &world.first[1]],
            captured: Some(&world.captured),
            suspects: got(&world.suspects)
                .map(|suspects| goheap_page::suspects::list(suspects, None, false, site)),
            tree: got(&world.tree),
            ledger: got(&world.ledger),
        },
    )
}

fn map(world: &World, site: &Site<'_>, query: &Query) -> Result<Shown, Refused> {
    let picture = match get(query, "as") {
        None | Some("" | "treemap") => Picture::Treemap,
        Some("icicle") => Picture::Icicle,
        Some(other) => {
            return Err(Refused::Bad(format!(
                "a map is drawn as treemap or icicle, not as {other}"
            )));
        }
    };
    let at: Vec<u32> = match get(query, "at") {
        None | Some("") => Vec::new(),
        Some(text) => text
            .split('.')
            .map(|place| place.parse::<u32>())
            .collect::<Result<_, _>>()
            .map_err(|_| Refused::Bad(format!("at={text} is no place in a map")))?,
    };
    let view = |top: &Branch, of: &str, about: &str| {
        let view = maps::View {
            top,
            at: &at,
            picture,
            of,
            about,
        };
        maps::map(site, &view).ok_or_else(|| Refused::None("the map has no such place".to_owned()))
    };
    let waits = |of: &str, what: &str| {
        views::waiting("Map", Some(maps::choices(site, of, picture, &at)), what)
    };
    const ALONE: &str = "Areas are bytes that would be gone without the thing: what it alone holds. \
                         A click goes into it.";
    if let Some(under) = get(query, "under") {
        let subject = subject_of(&world.analysis, under)
            .ok_or_else(|| Refused::None(format!("under={under}: there is no such thing")))?;
        let job = world.jobs.ask(&Ask::Under(subject));
        let body = match job.answer() {
            Some(Ok(Answer::Under(top))) => view(top, under, ALONE)?,
            Some(Err(why)) => views::refused("Map", why),
            _ => waits(under, "The map of it"),
        };
        return Ok(titled("Map", body));
    }
    let body = match get(query, "by") {
        None | Some("" | "holder") => match world.tree.get() {
            Some(Ok(top)) => view(top, "holder", ALONE)?,
            Some(Err(why)) => views::refused("Map", why),
            None => waits("holder", "The map"),
        },
        Some("type") => view(
            &world.by_type,
            "type",
            "Areas are bytes of the objects themselves, by package and type, whoever holds them.",
        )?,
        Some(other) => {
            return Err(Refused::Bad(format!(
                "a map is by holder or by type, not by {other}"
            )));
        }
    };
    Ok(titled("Map", body))
}

fn table(world: &World, site: &Site<'_>, by: &str, query: &Query) -> Result<Shown, Refused> {
    let by = match by {
        "type" => By::Type,
        "root" => By::Root,
        "package" => By::Package,
        "size" => By::Size,
        other => return Err(Refused::None(format!("there is no table by {other}"))),
    };
    let query = list(query, goheap_page::tops::columns(by), &[])?;
    let title = goheap_page::tops::title(by);
    let (all, no_roots) = (world.all_bytes(), world.no_roots);
    let view = |table: &goheap_analysis::answers::top::Table| {
        lists::rows(site, by, &table.rows, all, no_roots, &query)
    };
    let body = match by {
        By::Type => view(&world.types),
        By::Root => view(&world.holders),
        By::Package => ready(&world.packages, title, view),
        _ => ready(&world.sizes, title, view),
    };
    Ok(titled(title, body))
}

fn order(query: &ListQuery) -> Order {
    match query.sort.as_deref() {
        Some("own") => Order::Size,
        _ => Order::Retained,
    }
}

/// The class of a number in an address.
fn class_of(world: &World, id: &str) -> Result<(ClassId, String), Refused> {
    let number = id.parse::<u32>();
    let number = number.map_err(|_| Refused::Bad(format!("type {id} is no number")))?;
    match world.analysis.types.class(ClassId(number)) {
        Some(class) => Ok((ClassId(number), class.name.clone())),
        None => Err(Refused::None(format!("there is no type {number}"))),
    }
}

fn objects(world: &World, site: &Site<'_>, query: &Query) -> Result<Shown, Refused> {
    let of = list(query, &["retained", "own"], &["type", "only"])?;
    let all = world.all_bytes();
    let class = match get(query, "type") {
        None | Some("") => None,
        Some(id) => Some(class_of(world, id)?),
    };
    let outer = match get(query, "only") {
        None | Some("") => true,
        Some("any") => false,
        Some(other) => return Err(Refused::Bad(format!("only={other}; there is only=any"))),
    };
    let title = match &class {
        Some((_, name)) => format!("Objects of {}", goheap_page::text::name(name)),
        None => "Largest objects".to_owned(),
    };
    let body = ready(&world.listing, &title, |listing| {
        let (objects, outer) = match &class {
            Some((class, _)) => (listing.of_class(*class, order(&of)), None),
            // Where roots are missing nobody is known to hold anything.
            None if world.no_roots => (listing.largest(false, order(&of)), None),
            None => (listing.largest(outer, order(&of)), Some(outer)),
        };
        let total = match (&class, objects.len()) {
            (None, goheap_analysis::answers::listing::LARGEST) => u64::MAX,
            (_, count) => count as u64,
        };
        let view = lists::Objects {
            objects,
            title: title.clone(),
            outer,
            total,
        };
        lists::objects(site, &view, all, &of)
    });
    Ok(Shown { title, body })
}

fn type_page(world: &World, site: &Site<'_>, id: &str) -> Result<Shown, Refused> {
    let (class, name) = class_of(world, id)?;
    let job = world.jobs.ask(&Ask::Why(class));
    let why = match job.answer() {
        Some(Ok(Answer::Why(why))) => Some(Ok(why)),
        Some(Err(why)) => Some(Err(why.as_str())),
        _ => None,
    };
    let is_of = Some(Subject::Class(class));
    let row = world.types.rows.iter().find(|row| row.of == is_of);
    let largest = got(&world.listing).map(|listing| listing.of_class(class, Order::Retained));
    let view = class::Class {
        class,
        name: &name,
        row,
        largest: largest.map(|of| of.get(..class::LARGEST).unwrap_or(of)),
        why,
    };
    let body = class::class(site, &view, world.all_bytes());
    Ok(Shown { title: name, body })
}

fn search(world: &World, site: &Site<'_>, query: &Query) -> Result<Shown, Refused> {
    let asked = get(query, "q").unwrap_or_default().trim();
    if asked.len() > LONGEST_SEARCH {
        return Err(Refused::Bad(format!(
            "at most {LONGEST_SEARCH} bytes are searched for"
        )));
    }
    let job = match asked {
        "" => None,
        asked => Some(world.jobs.ask(&Ask::Text(asked.to_owned()))),
    };
    let answer = job.as_ref().and_then(|job| job.answer());
    let hits: Option<Result<&Hits, &str>> = match answer {
        Some(Ok(Answer::Text(hits))) => Some(Ok(hits)),
        Some(Err(why)) => Some(Err(why)),
        _ => None,
    };
    let no_address = match asked.starts_with("0x") || asked.starts_with("0X") {
        true => what(&world.analysis, asked)
            .err()
            .map(|why| why.to_string()),
        false => None,
    };
    let view = find::Found {
        asked,
        types: &world.types.rows,
        holders: &world.holders.rows,
        hits,
        no_address,
    };
    let body = find::find(site, &view, world.all_bytes(), world.no_roots);
    Ok(titled("Search", body))
}
