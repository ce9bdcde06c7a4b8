//! A peer for tests/load/compare: what does it cost that wshost's engines are libraries?
//!
//! Takes wshost's options and serves until it is killed.

#![allow(missing_docs)]

#[path = "mod.rs"]
mod linked;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (_running, url) = linked::start(std::env::args_os().skip(1), runtime.handle())?;
    println!("listening on {url}");
    runtime.block_on(std::future::pending())
}
