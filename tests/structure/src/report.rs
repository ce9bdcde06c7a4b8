//! What `cargo run -p structure` prints.

use crate::graph::Graph;
use crate::house::House;
use crate::measure::Measure;
use std::fmt::Write;

/// Folders with fewer modules are seen at a glance.
const BIG: usize = 4;

/// The figures of each crate, who knows whom (with `lines`: where), the circles, and the rules that are broken.
pub fn report(house: &House, broken: &[String], lines: bool) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut text, house, broken, lines);
    text
}

fn write(text: &mut String, house: &House, broken: &[String], lines: bool) -> std::fmt::Result {
    writeln!(text, "Lines and uses of unsafe, tests apart")?;
    writeln!(
        text,
        "{:16} {:>6} {:>6} {:>6} {:>13} {:>12}",
        "crate", "lines", "code", "tests", "unsafe blocks", "unsafe items"
    )?;
    let mut total = Measure::default();
    for of in &house.crates {
        let mut sum = Measure::default();
        of.files.values().for_each(|file| sum += *file);
        total += sum;
        figures(text, &of.package, sum)?;
    }
    figures(text, "together", total)?;
    for (of, each) in house.crates.iter().enumerate() {
        writeln!(text, "\n{} ({}/src): unsafe blocks and items by file", each.package, each.folder)?;
        for (path, file) in each.files.iter().filter(|(_, file)| file.uses_unsafe()) {
            writeln!(text, "  {path}: {}, {}", file.unsafe_blocks, file.unsafe_items)?;
        }
        graph(text, &format!("{} ({}/src)", each.package, each.folder), &Graph::of_crate(house, of), lines)?;
        for id in (0..house.modules.len()).filter(|&id| house.modules[id].of == of) {
            let module = &house.modules[id];
            if module.parent.is_some()
                && module.children.values().filter(|&&id| !house.modules[id].inline).count() >= BIG
            {
                let name = house.path(id).replace("::", "/");
                graph(text, &name, &Graph::of_folder(house, id), lines)?;
            }
        }
    }
    writeln!(text, "\nBroken rules: {}", broken.len())?;
    for what in broken {
        writeln!(text, "- {what}")?;
    }
    Ok(())
}

fn figures(text: &mut String, name: &str, sum: Measure) -> std::fmt::Result {
    let Measure { lines, code, tests, unsafe_blocks, unsafe_items } = sum;
    writeln!(text, "{name:16} {lines:6} {code:6} {tests:6} {unsafe_blocks:13} {unsafe_items:12}")
}

fn graph(text: &mut String, name: &str, graph: &Graph, lines: bool) -> std::fmt::Result {
    writeln!(text, "\n{name}: who knows whom")?;
    for node in &graph.nodes {
        let known = graph.known_to(node).collect::<Vec<_>>().join(", ");
        writeln!(text, "  {node} -> {}", if known.is_empty() { "nobody" } else { &known })?;
    }
    if lines {
        for ((from, to), lines) in &graph.arrows {
            let lines = lines.iter().map(|(file, line)| format!("{file}:{line}")).collect::<Vec<_>>().join(", ");
            writeln!(text, "  {from} -> {to} at {lines}")?;
        }
    }
    let circles = graph.circles();
    let inside: usize = circles.iter().map(|circle| circle.len()).sum();
    writeln!(text, "{name}: {} modules, {inside} of them in {} circles", graph.nodes.len(), circles.len())?;
    for circle in circles {
        writeln!(text, "  circle of {}: {}", circle.len(), circle.into_iter().collect::<Vec<_>>().join(", "))?;
    }
    Ok(())
}
