//! `cargo run -p structure`: prints who knows whom, the circles, and the rules that are broken. With `-- --lines`, it
//! prints the lines that make each arrow, too.

use structure::{House, Sources, broken, report};

fn main() -> anyhow::Result<()> {
    let sources = Sources::of_this_workspace()?;
    let house = House::read(&sources)?;
    let lines = std::env::args().any(|argument| argument == "--lines");
    print!("{}", report(&house, &broken(&house, &sources)?, lines));
    Ok(())
}
