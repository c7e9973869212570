//! `goheap why`: by what chain of variables, fields, keys and indexes a thing is held.

use std::io::{self, Write};
use std::process::ExitCode;

use goheap_analysis::answers::what::what;
use goheap_analysis::answers::why::{Held, Why, WhyClass, WhyObject, WhyVariable, why};
use goheap_analysis::paths::Strength;
use goheap_page::words;

use crate::args::WhyArgs;
use crate::error::CommandError;
use crate::examined;
use crate::room;
use crate::text::{self, Align, FAINT, Table, heading, printable};
use crate::top;
use crate::units;

mod json;

pub(crate) fn run(args: &WhyArgs) -> Result<ExitCode, CommandError> {
    let examined = examined::open(&args.examine)?;
    let asked = what(&examined.of, &args.what).map_err(|source| CommandError::What {
        of: examined.name.clone(),
        source,
    })?;
    let answer = why(&examined.of, &asked, args.paths, &examined.watch())
        .map_err(|error| examined::failed(error, &examined.name))?;
    let mut out = text::stdout();
    let missing = examined.of.dump.missing();
    let written = match args.json {
        true => text::json(
            &mut out,
            &json::WhyValue::of(&examined.name, &args.what, &answer, missing),
        ),
        false => top::print_missing(missing, &mut out).and_then(|()| print(&answer, &mut out)),
    };
    text::done(written.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

fn print(why: &Why, out: &mut dyn Write) -> io::Result<()> {
    match why {
        Why::Object(object) => of_object(object, out),
        Why::Class(class) => of_class(class, out),
        Why::Variable(variable) => of_variable(variable, out),
        Why::Root { name, retained } => writeln!(
            out,
            "{} is a root: nobody holds it; it retains {}",
            printable(name.as_bytes()),
            units::bytes(*retained)
        ),
    }
}

fn of_object(object: &WhyObject, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{:#x}: {} ({}), {}, retains {}",
        object.address,
        printable(object.class.as_bytes()),
        words::how_known(object.how),
        units::bytes(object.size),
        units::bytes(object.retained),
    )?;
    if object.offset > 0 {
        let offset = units::bytes(object.offset);
        match object.part.as_str() {
            "" => writeln!(out, "  {offset} into it")?,
            part => writeln!(out, "  {offset} into it: {}", printable(part.as_bytes()))?,
        }
    }
    if let Some(garbage) = &object.garbage {
        writeln!(
            out,
            "\nNo root leads to it: it is garbage, not collected yet."
        )?;
        if garbage.head != object.address {
            writeln!(
                out,
                "  what leads to it, and is led to by nothing else: {}",
                printable(garbage.path.as_bytes())
            )?;
        }
        return Ok(());
    }
    if object.paths.is_empty() {
        return writeln!(
            out,
            "\nNo root leads to it: it is garbage, not collected yet."
        );
    }
    held_by(&object.paths, out)
}

fn held_by(paths: &[Held], out: &mut dyn Write) -> io::Result<()> {
    for strength in [Strength::Variable, Strength::Runtime, Strength::Maybe] {
        let of: Vec<&Held> = paths.iter().filter(|p| p.strength == strength).collect();
        if of.is_empty() {
            continue;
        }
        heading(
            out,
            match strength {
                Strength::Variable => "Held by",
                Strength::Runtime => "Kept by the runtime",
                Strength::Maybe => "Maybe held by (words that may be pointers, or something old)",
            },
        )?;
        for held in of {
            let path = printable(held.path.as_bytes()).to_string();
            writeln!(out, "  {}", room::fitted(path, room::width(), 2))?;
        }
    }
    Ok(())
}

fn of_class(class: &WhyClass, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{}: {}, {}, retaining {}",
        printable(class.name.as_bytes()),
        units::counted(class.objects, "object"),
        units::bytes(class.bytes),
        units::bytes(class.retained),
    )?;
    if class.garbage_objects > 0 {
        writeln!(
            out,
            "  and {} more, {}, that no root leads to: garbage, not collected yet",
            units::count(class.garbage_objects),
            units::bytes(class.garbage_bytes)
        )?;
    }
    if class.ways.is_empty() {
        return Ok(());
    }
    heading(out, "Held by")?;
    let mut table = Table::new(&[Align::Right, Align::Right, Align::Right, Align::Left]);
    table.row(["objects", "own", "retained", "way"].map(str::to_owned));
    let width = room::width();
    for way in &class.ways {
        let merged = &way.merged;
        let strength = words::strength(merged.strength);
        // The numbers take no more than three columns of twelve characters.
        let fitted = |text: &str| {
            let text = printable(text.as_bytes()).to_string();
            room::fitted(text, width, 40)
        };
        table.row([
            units::count(merged.objects),
            units::bytes(merged.bytes),
            units::bytes(merged.retained),
            format!("{strength}{}", fitted(&merged.signature)),
        ]);
        if way.example != merged.signature {
            let example = fitted(&way.example);
            table.row([
                String::new(),
                String::new(),
                String::new(),
                format!("  such as {example}"),
            ]);
        }
    }
    table.print(out)?;
    let (ways, objects, bytes) = class.more;
    match ways {
        0 => Ok(()),
        ways => writeln!(
            out,
            "  {FAINT}and {} more {}, {} in {}{FAINT:#}",
            units::count(ways),
            if ways == 1 { "way" } else { "ways" },
            units::bytes(bytes),
            units::counted(objects, "object"),
        ),
    }
}

fn of_variable(variable: &WhyVariable, out: &mut dyn Write) -> io::Result<()> {
    let ty = variable.ty.as_deref().unwrap_or("a type that is not known");
    writeln!(
        out,
        "{}: a variable of {}, at {:#x}, retains {}",
        printable(variable.name.as_bytes()),
        printable(ty.as_bytes()),
        variable.address,
        units::bytes(variable.retained),
    )?;
    let led_to = units::counted(variable.leads_to, "object");
    let shown = variable.objects.len() as u64;
    match variable.leads_to > shown {
        true => writeln!(
            out,
            "It leads to {led_to}; the {} that retain most:",
            units::count(shown)
        )?,
        false => writeln!(out, "It leads to {led_to}:")?,
    }
    for object in &variable.objects {
        writeln!(out)?;
        of_object(object, out)?;
    }
    Ok(())
}
