//! Another engine by a restart: the same address, listened on again as soon as the process before is gone.

use crate::common::{Client, Host, artefacts, ask, closed_with, connect};
use std::process::Command;
use std::time::Instant;

const CLIENTS: usize = 50;

/// Starts wshost with this engine on an address of the test's choice.
fn start_on(address: &str, package: &str) -> Host {
    let mut command = Command::new(artefacts().wshost());
    command.arg("--plugin").arg(artefacts().of(package)).args(["--listen", address]);
    Host::run(command)
}

/// Clients that have talked: the system remembers their connections for a while after their end.
async fn clients_of(host: &Host) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = connect(host, "/").await;
        assert_eq!(ask(&mut client, "Alice").await, "Alice");
        clients.push(client);
    }
    clients
}

async fn greets_in_its_place(address: &str, gone: Instant) {
    let host = start_on(address, "hello");
    println!("listening again after {:?}", gone.elapsed());
    assert_eq!(host.address(), address);
    let mut client = connect(&host, "/").await;
    assert_eq!(ask(&mut client, "Alice").await, "Hello Alice!");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_stopped_is_followed_by_another_engine_at_once() {
    let mut host = Host::with("echo", &[]);
    let address = host.address().to_owned();
    let mut clients = clients_of(&host).await;
    host.terminate();
    for client in &mut clients {
        assert_eq!(closed_with(client).await, 1001);
    }
    assert_eq!(host.wait().code(), Some(0));
    greets_in_its_place(&address, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_is_followed_by_another_engine_at_once() {
    let host = Host::with("echo", &[]);
    let address = host.address().to_owned();
    let clients = clients_of(&host).await;
    // Ended by SIGKILL; its clients still hold their ends of the connections.
    drop(host);
    greets_in_its_place(&address, Instant::now()).await;
    drop(clients);
}
